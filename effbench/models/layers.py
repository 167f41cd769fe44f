"""Parts that several networks share."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def no_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Switches autocast off inside; does nothing on the ``meta`` device, which has none."""
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)


class RMSNorm(nn.Module):
    """L2 normalisation scaled to the root mean square, with a learned gain.

    Shape:
        (..., dim) -> (..., dim)

    Source: Zhang and Sennrich 2019, as ``sqrt(dim) * gamma * x / max(|x|, 1e-12)``.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(dim))

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=-1, eps=1e-12) * (x.shape[-1] ** 0.5 * self.gamma)


class Residual(nn.Sequential):
    """Applies ``x = layer(x) + x`` for each layer, (batch, frames, dim) -> (batch, frames, dim)."""

    def forward(self, x: Tensor) -> Tensor:
        for layer in self:
            x = layer(x) + x
        return x


class ResidualStack(nn.Module):
    """``Residual`` under the name ``layers``, as published checkpoints spell it."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = Residual(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)


class NormedStack(nn.Module):
    """Layers in turn and a final normalisation, (batch, frames, dim) -> (batch, frames, dim)."""

    def __init__(self, dim: int, layers: Iterable[nn.Module]) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)
        self.norm = RMSNorm(dim)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.layers(x))


def projection(in_dim: int, dim: int) -> nn.Module:
    """Linear map to the model width, or nothing where the widths agree."""
    return nn.Linear(in_dim, dim) if in_dim != dim else nn.Identity()


def initialise_normal(module: nn.Module, std: float = 0.02) -> None:
    """Linear weights from N(0, std), biases zero (for ``Module.apply``)."""
    if isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0.0, std)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
