"""The audio transformers with the published shapes of everything but width and depth."""

import torch

from effbench.models.backbones.asit import Asit
from effbench.models.backbones.atst import AtstFrame
from effbench.models.backbones.beats import Beats
from effbench.models.backbones.fpasst import FramePasst
from effbench.models.backbones.m2d import M2d
from effbench.models.detector import SoundEventDetector
from effbench.models.frontends.kaldi import asit_frontend, beats_frontend
from effbench.models.frontends.mel import LogMelFrontend, atst_frontend, m2d_frontend

SMALL = {
    "BEATs": lambda: (beats_frontend(16), Beats(32, 2, 4, patch_dim=24, kernel=8, groups=4)),
    "ATST-F": lambda: (atst_frontend(), AtstFrame(32, 2, 4)),
    "fpasst": lambda: (LogMelFrontend(periodic=True), FramePasst(32, 2, 4)),
    "M2D": lambda: (m2d_frontend(), M2d(32, 2, 4)),
    "ASIT": lambda: (asit_frontend(16), Asit(32, 2, 4)),
}


def small_detector(name, *, n_classes=5, seed=0, fixed_frames=None):
    torch.manual_seed(seed)
    frontend, backbone = SMALL[name]()
    return SoundEventDetector(
        frontend,
        backbone,
        torch.nn.Identity(),
        width=backbone.embed_dim,
        n_classes=n_classes,
        n_weak_classes=n_classes,
        fixed_frames=fixed_frames,
    ).eval()
