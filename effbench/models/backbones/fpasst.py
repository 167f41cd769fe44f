"""fPaSST (frame-wise PaSST): a convolutional stem before a vision transformer with one token per 40 ms."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from effbench.grid import CLIP_FRAMES
from effbench.models.backbones.vit import VisionTransformer, initialise, layer_norm

_STEM = (16, 32, 64)
_FOLDED = 16


class NextFrameConv2d(nn.Conv2d):
    """Convolution over this frame and the next one, which is zero after the end: keeps the frames."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (0, 1)))


class FrameEmbedding(nn.Module):
    """One token per frame, from all channels and bands of this frame and the next one.

    Shape:
        (batch, channels, bands, frames) -> (batch, frames, dim)
    """

    def __init__(self, channels: int, bands: int, dim: int) -> None:
        super().__init__()
        self.proj = NextFrameConv2d(channels, dim, (bands, 2))

    def forward(self, x: Tensor) -> Tensor:
        return self.proj(x).squeeze(2).transpose(1, 2)


class FramePasst(VisionTransformer):
    """fPaSST: a stem that reduces time by four, one token per frame, absolute positions for 10 s.

    Shorter clips take the first positions in eval mode, and a random stretch of the table in training (from
    torch's generator); longer ones are refused, where the published implementation drops what is beyond 10 s.

    Shape:
        (batch, 1, n_mels, feature frames) -> (batch, frames, dim)

    Source: Koutini et al. 2022 (PaSST), with the frame-wise stem of arXiv 2409.09546.
    """

    label = "fPaSST"
    n_mels = 128
    positions = CLIP_FRAMES

    def __init__(self, dim: int = 768, depth: int = 12, heads: int = 12) -> None:
        super().__init__(dim, depth, heads)
        self.cls_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.dist_token = nn.Parameter(torch.zeros(1, 1, dim))
        self.new_pos_embed = nn.Parameter(torch.zeros(1, 2, dim))
        self.freq_new_pos_embed = nn.Parameter(torch.zeros(1, dim, 1, 1))
        self.time_new_pos_embed = nn.Parameter(torch.zeros(1, dim, 1, self.positions))
        self.conv_in_1 = nn.Conv2d(1, _STEM[0], 3, 2, 1)
        self.conv_in_2 = nn.Conv2d(_STEM[0], _STEM[1], 3, 1, 1)
        self.conv_in_3 = nn.Conv2d(_STEM[1], _STEM[2], 3, 2, 1)
        self.patch_embed = FrameEmbedding(_FOLDED, self.n_mels // 4 * _STEM[2] // _FOLDED, dim)
        self.norm = layer_norm(dim)
        self.apply(initialise)

    def forward(self, features: Tensor) -> Tensor:
        self.check(features)
        x = F.gelu(self.conv_in_1(features))
        x = F.gelu(self.conv_in_2(x))
        x = F.gelu(self.conv_in_3(x))
        # Channels and bands are read as one axis and cut anew: fewer channels of more bands.
        x = self.patch_embed(x.flatten(1, 2).unflatten(1, (_FOLDED, -1)))
        x = x + self._positions(x.shape[1])
        tokens = torch.cat((self.cls_token, self.dist_token), 1) + self.new_pos_embed
        x = self.run_blocks(torch.cat((tokens.expand(x.shape[0], -1, -1), x), 1))
        return self.norm(x[:, tokens.shape[1] :])

    def _positions(self, frames: int) -> Tensor:
        """(1, frames, dim): a stretch of the table of positions."""
        table = (self.time_new_pos_embed + self.freq_new_pos_embed).squeeze(2).transpose(1, 2)
        spare = table.shape[1] - frames
        start = int(torch.randint(spare + 1, ())) if self.training and spare else 0
        return table[:, start : start + frames]
