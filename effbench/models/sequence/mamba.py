"""MAMBA: Mamba2 blocks, with the parameter names and shapes of ``mamba_ssm.Mamba2``."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from effbench.errors import UsageError, nearest
from effbench.models.layers import ResidualStack, projection
from effbench.models.sequence.scans import StateSpaceScan

DT_RANGE = (1e-3, 1e-1)
DT_FLOOR = 1e-4


class Mamba2(nn.Module):
    """Selective state-space layer with scalar decay per head; causal, without gated normalisation.

    Args:
        dim: model width d; the inner width is ``expand * dim``.
        head_dim: channels per head P, a divisor of the inner width.
        state: state size S.
        kernel: width of the causal depthwise convolution.
        expand: inner width as a multiple of ``dim``.

    Shape:
        (batch, frames, dim) -> (batch, frames, dim)

    Source: Dao and Gu 2024, section 7.
    """

    def __init__(self, dim: int, *, head_dim: int, state: int = 64, kernel: int = 3, expand: int = 2) -> None:
        super().__init__()
        inner = expand * dim
        heads = inner // head_dim
        self.head_dim, self.sizes = head_dim, (inner, inner + 2 * state, heads)
        self.state, self.kernel = state, kernel
        low, high = (math.log(limit) for limit in DT_RANGE)
        dt = torch.empty(heads).uniform_(low, high).exp().clamp(min=DT_FLOOR)
        self.dt_bias = nn.Parameter(dt + (-torch.expm1(-dt)).log())
        self.A_log = nn.Parameter(torch.empty(heads).uniform_(1, 16).log())
        self.D = nn.Parameter(torch.ones(heads))
        self.in_proj = nn.Linear(dim, sum(self.sizes), bias=False)
        self.conv1d = nn.Conv1d(self.sizes[1], self.sizes[1], kernel, groups=self.sizes[1])
        self.out_proj = nn.Linear(inner, dim, bias=False)
        self.scan: nn.Module = StateSpaceScan()

    def forward(self, x: Tensor) -> Tensor:
        gate, mixed, dt = self.in_proj(x).split(self.sizes, -1)
        mixed = F.silu(self.conv1d(F.pad(mixed.transpose(1, 2), (self.kernel - 1, 0)))).transpose(1, 2)
        inner, B, C = mixed.split((self.sizes[0], self.state, self.state), -1)
        heads = inner.unflatten(-1, (-1, self.head_dim))
        dt = F.softplus(dt.float() + self.dt_bias)
        y = self.scan(heads, dt, -self.A_log.float().exp(), B, C) + heads * self.D.unsqueeze(-1)
        return self.out_proj(y.flatten(-2).to(gate.dtype) * F.silu(gate))


class FusedStateSpaceScan(nn.Module):
    """``StateSpaceScan`` on the Triton kernels of the ``mamba_ssm`` package (CUDA only).

    Shape:
        as ``StateSpaceScan``

    Raises:
        UsageError: ``mamba_ssm`` can't be imported, or the tensors are not on a CUDA device.
    """

    def __init__(self, chunk: int = 64) -> None:
        super().__init__()
        try:
            from mamba_ssm.ops.triton.ssd_combined import mamba_chunk_scan_combined
        except ImportError as error:
            raise UsageError(
                f"mamba_ssm can't be imported ({error}); its kernels need CUDA: pip install 'effbench[mamba]'"
            ) from error
        self.kernel, self.chunk = mamba_chunk_scan_combined, chunk

    def forward(self, x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
        if not x.is_cuda:
            raise UsageError(f"the kernels of mamba_ssm run on CUDA devices alone, not on '{x.device}'")
        out: Tensor = self.kernel(
            x.float().contiguous(),
            dt.float().contiguous(),
            A.float(),
            B.float().unsqueeze(2).contiguous(),
            C.float().unsqueeze(2).contiguous(),
            self.chunk,
        )
        return out


#: What computes the scan of Mamba2 layers, by the name of its kernels; all give the same values.
KERNELS: Mapping[str, Callable[[], nn.Module]] = {
    "torch": StateSpaceScan,
    "mamba-ssm": FusedStateSpaceScan,
}


def use_kernels(module: nn.Module, kernels: str) -> int:
    """Let every Mamba2 layer inside ``module`` run on the kernels of a name; number of such layers.

    Raises:
        UsageError: no such kernels, or their package can't be imported.
    """
    if kernels not in KERNELS:
        raise UsageError(
            f"unknown kernels '{kernels}'{nearest(kernels, KERNELS)}\nKnown: {', '.join(KERNELS)}."
        )
    layers = [layer for layer in module.modules() if isinstance(layer, Mamba2)]
    for layer in layers:
        layer.scan = KERNELS[kernels]()
    return len(layers)


def build_mamba2(in_dim: int, dim: int, *, head_dim: int, depth: int = 2) -> nn.Module:
    """MAMBA: projection, normalisation, Mamba2 layers, (batch, frames, in_dim) -> (batch, frames, dim)."""
    layers = (nn.Sequential(Mamba2(dim, head_dim=head_dim), nn.LayerNorm(dim)) for _ in range(depth))
    return nn.Sequential(projection(in_dim, dim), nn.LayerNorm(dim), ResidualStack(*layers))
