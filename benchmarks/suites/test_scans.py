"""The parallel scans against the obvious ways to write them."""

import pytest
import torch

from effbench.models.sequence.scans import GatedScan, StateSpaceScan

FRAMES, DIM = 250, 512


def loop(decay, value):
    state, out = torch.zeros_like(value[:, 0]), []
    for t in range(value.shape[1]):
        state = decay[:, t] * state + value[:, t]
        out.append(state)
    return torch.stack(out, 1)


def log_space(decay, value):
    total = decay.log().cumsum(1)
    return (total + (value.log() - total).logcumsumexp(1)).exp()


@pytest.mark.parametrize("scan", [GatedScan(), loop, log_space], ids=["ours", "loop", "log-space"])
def test_gated_scan(benchmark, scan):
    decay, value = torch.rand(4, FRAMES, DIM).clamp(min=0.1), torch.rand(4, FRAMES, DIM).clamp(min=0.1)
    out = benchmark(scan, decay, value)
    torch.testing.assert_close(out, loop(decay, value), rtol=1e-3, atol=1e-4)


def state_space_loop(x, dt, A, B, C):
    state, out = x.new_zeros(*x.shape[:1], *x.shape[2:], B.shape[-1]), []
    for t in range(x.shape[1]):
        update = (dt[:, t, :, None] * x[:, t])[..., None] * B[:, t, None, None]
        state = (dt[:, t] * A).exp()[..., None, None] * state + update
        out.append((state * C[:, t, None, None]).sum(-1))
    return torch.stack(out, 1)


@pytest.mark.parametrize(
    "scan",
    [StateSpaceScan(32), StateSpaceScan(), StateSpaceScan(128), StateSpaceScan(256), state_space_loop],
    ids=["chunk-32", "ours", "chunk-128", "chunk-256", "loop"],
)
def test_state_space_scan(benchmark, scan):
    x, dt = torch.randn(4, FRAMES, 8, 64), torch.rand(4, FRAMES, 8) * 0.1
    A, B, C = -torch.rand(8) * 8, torch.randn(4, FRAMES, 64), torch.randn(4, FRAMES, 64)
    out = benchmark(scan, x, dt, A, B, C)
    torch.testing.assert_close(out, state_space_loop(x, dt, A, B, C), rtol=1e-3, atol=1e-3)
