"""ASiT: a vision transformer on patches of 160 ms x 16 bands."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from effbench.models.backbones.backbone import PATCH
from effbench.models.backbones.vit import PatchEmbedding, VisionTransformer, initialise, layer_norm

#: Shape of the learned table of positions.
_GRID = (8, 37)


class Asit(VisionTransformer):
    """ASiT: every patch is a token, eight in each time step; the class token stays in front of them.

    Clips of any length from one patch on: the table of positions is stretched over the clip, and feature
    frames that fill no patch are not used. The detector pools the tokens as they come, class token
    included, to 25 frames per second, as published.

    Shape:
        (batch, 1, n_mels, feature frames) -> (batch, 1 + time steps * n_mels // 16, dim)

    Source: Atito et al. 2024, "ASiT: local-global audio spectrogram vision transformer".
    """

    label = "ASiT"
    n_mels = 128
    extra_hops = 2
    min_feature_frames = PATCH

    def __init__(self, dim: int = 768, depth: int = 12, heads: int = 12) -> None:
        super().__init__(dim, depth, heads)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.pos_embed = nn.Parameter(torch.zeros(1, 1 + math.prod(_GRID), dim))
        self.patch_embed = PatchEmbedding(dim)
        self.norm = layer_norm(dim)
        self.apply(initialise)

    def forward(self, features: Tensor) -> Tensor:
        self.check(features)
        steps, rows = (size // PATCH for size in (features.shape[3], self.n_mels))
        x = self.patch_embed(features.transpose(2, 3))
        x = torch.cat((self.cls_token.expand(x.shape[0], -1, -1), x), 1) + self._positions(steps, rows)
        return self.norm(self.run_blocks(x))

    def _positions(self, steps: int, rows: int) -> Tensor:
        """(1, 1 + steps * rows, dim): the table, resized to the clip.

        The table's first axis was meant for frequency and is stretched over time, its second is squeezed
        over frequency: the published weights were trained so.
        """
        table = self.pos_embed[:, 1:].unflatten(1, _GRID).permute(0, 3, 1, 2)
        table = F.interpolate(table, size=(steps, rows), mode="bicubic", align_corners=False)
        return torch.cat((self.pos_embed[:, :1], table.flatten(2).transpose(1, 2)), 1)
