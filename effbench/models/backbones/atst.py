"""ATST-F (ATST-Frame): a vision transformer whose patches are whole columns of 40 ms."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from effbench.grid import CLIP_FRAMES
from effbench.models.backbones.backbone import HOPS_PER_FRAME
from effbench.models.backbones.vit import VisionTransformer, initialise, layer_norm


class ColumnEmbedding(nn.Module):
    """One token for every four columns of all bands, (batch, mels, frames) -> (batch, frames // 4, dim)."""

    def __init__(self, dim: int, *, n_mels: int) -> None:
        super().__init__()
        self.patch_embed = nn.Linear(n_mels * HOPS_PER_FRAME, dim)

    def forward(self, x: Tensor) -> Tensor:
        patches = x.unflatten(2, (-1, HOPS_PER_FRAME)).transpose(1, 2).flatten(2)
        return self.patch_embed(patches)


class AtstFrame(VisionTransformer):
    """ATST-F: one token per 40 ms, absolute positions for 10 s.

    Shorter clips take the first positions; longer ones are refused. The centred front-end gives one column
    more than the audio has hops: columns beyond the audio's last 40 ms frame are dropped, and a last frame
    that the audio fills in part is completed by repeating the last column.

    Shape:
        (batch, 1, n_mels, feature frames) -> (batch, frames, dim)

    Source: Li et al. 2024, "Self-supervised audio teacher-student transformer for both clip-level and
    frame-level tasks".
    """

    label = "ATST-F"
    n_mels = 64
    extra_hops = -1
    positions = CLIP_FRAMES
    last_norm = "norm_frame"

    def __init__(self, dim: int = 768, depth: int = 12, heads: int = 12) -> None:
        super().__init__(dim, depth, heads, qkv_bias=False)
        # The first row of positions and the mask served pre-training alone.
        self.mask_embed = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, self.positions + 1, dim))
        self.patch_embed = ColumnEmbedding(dim, n_mels=self.n_mels)
        self.norm_frame = layer_norm(dim)
        self.apply(initialise)

    def forward(self, features: Tensor) -> Tensor:
        self.check(features)
        frames = self.frames(features.shape[3])
        columns = HOPS_PER_FRAME * frames
        x = F.pad(features.squeeze(1), (0, HOPS_PER_FRAME), mode="replicate")[..., :columns]
        x = self.patch_embed(x) + self.pos_embed[:, 1 : frames + 1]
        return self.norm_frame(self.run_blocks(x))
