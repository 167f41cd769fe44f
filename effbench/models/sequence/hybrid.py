"""HYBRID: bidirectional minGRU and self-attention side by side."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from effbench.models.layers import NormedStack, RMSNorm, projection
from effbench.models.sequence.scans import GatedScan


class MinGruGates(nn.Module):
    """Gate and candidate of a minGRU in one linear map.

    Shape:
        (batch, frames, dim) -> decay and value, both (batch, frames, dim)

    Source: Feng et al. 2024 (minGRU), section 3.1; the candidate is kept positive as in its appendix B.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.to_hidden_and_gate = nn.Linear(dim, 2 * dim, bias=False)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        hidden, gate = self.to_hidden_and_gate(x).float().chunk(2, -1)
        candidate = torch.where(hidden >= 0, hidden + 0.5, hidden.sigmoid())
        return (-gate).sigmoid(), gate.sigmoid() * candidate


class BidirectionalMinGru(nn.Module):
    """One minGRU forwards, one backwards in time, joined by a linear map; keeps (batch, frames, dim)."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.forward_minGRU = MinGruGates(dim)
        self.backward_minGRU = MinGruGates(dim)
        self.scan = GatedScan()
        self.to_out = nn.Linear(2 * dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        ahead, back = self.forward_minGRU(x), self.backward_minGRU(x)
        decay, value = (torch.cat((a, b.flip(1)), -1) for a, b in zip(ahead, back, strict=True))
        state_ahead, state_back = self.scan(decay, value).to(x.dtype).chunk(2, -1)
        return self.to_out(torch.cat((state_ahead, state_back.flip(1)), -1))


class HybridMixer(nn.Module):
    """Mean of a bidirectional minGRU and of self-attention, each normalised per head.

    Shape:
        (batch, frames, dim) -> (batch, frames, dim)
    """

    def __init__(self, dim: int, *, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.to_qkv = nn.Linear(dim, 3 * dim, bias=False)
        self.rnn = BidirectionalMinGru(dim)
        self.rnn_out_norm = RMSNorm(dim // heads)
        self.attn_out_norm = RMSNorm(dim // heads)
        self.to_out = nn.Linear(dim, dim, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        recurrent = self.rnn(x).unflatten(-1, (self.heads, -1))
        q, k, v = self.to_qkv(x).unflatten(-1, (3, self.heads, -1)).permute(2, 0, 3, 1, 4)
        attended = F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        mixed = 0.5 * self.rnn_out_norm(recurrent) + 0.5 * self.attn_out_norm(attended)
        return self.to_out(mixed.flatten(-2))


class HybridBlock(nn.Sequential):
    """Pre-normalised mixer and pre-normalised feed-forward block, with a residual each.

    Shape:
        (batch, frames, dim) -> (batch, frames, dim)
    """

    def __init__(self, dim: int, *, heads: int) -> None:
        feed_forward = nn.Sequential(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))
        super().__init__(RMSNorm(dim), HybridMixer(dim, heads=heads), RMSNorm(dim), feed_forward)

    def forward(self, x: Tensor) -> Tensor:
        mixer_norm, mixer, feed_forward_norm, feed_forward = self
        x = mixer(mixer_norm(x)) + x
        return feed_forward(feed_forward_norm(x)) + x


def build_hybrid(in_dim: int, dim: int, *, heads: int, depth: int = 2) -> nn.Module:
    """HYBRID: projection and hybrid blocks, (batch, frames, in_dim) -> (batch, frames, dim)."""
    blocks = (HybridBlock(dim, heads=heads) for _ in range(depth))
    return nn.Sequential(projection(in_dim, dim), NormedStack(dim, blocks))
