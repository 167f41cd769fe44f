"""Series of models that belong together by what they are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from effbench.models import zoo
from effbench.plots.figures import Series
from effbench.plots.looks import LOOKS
from effbench.spec import ModelSpec, is_spec


def _family(name: str) -> str:
    """Family of a model's backbone, with the kind of its sequence model; a name of one's own is its own."""
    if not is_spec(name):
        return name
    spec = ModelSpec.parse(name)
    if spec.sequence is None:
        return spec.family
    return f"{spec.family} + {zoo.sequence_cards()[spec.sequence].label}"


def _backbone(name: str) -> str:
    return ModelSpec.parse(name).backbone if is_spec(name) else name


def _sequence(name: str) -> str:
    sequence = ModelSpec.parse(name).sequence if is_spec(name) else None
    return "no sequence model" if sequence is None else zoo.sequence_cards()[sequence].label


#: What groups share that have no look of their own.
OTHERS = "others"

#: Ways to tell models apart by what they are.
GROUPINGS: Mapping[str, Callable[[str], str]] = {
    "family": _family,
    "backbone": _backbone,
    "sequence": _sequence,
    "model": str,
}


def families(specs: Iterable[str], most: int, grouping: str = "family") -> dict[str, tuple[str, ...]]:
    """Models by one of ``GROUPINGS``, in the order of groups; those beyond ``most - 1`` are ``OTHERS``."""
    groups: dict[str, list[str]] = {}
    for spec in specs:
        groups.setdefault(GROUPINGS[grouping](spec), []).append(spec)
    if len(groups) > most:
        labels = list(groups)
        groups[OTHERS] = [spec for label in labels[most - 1 :] for spec in groups.pop(label)]
    return {label: tuple(names) for label, names in groups.items()}


def series_by(grouping: str, specs: Iterable[str]) -> Iterator[Series]:
    """A series for each group of models, connected where these differ in one thing."""
    groups = families(specs, len(LOOKS), grouping)
    for (label, models), (colour, marker) in zip(groups.items(), LOOKS, strict=False):
        yield Series(label=label, colour=colour, marker=marker, specs=models, line=_is_a_row(models))


def _is_a_row(specs: Sequence[str]) -> bool:
    """Whether models differ in one thing: all are of one backbone, or each is of another."""
    return len(set(map(_backbone, specs))) in (1, len(specs))
