"""Builders: from a spec, its card and a checkpoint to a detector."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from effbench.data.vocabulary import strong_classes
from effbench.errors import UsageError
from effbench.grid import CLIP_FRAMES, CLIP_SECONDS
from effbench.models import zoo
from effbench.models.backbones.asit import Asit
from effbench.models.backbones.atst import AtstFrame
from effbench.models.backbones.backbone import Backbone
from effbench.models.backbones.beats import Beats
from effbench.models.backbones.fmn import FrameMobileNet
from effbench.models.backbones.fpasst import FramePasst
from effbench.models.backbones.m2d import M2d
from effbench.models.checkpoints import Checkpoint, load_state
from effbench.models.detector import Predictions, SoundEventDetector
from effbench.models.frontends.frontend import Frontend
from effbench.models.frontends.kaldi import asit_frontend, beats_frontend
from effbench.models.frontends.mel import LogMelFrontend, atst_frontend, m2d_frontend
from effbench.models.located import open_checkpoint
from effbench.models.own_code import build_own, run_factory, running
from effbench.models.own_model import OwnModel, find_model
from effbench.models.sequence import build_sequence
from effbench.spec import ModelSpec


def _paired(frontend: Callable[[int], Frontend], backbone: Backbone) -> tuple[Frontend, Backbone]:
    return frontend(backbone.min_feature_frames), backbone


#: Front-end and backbone of each backbone family.
BACKBONE_BUILDERS: Mapping[str, Callable[[ModelSpec], tuple[Frontend, Backbone]]] = {
    "fmn": lambda spec: (LogMelFrontend(), FrameMobileNet(spec.width_multiplier)),
    "BEATs": lambda spec: _paired(beats_frontend, Beats()),
    "ATST-F": lambda spec: (atst_frontend(), AtstFrame()),
    "fpasst": lambda spec: (LogMelFrontend(periodic=True), FramePasst()),
    "M2D": lambda spec: (m2d_frontend(), M2d()),
    "ASIT": lambda spec: _paired(asit_frontend, Asit()),
}


def build_model(
    spec: str | ModelSpec,
    *,
    n_classes: int | None = None,
    checkpoint: str | Path | Checkpoint | None = None,
    seed: int | None = None,
    n_weak_classes: int | None = None,
    frames: Literal["audio", "published"] = "audio",
) -> SoundEventDetector:
    """Detector of a spec in eval mode, with fresh or loaded weights; it knows its classes where those do.

    Args:
        spec: e.g. ``fmn10+hybrid-512``, or a model of one's own (``find_model``) that is a detector.
        n_classes: classes of the strong head; by default those of the checkpoint, else 447.
        checkpoint: a training whose published file the model's card names (``strong``, ``weak``,
            ``ssl``, ``advanced-kd``), the path of a file, or its contents. The number of attention heads (and
            of Mamba2's channels per head) is read from it.
        seed: makes the fresh weights reproducible and leaves the global random state as it was.
        n_weak_classes: classes of the weak head, by default ``n_classes``.
        frames: ``audio`` gives one output frame per 40 ms of audio, ``published`` always 250, whatever the
            length, as the published implementation does.

    Raises:
        UnknownModel: no such model, or an impossible dimension.
        UsageError: ``n_classes`` is not positive, ``frames`` is neither, or a model of one's own is no
            detector of so many classes.
        CheckpointError: the checkpoint can't be found, read, or fitted to the model.
    """
    spec = find_model(spec)
    for count in (n_classes, n_weak_classes):
        if count is not None and count < 1:
            raise UsageError(f"the number of classes must be positive, not {count}")
    if frames not in ("audio", "published"):
        raise UsageError(f"frames must be 'audio' or 'published', not '{frames}'")
    if isinstance(spec, OwnModel):
        return _build_own(spec, n_classes, n_weak_classes, checkpoint, seed)
    options = zoo.sequence_options(spec)
    stored: Checkpoint | None = None
    if checkpoint is not None:
        stored = checkpoint if isinstance(checkpoint, Checkpoint) else open_checkpoint(spec, checkpoint)
        stored.check_fits(spec)
        options |= stored.sequence.options if stored.sequence else {}
        n_weak_classes = n_weak_classes or n_classes or stored.outputs("weak_head")
        n_classes = n_classes or stored.outputs("strong_head")
    n_classes = n_classes or len(strong_classes())
    with nullcontext() if seed is None else torch.random.fork_rng():
        if seed is not None:
            torch.manual_seed(seed)
        detector = _assemble(spec, options, n_classes, n_weak_classes or n_classes, frames)
    detector.spec = str(spec)
    if n_classes == len(strong_classes()):
        detector.classes = strong_classes().names
    if stored is not None:
        load_state(detector, stored)
    return detector.eval()


def _build_own(
    spec: OwnModel,
    n_classes: int | None,
    n_weak_classes: int | None,
    checkpoint: str | Path | Checkpoint | None,
    seed: int | None,
) -> SoundEventDetector:
    stored = checkpoint
    if stored is not None and not isinstance(stored, Checkpoint):
        stored = open_checkpoint(spec, stored)
    if stored is not None:
        n_weak_classes = n_weak_classes or n_classes or stored.outputs("weak_head")
        n_classes = n_classes or stored.outputs("strong_head")
    given = {"n_classes": n_classes, "n_weak_classes": n_weak_classes or n_classes}
    wanted = {name: count for name, count in given.items() if count is not None}
    detector = build_own(spec, seed=seed, **wanted).module
    if not isinstance(detector, SoundEventDetector):
        raise UsageError(
            f"the model '{spec}' is no detector: that is an effbench.SoundEventDetector, not a module of "
            f"class {type(detector).__name__}"
        )
    for name, head in (("n_classes", detector.strong_head), ("n_weak_classes", detector.weak_head)):
        if wanted.get(name, head.out_features) != head.out_features:
            raise UsageError(
                f"the model '{spec}' has {head.out_features} outputs where {wanted[name]} are needed: give "
                f"its factory an argument {name}"
            )
    _check_predictions(spec, detector)
    if stored is not None:
        load_state(detector, stored)
    return detector


def _check_predictions(spec: OwnModel, detector: SoundEventDetector) -> None:
    """Raise ``UsageError`` unless a clip gives logits of all classes, and of one frame for each 40 ms."""
    with torch.inference_mode(), running(spec, "on a clip of 10 s, it"):
        found = detector(detector.frontend(torch.zeros(1, round(CLIP_SECONDS * detector.sample_rate))))
    strong, weak = detector.strong_head.out_features, detector.weak_head.out_features
    wanted = [(1, strong, CLIP_FRAMES), (1, weak)]
    shapes = [tuple(getattr(logits, "shape", ())) for logits in found] if isinstance(found, tuple) else []
    if shapes != wanted or not isinstance(found, Predictions):
        gives = f"{type(found).__name__}{f' of {shapes[0]} and {shapes[1]}' if len(shapes) == 2 else ''}"
        raise UsageError(
            f"the detector '{spec}' gives effbench.Predictions of {wanted[0]} and {wanted[1]} for a clip of "
            f"10 s, a frame for each 40 ms, not {gives}"
        )


def _frontend_and_backbone(spec: ModelSpec) -> tuple[nn.Module, Backbone]:
    if spec.family in BACKBONE_BUILDERS:
        return BACKBONE_BUILDERS[spec.family](spec)
    registered = zoo.own_backbone(spec.backbone)
    assert registered is not None
    backbone = run_factory(registered[0], {})
    frontend = LogMelFrontend() if registered[1] is None else run_factory(registered[1], {})
    if not isinstance(backbone, Backbone) or not isinstance(getattr(backbone, "embed_dim", None), int):
        raise UsageError(
            f"the backbone '{spec.backbone}' is an effbench.Backbone with a width embed_dim, not a value of "
            f"type {type(backbone).__name__}"
        )
    if not isinstance(frontend, nn.Module):
        raise UsageError(f"the front-end of '{spec.backbone}' is no torch module")
    return frontend, backbone


def _own_sequence(own: OwnModel, width: int, dim: int, options: Mapping[str, int]) -> tuple[nn.Module, int]:
    """A sequence model of one's own, and the width of its output: the model's, unless it says another."""
    made = run_factory(own, options, width, dim)
    module, out = made if isinstance(made, tuple) and len(made) == 2 else (made, dim)
    if not isinstance(module, nn.Module) or not isinstance(out, int):
        raise UsageError(
            f"the sequence model '{own}' is a torch module, or a pair of one and the width of its output, "
            f"not a value of type {type(made).__name__}"
        )
    return module, out


def _assemble(
    spec: ModelSpec, options: Mapping[str, int], n_classes: int, n_weak_classes: int, frames: str
) -> SoundEventDetector:
    frontend, backbone = _frontend_and_backbone(spec)
    sequence: nn.Module = nn.Identity()
    width = backbone.embed_dim
    if spec.sequence is not None and spec.dim is not None:
        own = zoo.own_sequence(spec.sequence)
        if own is None:
            sequence, width = build_sequence(spec.sequence, width, spec.dim, **options)
        else:
            sequence, width = _own_sequence(own, width, spec.dim, options)
    return SoundEventDetector(
        frontend,
        backbone,
        sequence,
        width=width,
        n_classes=n_classes,
        n_weak_classes=n_weak_classes,
        fixed_frames=CLIP_FRAMES if frames == "published" else None,
    )
