"""TCN: dilated causal convolutions."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from effbench.models.layers import ResidualStack, projection


class CausalConv1d(nn.Module):
    """Weight-normalised dilated convolution that sees the present and the past.

    Pads on the left only: no frame is computed to be thrown away.

    Shape:
        (batch, dim, frames) -> (batch, dim, frames)

    Source: Salimans and Kingma 2016 (weight normalisation per output channel).
    """

    def __init__(self, dim: int, *, kernel: int, dilation: int) -> None:
        super().__init__()
        plain = nn.Conv1d(dim, dim, kernel)
        self.dilation, self.padding = dilation, (kernel - 1) * dilation
        self.bias = plain.bias
        self.weight_g = nn.Parameter(plain.weight.detach().norm(dim=(1, 2), keepdim=True))
        self.weight_v = plain.weight

    def forward(self, x: Tensor) -> Tensor:
        weight = torch._weight_norm(self.weight_v, self.weight_g, 0)
        return F.conv1d(F.pad(x, (self.padding, 0)), weight, self.bias, dilation=self.dilation)


class TemporalBlock(nn.Module):
    """Two causal convolutions with ReLU and dropout, and a residual.

    Shape:
        (batch, dim, frames) -> (batch, dim, frames)

    Source: Bai et al. 2018, section 3.3.
    """

    def __init__(self, dim: int, *, kernel: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.conv1 = CausalConv1d(dim, kernel=kernel, dilation=dilation)
        self.conv2 = CausalConv1d(dim, kernel=kernel, dilation=dilation)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.dropout(self.conv1(x).relu())
        hidden = self.dropout(self.conv2(hidden).relu())
        return (hidden + x).relu()


class TemporalConvNet(nn.Module):
    """Temporal blocks whose dilation doubles from block to block; keeps (batch, frames, dim)."""

    def __init__(self, dim: int, *, blocks: int, kernel: int, dropout: float) -> None:
        super().__init__()
        self.network = nn.Sequential(
            *(TemporalBlock(dim, kernel=kernel, dilation=2**i, dropout=dropout) for i in range(blocks))
        )

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.network(x.transpose(1, 2))
        return out.transpose(1, 2)


def build_tcn(
    in_dim: int, dim: int, *, depth: int = 2, blocks: int = 5, kernel: int = 3, dropout: float = 0.2
) -> nn.Module:
    """TCN: projection and networks with a skip each, (batch, frames, in_dim) -> (batch, frames, dim)."""
    nets = (TemporalConvNet(dim, blocks=blocks, kernel=kernel, dropout=dropout) for _ in range(depth))
    return nn.Sequential(projection(in_dim, dim), ResidualStack(*nets))
