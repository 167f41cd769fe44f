"""TF and ATT: gated self-attention with rotary positions, with and without feed-forward blocks."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from effbench.models.layers import (
    NormedStack,
    Residual,
    ResidualStack,
    RMSNorm,
    initialise_normal,
    projection,
)


class RotaryEmbedding(nn.Module):
    """Rotates neighbouring channel pairs by an angle that grows with the frame index.

    Of an odd number of channels the last one is not rotated. The frequencies are constant, but stand in
    the ``state_dict`` (``freqs``), and so in the parameter count, as in the published checkpoints.

    Shape:
        (batch, heads, frames, head_dim) -> (batch, heads, frames, head_dim)

    Source: Su et al. 2021, equation 34, interleaved pairs, base 10 000.
    """

    def __init__(self, head_dim: int) -> None:
        super().__init__()
        exponent = torch.arange(0, head_dim - 1, 2).float() / head_dim
        self.freqs = nn.Parameter(10_000.0**-exponent, requires_grad=False)

    def forward(self, x: Tensor) -> Tensor:
        pairs = len(self.freqs)
        position = torch.arange(x.shape[-2], device=x.device, dtype=torch.float32)
        angle = position[:, None] * self.freqs.float()
        cos, sin = angle.cos().to(x.dtype), angle.sin().to(x.dtype)
        even, odd = x[..., 0 : 2 * pairs : 2], x[..., 1 : 2 * pairs : 2]
        rotated = torch.stack((even * cos - odd * sin, odd * cos + even * sin), -1).flatten(-2)
        return rotated if 2 * pairs == x.shape[-1] else torch.cat((rotated, x[..., 2 * pairs :]), -1)


class GatedAttention(nn.Module):
    """Pre-normalised multi-head self-attention; a sigmoid gate per head and frame scales its output.

    Args:
        dim: model width, a multiple of ``heads``.
        heads: number of attention heads.
        dropout: rate on the attention weights and on the output, training only.

    Shape:
        (batch, frames, dim) -> (batch, frames, dim), without the residual
    """

    def __init__(self, dim: int, *, heads: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.pos_encoding = RotaryEmbedding(dim // heads)
        self.norm = RMSNorm(dim)
        self.to_qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.to_gates = nn.Linear(dim, heads)
        self.to_out = nn.Sequential(nn.Linear(dim, dim, bias=False), nn.Dropout(dropout))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        q, k, v = self.to_qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        q, k = self.pos_encoding(q), self.pos_encoding(k)
        out = F.scaled_dot_product_attention(q, k, v, dropout_p=self.dropout if self.training else 0.0)
        gates = self.to_gates(x).sigmoid().transpose(1, 2).unsqueeze(-1)
        return self.to_out((out * gates).transpose(1, 2).flatten(-2))


class PreNormFeedForward(nn.Module):
    """Pre-normalised position-wise feed-forward block with exact GELU.

    Shape:
        (batch, frames, dim) -> (batch, frames, dim), without the residual

    Source: Vaswani et al. 2017, section 3.3.
    """

    def __init__(self, dim: int, *, dropout: float) -> None:
        super().__init__()
        self.net = nn.Sequential(
            RMSNorm(dim),
            nn.Linear(dim, 4 * dim),
            nn.GELU(),
            nn.Dropout(dropout),
            nn.Linear(4 * dim, dim),
            nn.Dropout(dropout),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


def build_transformer(
    in_dim: int, dim: int, *, heads: int, depth: int = 2, dropout: float = 0.2
) -> nn.Module:
    """TF: projection and a transformer, (batch, frames, in_dim) -> (batch, frames, dim)."""
    blocks = (
        Residual(GatedAttention(dim, heads=heads, dropout=dropout), PreNormFeedForward(dim, dropout=dropout))
        for _ in range(depth)
    )
    return nn.Sequential(projection(in_dim, dim), NormedStack(dim, blocks)).apply(initialise_normal)


def build_attention(in_dim: int, dim: int, *, heads: int, depth: int = 2) -> nn.Module:
    """ATT: projection and attention blocks alone, (batch, frames, in_dim) -> (batch, frames, dim)."""
    stack = ResidualStack(*(GatedAttention(dim, heads=heads) for _ in range(depth)))
    return nn.Sequential(projection(in_dim, dim), stack).apply(initialise_normal)
