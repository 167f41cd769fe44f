"""Linear recurrences over time.

Each scan is a module without parameters, so that counters and profilers can see it as one thing.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from effbench.models.layers import no_autocast


class GatedScan(nn.Module):
    """``h_t = decay_t * h_{t-1} + value_t`` from ``h_{-1} = 0``.

    On a CPU ``frame_by_frame``, on other devices, where each step costs a launch, ``by_doubling``.
    With decays in [0, 1] nothing can overflow, and a product that underflows is a contribution that is
    truly forgotten; so the result is as exact after 10 000 frames as after ten.

    Shape:
        decay (batch, frames, dim), value (batch, frames, dim) -> (batch, frames, dim), float32

    Source: the recurrence of Feng et al. 2024.
    """

    def forward(self, decay: Tensor, value: Tensor) -> Tensor:
        decay, value = decay.float(), value.float()
        out: Tensor = frame_by_frame(decay, value) if value.is_cpu else by_doubling(decay, value)
        return out


def by_doubling(decay: Tensor, value: Tensor) -> Tensor:
    """``GatedScan`` in ``ceil(log2(frames))`` steps, each over all frames at once.

    Shape:
        as ``GatedScan``, float32

    Source: Hillis and Steele 1986 (data-parallel prefix sums).
    """
    span, frames = 1, value.shape[1]
    reach = decay[:, 1:]  # product of the last `span` decays, for the frames from `span` on
    while span < frames:
        later = torch.addcmul(value[:, span:], reach, value[:, :-span])
        value = torch.cat((value[:, :span], later), 1)
        reach = reach[:, span:] * reach[:, :-span]
        span *= 2
    return value


# One operator, since a compiler would unroll the loop for one number of frames.
@torch.library.custom_op("effbench::gated_scan", mutates_args=())
def frame_by_frame(decay: Tensor, value: Tensor) -> Tensor:
    """``GatedScan`` in one pass over memory.

    Shape:
        as ``GatedScan``, float32
    """
    out = torch.empty_like(value, memory_format=torch.contiguous_format)
    steps = zip(decay.unbind(1), value.unbind(1), out.unbind(1), strict=True)
    state = torch.zeros_like(value[:, 0])
    for frame_decay, frame_value, state_after in steps:
        state = torch.addcmul(frame_value, frame_decay, state, out=state_after)
    return out


@frame_by_frame.register_fake
def _(decay: Tensor, value: Tensor) -> Tensor:
    return torch.empty_like(value, memory_format=torch.contiguous_format)


def _remember(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
    ctx.save_for_backward(inputs[0], output)


def _gradients(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """The same recurrence backwards in time, of the gradients that reach each state."""
    decay, states = ctx.saved_tensors
    later = F.pad(decay[:, 1:], (0, 0, 0, 1)).flip(1)
    of_value = frame_by_frame(later, gradient.flip(1)).flip(1)
    return of_value * F.pad(states[:, :-1], (0, 0, 1, 0)), of_value


frame_by_frame.register_autograd(_gradients, setup_context=_remember)


class StateSpaceScan(nn.Module):
    """Mamba2's recurrence: ``h_t = exp(dt_t A) h_{t-1} + dt_t x_t B_t'`` and ``y_t = h_t C_t``.

    Frames are cut into chunks. Inside a chunk the recurrence is a masked matrix product, and one small
    matrix product carries the states from chunk to chunk: no loop over frames or chunks.

    Args:
        chunk: frames per chunk.

    Shape:
        x (batch, frames, heads, P), dt (batch, frames, heads), A (heads,), B and C (batch, frames, S)
        -> (batch, frames, heads, P), float32

    Source: Dao and Gu 2024, section 6 (block decomposition).
    """

    def __init__(self, chunk: int = 64) -> None:
        super().__init__()
        self.chunk = chunk

    def forward(self, x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
        frames = x.shape[1]
        with no_autocast(x.device):
            x, dt, A, B, C = x.float(), dt.float(), A.float(), B.float(), C.float()
            parts = (x * dt.unsqueeze(-1), dt * A, B, C)
            x, log_decay, B, C = (_chunks(part, self.chunk) for part in parts)
            log_decay = log_decay.transpose(2, 3)  # (batch, chunks, heads, size)
            inside = (C @ B.transpose(-1, -2)).unsqueeze(2) * segment_sums(log_decay).exp()
            y = inside @ x.transpose(2, 3)  # (batch, chunks, heads, size, P)
            y = y + self._from_earlier_chunks(x, log_decay, B, C)
            return y.transpose(2, 3).flatten(1, 2)[:, :frames]

    def _from_earlier_chunks(self, x: Tensor, log_decay: Tensor, B: Tensor, C: Tensor) -> Tensor:
        """What the state at the start of each chunk adds, (batch, chunks, heads, size, P)."""
        since_start = log_decay.cumsum(-1)
        until_end = log_decay.flip(-1).cumsum(-1).flip(-1) - log_decay
        x = x.transpose(2, 3) * until_end.exp().unsqueeze(-1)
        gained = x.transpose(-1, -2) @ B.unsqueeze(2)  # (batch, chunks, heads, P, S)
        carry = segment_sums(since_start[..., -1].transpose(1, 2)).exp()  # (batch, heads, chunks, chunks)
        states = (carry @ gained.transpose(1, 2).flatten(3)).unflatten(-1, gained.shape[-2:])
        before = F.pad(states.transpose(1, 2), (0, 0, 0, 0, 0, 0, 1, 0))[:, :-1]
        return (C.unsqueeze(2) @ before.transpose(-1, -2)) * since_start.exp().unsqueeze(-1)


def segment_sums(x: Tensor) -> Tensor:
    """Entry ``[i, j]`` is the sum of ``x[j + 1] … x[i]``, and -inf for ``j > i``.

    Summed term by term, not as a difference of running sums, which would cancel on long inputs.

    Shape:
        (..., n) -> (..., n, n)
    """
    n = x.shape[-1]
    ones = torch.ones(n, n, dtype=torch.bool, device=x.device)
    terms = x.unsqueeze(-1).expand(*x.shape, n).masked_fill(~ones.tril(-1), 0.0)
    return terms.cumsum(-2).masked_fill(~ones.tril(), -torch.inf)


def _chunks(x: Tensor, size: int) -> Tensor:
    """(batch, frames, ...) -> (batch, chunks, size, ...), the last chunk filled up with zeros."""
    x = F.pad(x, (0, 0) * (x.ndim - 2) + (0, -x.shape[1] % size))
    return x.unflatten(1, (-1, size))
