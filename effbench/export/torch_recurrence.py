"""Recurrences as loops over frames, whose number may be any in an archive of ``torch.export``."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GruFrameByFrame(nn.Module):
    """A GRU in one loop over the frames; torch's own is traced for one number of them.

    Shape:
        (batch, frames, in) -> (batch, frames, directions x hidden), None
    """

    def __init__(self, gru: nn.GRU) -> None:
        super().__init__()
        self.gru = gru

    def forward(self, x: Tensor) -> tuple[Tensor, None]:
        for layer in range(self.gru.num_layers):
            names = [f"l{layer}", f"l{layer}_reverse"] if self.gru.bidirectional else [f"l{layer}"]
            x = torch.cat([self._direction(x, name) for name in names], -1)
        return x, None

    def _direction(self, x: Tensor, name: str) -> Tensor:
        from torch._higher_order_ops.scan import scan

        weights = {part: getattr(self.gru, f"{part}_{name}") for part in ("weight_ih", "weight_hh")}
        biases = {part: getattr(self.gru, f"{part}_{name}") for part in ("bias_ih", "bias_hh")}
        recurrent, bias = weights["weight_hh"], biases["bias_hh"]

        def step(state: Tensor, given: Tensor) -> tuple[Tensor, Tensor]:
            reset, update, new = given.chunk(3, -1)
            own_reset, own_update, own_new = (state @ recurrent.T + bias).chunk(3, -1)
            update = torch.sigmoid(update + own_update)
            new = torch.tanh(new + torch.sigmoid(reset + own_reset) * own_new)
            state = new + update * (state - new)
            return state, state.clone()

        given = (x @ weights["weight_ih"].T + biases["bias_ih"]).transpose(0, 1)
        backwards = name.endswith("_reverse")
        start = x.new_zeros(x.shape[0], self.gru.hidden_size)
        _, states = scan(step, start, given, reverse=backwards)
        out: Tensor = states.transpose(0, 1)
        return out


class StateSpaceFrameByFrame(nn.Module):
    """``StateSpaceScan`` in one loop over the frames; its chunks are traced for some numbers of them.

    Shape:
        as ``StateSpaceScan``
    """

    def forward(self, x: Tensor, dt: Tensor, A: Tensor, B: Tensor, C: Tensor) -> Tensor:
        from torch._higher_order_ops.scan import scan

        def step(state: Tensor, frame: tuple[Tensor, ...]) -> tuple[Tensor, Tensor]:
            decay, value, b, c = frame
            state = decay[..., None, None] * state + value[..., None] * b[:, None, None]
            return state, (state * c[:, None, None]).sum(-1)

        frames = [part.transpose(0, 1) for part in (torch.exp(dt * A), x * dt.unsqueeze(-1), B, C)]
        start = x.new_zeros(x.shape[0], *x.shape[2:], B.shape[-1])
        _, out = scan(step, start, tuple(frames))
        y: Tensor = out.transpose(0, 1)
        return y
