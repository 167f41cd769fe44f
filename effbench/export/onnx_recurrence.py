"""Torch's GRU as ONNX's operator of that name."""

from __future__ import annotations

import torch
from torch import Tensor, nn

_PARTS = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")


class OnnxGru(nn.Module):
    """Stands for a GRU where ONNX is exported; computes nothing in torch.

    Shape:
        (batch, frames, in_dim) -> (batch, frames, directions * dim), in a tuple of one
    """

    def __init__(self, gru: nn.GRU) -> None:
        super().__init__()
        assert gru.batch_first
        assert gru.bias
        self.layers, self.dim, self.directions = gru.num_layers, gru.hidden_size, 1 + gru.bidirectional
        for layer in range(self.layers):
            suffixes = (f"_l{layer}", f"_l{layer}_reverse")[: self.directions]
            parts = {
                part: torch.stack([_onnx_order(getattr(gru, part + suffix)) for suffix in suffixes])
                for part in _PARTS
            }
            self.register_buffer(f"inputs{layer}", parts["weight_ih"])
            self.register_buffer(f"states{layer}", parts["weight_hh"])
            self.register_buffer(f"biases{layer}", torch.cat((parts["bias_ih"], parts["bias_hh"]), 1))

    def forward(self, x: Tensor) -> tuple[Tensor]:
        x = x.transpose(0, 1)
        for layer in range(self.layers):
            weights = [getattr(self, f"{part}{layer}") for part in ("inputs", "states", "biases")]
            out = torch.onnx.ops.symbolic(
                "GRU",
                [x, *weights],
                attrs={
                    "direction": "bidirectional" if self.directions == 2 else "forward",
                    "hidden_size": self.dim,
                    "linear_before_reset": 1,
                },
                dtype=x.dtype,
                shape=(x.shape[0], self.directions, x.shape[1], self.dim),
            )
            x = out.transpose(1, 2).flatten(2)
        return (x.transpose(0, 1),)


def _onnx_order(weights: Tensor) -> Tensor:
    """Gates (reset, update, new) on the first axis -> (update, reset, new)."""
    reset, update, new = weights.detach().chunk(3)
    return torch.cat((update, reset, new))
