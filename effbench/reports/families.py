"""Families of models: what shares a colour in figures and can be filtered at once."""

from __future__ import annotations

from collections.abc import Iterable

from effbench.models import zoo
from effbench.spec import ModelSpec, is_spec

#: What the families share that have no colour of their own.
OTHERS = "others"


def families(specs: Iterable[str], most: int) -> dict[str, tuple[str, ...]]:
    """Models by family, in the order in which families appear; those beyond ``most - 1`` are ``OTHERS``."""
    groups: dict[str, list[str]] = {}
    for spec in specs:
        groups.setdefault(_family(spec), []).append(spec)
    if len(groups) > most:
        labels = list(groups)
        groups[OTHERS] = [spec for label in labels[most - 1 :] for spec in groups.pop(label)]
    return {label: tuple(names) for label, names in groups.items()}


def _family(name: str) -> str:
    """Models of a family, or with the same sequence model on one family, are together."""
    if not is_spec(name):
        return name
    spec = ModelSpec.parse(name)
    if spec.sequence is None:
        return spec.family
    return f"{spec.family} + {zoo.sequence_cards()[spec.sequence].label}"
