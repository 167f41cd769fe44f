"""Exponential moving average of a model's weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn


class WeightAverage:
    """``average ← decay · average + (1 - decay) · weights`` at every update; begins with the first weights.

    Buffers, such as the statistics of batch normalisation, are copied, not averaged.

    Args:
        model: what ``update`` and ``swapped`` will be called with; frozen weights are copied too.
        decay: of the average, per update.

    Source: Polyak and Juditsky 1992, with exponential weights.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.average = {name: value.detach().clone() for name, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Takes in the model's present weights, once after each optimiser step."""
        trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
        for name, value in model.state_dict().items():
            if name in trained:
                self.average[name].lerp_(value, 1 - self.decay)
            else:
                self.average[name].copy_(value)

    @contextmanager
    def swapped(self, model: nn.Module) -> Iterator[None]:
        """The model has the average inside, and its own weights and buffers back after it."""
        own = {name: value.detach().clone() for name, value in model.state_dict().items()}
        _fill(model.state_dict(), self.average)
        try:
            yield
        finally:
            _fill(model.state_dict(), own)

    def state_dict(self) -> dict[str, Any]:
        """Decay and averaged weights (``average`` is a model's ``state_dict``)."""
        return {"decay": self.decay, "average": dict(self.average)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on from what ``state_dict`` gave.

        Raises:
            ValueError: it is of a model with other weights.
        """
        if state["average"].keys() != self.average.keys():
            raise ValueError("the average is of a model with other weights")
        self.decay = float(state["decay"])
        _fill(self.average, state["average"])


@torch.no_grad()
def _fill(into: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    for name, value in into.items():
        value.copy_(values[name])
