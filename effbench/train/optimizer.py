"""How weights move: each parameter's rate and weight decay at every step, and the average of the weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import cast

from torch import Tensor, nn, optim
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from effbench.errors import UsageError
from effbench.models.detector import SoundEventDetector
from effbench.train.recipe.recipe import Recipe, ScheduleOptions


def parameter_groups(
    detector: SoundEventDetector,
    *,
    lr: float,
    sequence_lr: float,
    weight_decay: float = 0.0,
    layer_decay: float = 1.0,
    frozen_backbone: bool = False,
) -> list[dict[str, object]]:
    """Groups for a torch optimiser: ``name``, ``params``, ``lr`` and ``weight_decay``, always explicit.

    Layer i of the backbone's n layers, counted from the input, has the rate ``lr · layer_decay^(n-1-i)``:
    the top layer has ``lr``. Each rate has two groups, ``….decay`` for tensors of two dimensions or more and
    ``….no_decay`` for the others. Only tensors that require gradients are in a group, each in one.

    Args:
        detector: backbone, sequence model and heads.
        lr: rate of the backbone's top layer.
        sequence_lr: rate of sequence model and heads.
        weight_decay: of tensors with two dimensions or more; the others have none.
        layer_decay: rate of a layer as a fraction of the next higher one's; with 1 the backbone is one layer.
        frozen_backbone: leaves the backbone out.

    Raises:
        UsageError: nothing is left to train.

    Source: Clark et al. 2020 (ELECTRA, layer-wise rates).
    """
    groups: list[dict[str, object]] = []
    seen: set[int] = set()

    def add(name: str, parameters: Iterable[nn.Parameter], rate: float) -> None:
        new = [p for p in parameters if p.requires_grad and id(p) not in seen]
        seen.update(map(id, new))
        decayed = {"decay": [p for p in new if p.ndim > 1], "no_decay": [p for p in new if p.ndim <= 1]}
        for kind, members in decayed.items():
            if members:
                decay = weight_decay if kind == "decay" else 0.0
                groups.append(
                    {"name": f"{name}.{kind}", "params": members, "lr": rate, "weight_decay": decay}
                )

    backbone = list(detector.backbone.parameters())
    if not frozen_backbone and layer_decay == 1:
        add("backbone", backbone, lr)
    elif not frozen_backbone:
        layers = getattr(detector.backbone, "layer_groups", lambda: None)()
        if layers is None:
            raise UsageError("optimizer.layer_decay needs a backbone that has layer_groups()")
        for index, layer in enumerate(layers):
            add(f"backbone.{index:02}", layer, lr * layer_decay ** (len(layers) - 1 - index))
        missing = sum(p.requires_grad and id(p) not in seen for p in backbone)
        if missing:
            raise RuntimeError(f"{missing} parameters of the backbone are in none of its layer groups")
    seen.update(map(id, backbone))
    add("sequence", detector.parameters(), sequence_lr)
    if not groups:
        raise UsageError("nothing to train: every parameter of the detector is frozen")
    return groups


def make_optimizer(detector: SoundEventDetector, recipe: Recipe) -> optim.Optimizer:
    """The optimiser of a recipe."""
    options = recipe.optimizer
    groups = parameter_groups(
        detector,
        lr=options.lr,
        sequence_lr=options.sequence_lr or options.lr,
        weight_decay=options.weight_decay,
        layer_decay=options.layer_decay,
        frozen_backbone=recipe.frozen,
    )
    return optim.Adam(groups) if options.name == "adam" else optim.AdamW(groups)


#: Factor of the peak rate after so many optimiser steps. All schedules begin with ``s / warmup`` for
#: ``s < warmup``; a run of fewer steps ends within the warm-up. ``p = (s - warmup) / (total - warmup)``.
Schedule = Callable[[int], float]


def cosine(total: int, *, warmup: int = 0, end: float = 0.0) -> Schedule:
    """``end + (1 - end) · (1 + cos(π p)) / 2``.

    Source: Loshchilov and Hutter 2017, one period.
    """
    return _warmed(lambda p: end + (1 - end) * 0.5 * (1 + math.cos(math.pi * p)), total, warmup)


def linear(total: int, *, warmup: int = 0, end: float = 0.0) -> Schedule:
    """``1 + (end - 1) · p``."""
    return _warmed(lambda p: 1 + (end - 1) * p, total, warmup)


def exponential(total: int, *, warmup: int = 0, end: float = 0.01) -> Schedule:
    """``end ^ p``; ``end`` is above 0."""
    return _warmed(lambda p: end**p, total, warmup)


def constant(total: int, *, warmup: int = 0, end: float = 1.0) -> Schedule:
    """1 after the warm-up; ``end`` is not used."""
    return _warmed(lambda p: 1.0, total, warmup)


SCHEDULES: Mapping[str, Callable[..., Schedule]] = {
    "cosine": cosine,
    "linear": linear,
    "exponential": exponential,
    "constant": constant,
}


def _warmed(after: Callable[[float], float], total: int, warmup: int) -> Schedule:
    """Linear warm-up, then ``after`` of the progress, which stays at 1 beyond the last step."""

    def factor(step: int) -> float:
        if step < warmup:
            return step / warmup
        return after(min(1.0, (step - warmup) / max(1, total - warmup)))

    return factor


class ScheduledRates:
    """Learning rates of an optimiser's groups, which begin with the peak rates, over ``total`` steps."""

    def __init__(self, optimizer: optim.Optimizer, options: ScheduleOptions, total: int) -> None:
        self.optimizer = optimizer
        self.peaks = {group["name"]: float(group["lr"]) for group in optimizer.param_groups}
        self._factor = SCHEDULES[options.shape](total, warmup=options.warmup_steps, end=options.end)

    def set(self, step: int) -> None:
        """The rates of the step that follows ``step`` finished ones."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.peaks[group["name"]] * self._factor(step)

    def logged(self, step: int) -> dict[str, float]:
        """Rates of the backbone's top layer and of sequence model and heads, where they are trained."""
        rates: dict[str, float] = {}
        for column, part in (("lr", "backbone"), ("sequence_lr", "sequence")):
            peaks = [peak for name, peak in self.peaks.items() if name.startswith(part)]
            rates |= {column: max(peaks) * self._factor(step)} if peaks else {}
        return rates


class WeightAverage:
    """``average ← decay · average + (1 - decay) · weights`` at every update; begins with the first weights.

    Buffers, such as the statistics of batch normalisation, are copied, not averaged. Frozen weights are kept.

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
        """Take in the model's present weights, once after each optimiser step."""
        self._averaged.update_parameters(model)

    @contextmanager
    def swapped(self, model: nn.Module) -> Iterator[None]:
        """The model holds the average inside the context, and its own weights and buffers after it."""
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
        """Restore what ``state_dict`` gave; ``RuntimeError`` if it is of a model with other weights."""
        self._averaged.module.load_state_dict(cast(Mapping[str, Tensor], state["average"]))
        self.decay = cast(float, state["decay"])
        self._averaged.multi_avg_fn = get_ema_multi_avg_fn(self.decay)
