"""Optimiser groups: which rate and which weight decay each parameter has."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol, cast

from torch import nn, optim

from effbench.errors import UsageError
from effbench.models.detector import SoundEventDetector
from effbench.train.recipe.recipe import Recipe


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


def logged_rates(rates: Mapping[str, float]) -> dict[str, float]:
    """Peak rates of the backbone's top layer and of sequence model and heads, of the rates of all groups."""
    found: dict[str, float] = {}
    for column, part in (("lr", "backbone"), ("sequence_lr", "sequence")):
        group = [rate for name, rate in rates.items() if name.startswith(part)]
        found |= {column: max(group)} if group else {}
    return found
