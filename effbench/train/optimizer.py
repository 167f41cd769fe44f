"""The optimiser: which rate and which weight decay each parameter has, at every step."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol, cast

from torch import nn, optim

from effbench.errors import UsageError
from effbench.models.detector import SoundEventDetector
from effbench.train.recipe.recipe import Recipe, ScheduleOptions
from effbench.train.schedules import SCHEDULES


class Layered(Protocol):
    """A backbone that tells its layers apart."""

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Parameters of every layer, from the input upward."""


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
        layers = cast(Layered, detector.backbone).layer_groups()
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


class ScheduledRates:
    """Learning rates of an optimiser's groups over its steps.

    Args:
        optimizer: of ``make_optimizer``, which begins with the peak rates.
        options: of the schedule.
        total: optimiser steps of the training.
    """

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
