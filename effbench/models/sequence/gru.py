"""BiGRU: a bidirectional recurrent network straight on the backbone's embeddings."""

from __future__ import annotations

from torch import Tensor, nn


class BiGru(nn.Module):
    """Bidirectional GRU; the forward half of the output stands first.

    Shape:
        (batch, frames, in_dim) -> (batch, frames, 2 dim)

    Source: Cho et al. 2014.
    """

    def __init__(self, in_dim: int, dim: int, *, depth: int) -> None:
        super().__init__()
        self.gru = nn.GRU(in_dim, dim, num_layers=depth, bidirectional=True, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.gru(x)[0]
        return out


def build_bigru(in_dim: int, dim: int, *, depth: int = 2) -> nn.Module:
    """BiGRU without projection, (batch, frames, in_dim) -> (batch, frames, 2 dim)."""
    return nn.Sequential(BiGru(in_dim, dim, depth=depth))
