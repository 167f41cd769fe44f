"""BEATs' attention: relative positions as logits, gated by the queries."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class RelativePositionBias(nn.Module):
    """One learned logit per head and bucket of distances, the same for all layers.

    Distances up to half the buckets of one sign have a bucket each; beyond, buckets grow with the logarithm
    up to ``max_distance``.

    Args:
        heads: number of attention heads.
        buckets: number of buckets of both signs together.
        max_distance: from here on all distances share the last bucket.

    Shape:
        number of tokens -> (heads, tokens, tokens): query, key

    Source: Raffel et al. 2020 (T5).
    """

    def __init__(self, heads: int, *, buckets: int = 320, max_distance: int = 800) -> None:
        super().__init__()
        self.max_distance = max_distance
        self.weight = nn.Parameter(torch.empty(buckets, heads))
        nn.init.normal_(self.weight, 0.0, 0.02)

    def bucket(self, distance: Tensor) -> Tensor:
        """Bucket of each distance, key's position less the query's; same shape."""
        buckets = len(self.weight) // 2
        exact = buckets // 2
        size = distance.abs()
        octaves = math.log(self.max_distance / exact)
        # As a float32 logarithm, cut off: a bucket's border lies where the published implementation has it.
        far = exact + ((size.clamp(min=1).float() / exact).log() / octaves * (buckets - exact)).long()
        near = torch.where(size < exact, size, far.clamp(max=buckets - 1))
        return near + (distance > 0) * buckets

    def forward(self, tokens: int) -> Tensor:
        # Every distance is looked up once; row i of the result is a window of them.
        distance = torch.arange(1 - tokens, tokens, device=self.weight.device)
        by_distance = self.weight[self.bucket(distance)].T
        return by_distance.unfold(1, tokens, 1).flip(1)


class GatedBiasAttention(nn.Module):
    """Multi-head self-attention; each query scales the relative position bias that it sees.

    Args:
        dim: model width, a multiple of ``heads``.
        heads: number of attention heads.
        dropout: rate on the attention weights, training only.

    Shape:
        (batch, tokens, dim), bias (heads, tokens, tokens) -> (batch, tokens, dim)

    Source: Chen et al. 2022 (WavLM), section 3.1: gated relative position bias.
    """

    def __init__(self, dim: int, heads: int, *, dropout: float) -> None:
        super().__init__()
        self.heads, self.dropout = heads, dropout
        self.k_proj, self.v_proj, self.q_proj = (nn.Linear(dim, dim) for _ in range(3))
        self.out_proj = nn.Linear(dim, dim)
        self.grep_linear = nn.Linear(dim // heads, 8)
        self.grep_a = nn.Parameter(torch.ones(1, heads, 1, 1))

    def forward(self, x: Tensor, bias: Tensor) -> Tensor:
        q, k, v = (
            project(x).unflatten(2, (self.heads, -1)).transpose(1, 2)
            for project in (self.q_proj, self.k_proj, self.v_proj)
        )
        update, reset = self.grep_linear(q).unflatten(3, (2, 4)).sum(4).sigmoid().split(1, 3)
        gate = update * (reset * self.grep_a - 1.0) + 2.0
        out = F.scaled_dot_product_attention(
            q,
            k,
            v,
            attn_mask=gate.to(q.dtype) * bias.to(q.dtype),
            dropout_p=self.dropout if self.training else 0.0,
        )
        return self.out_proj(out.transpose(1, 2).flatten(2))
