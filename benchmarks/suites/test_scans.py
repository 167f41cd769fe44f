"""The scans against a plain loop and the form that is read off the paper, in turns on the same input.

EFFBENCH_SUITE_THREADS=2 python -m pytest benchmarks/suites/test_scans.py -s
"""

import os
import time

import numpy as np
import pytest
import torch

from effbench.models.sequence.scans import GatedScan, StateSpaceScan, by_doubling, segment_sums

THREADS = int(os.environ.get("EFFBENCH_SUITE_THREADS", "2"))
LENGTHS = (250, 2_500, 25_000)
DIM, HEADS, WIDTH, STATE = 1024, 8, 64, 64
MOST_BYTES = 4e9


def loop(decay, value):
    state, out = torch.zeros_like(value[:, 0]), []
    for t in range(value.shape[1]):
        state = decay[:, t] * state + value[:, t]
        out.append(state)
    return torch.stack(out, 1)


def log_space(decay, value):
    """The form of the minGRU paper's appendix."""
    total = decay.log().cumsum(1)
    return (total + (value.log() - total).logcumsumexp(1)).exp()


def state_space_loop(x, dt, A, B, C):
    state, out = x.new_zeros(*x.shape[:1], *x.shape[2:], B.shape[-1]), []
    for t in range(x.shape[1]):
        update = (dt[:, t, :, None] * x[:, t])[..., None] * B[:, t, None, None]
        state = (dt[:, t] * A).exp()[..., None, None] * state + update
        out.append((state * C[:, t, None, None]).sum(-1))
    return torch.stack(out, 1)


def one_matrix(x, dt, A, B, C):
    """Mamba2's quadratic form: all frames against all."""
    decay = segment_sums((dt * A).transpose(1, 2)).exp()  # (batch, heads, frames, frames)
    mixed = (C @ B.transpose(1, 2)).unsqueeze(1) * decay
    return (mixed @ (x * dt.unsqueeze(-1)).transpose(1, 2)).transpose(1, 2)


@pytest.mark.parametrize("frames", LENGTHS)
@pytest.mark.parametrize("batch", [1, 4])
def test_gated_scan(benchmark, frames, batch):
    inputs = torch.rand(2, batch, frames, DIM).clamp(min=0.1).unbind()
    forms = {"ours": GatedScan(), "doubling": by_doubling, "loop": loop, "log space": log_space}
    compare(benchmark, forms, inputs)


@pytest.mark.parametrize("frames", LENGTHS)
def test_state_space_scan(benchmark, frames):
    inputs = (
        torch.randn(1, frames, HEADS, WIDTH),
        torch.rand(1, frames, HEADS) * 0.1,
        -torch.rand(HEADS) * 8,
        *torch.randn(2, 1, frames, STATE).unbind(),
    )
    forms = {"ours": StateSpaceScan(), "loop": state_space_loop}
    if HEADS * frames**2 * 4 < MOST_BYTES:
        forms["one matrix"] = one_matrix
    compare(benchmark, forms, inputs)


def compare(benchmark, forms, inputs):
    """Print how many times longer than the first form the others take, with quartiles over the turns."""
    torch.set_num_threads(THREADS)
    seconds = {name: [] for name in forms}
    with torch.inference_mode():
        expected = forms["loop"](*inputs)
        errors = {name: float((form(*inputs) - expected).abs().max()) for name, form in forms.items()}
        assert errors["ours"] < 1e-3

        def turn():
            for name, form in forms.items():
                start = time.perf_counter()
                form(*inputs)
                seconds[name].append(time.perf_counter() - start)

        benchmark.pedantic(turn, rounds=9, warmup_rounds=1)
    ours = np.array(seconds["ours"])[1:]
    print(f"\n{tuple(inputs[0].shape)}, ours: {1e3 * np.median(ours):.2f} ms")
    for name, times in seconds.items():
        if name != "ours":
            low, middle, high = np.quantile(np.array(times)[1:] / ours, [0.25, 0.5, 0.75])
            benchmark.extra_info[name] = text = (
                f"{middle:.1f} [{low:.1f}, {high:.1f}] times ours, {errors[name]:.1g} from the loop"
            )
            print(f"  {name}: {text}")
