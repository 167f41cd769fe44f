"""Exponential moving average of a model's weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import cast

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class WeightAverage:
    """``average ← decay · average + (1 - decay) · weights`` at every update; begins with the first weights.

    Buffers, such as the statistics of batch normalisation, are copied, not averaged.

    Args:
        model: what ``update`` and ``swapped`` will be called with; frozen weights are kept too.
        decay: of the average, per update.

    Source: Polyak and Juditsky 1992, with exponential weights.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self._averaged = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(decay))
        self._averaged.n_averaged.fill_(1)

    @property
    def average(self) -> Mapping[str, Tensor]:
        """Averaged weights and copied buffers by name."""
        return self._averaged.module.state_dict()

    def update(self, model: nn.Module) -> None:
        """Takes in the model's present weights, once after each optimiser step."""
        self._averaged.update_parameters(model)

    @contextmanager
    def swapped(self, model: nn.Module) -> Iterator[None]:
        """The model has the average inside, and its own weights and buffers back after it."""
        own = {name: value.detach().clone() for name, value in model.state_dict().items()}
        model.load_state_dict(self.average)
        try:
            yield
        finally:
            model.load_state_dict(own)

    def state_dict(self) -> dict[str, object]:
        """Decay and averaged weights."""
        return {"decay": self.decay, "average": dict(self.average)}

    def load_state_dict(self, state: Mapping[str, object]) -> None:
        """Goes on from what ``state_dict`` gave.

        Raises:
            RuntimeError: it is of a model with other weights.
        """
        self._averaged.module.load_state_dict(cast(Mapping[str, Tensor], state["average"]))
        self.decay = cast(float, state["decay"])
        self._averaged.multi_avg_fn = get_ema_multi_avg_fn(self.decay)
