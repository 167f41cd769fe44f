"""Details of each model in the explorer: its blocks, what counters say, its throughput by batch size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from effbench.plots.values import untimed
from effbench.reports.comparison import Count, counts
from effbench.reports.explorer.explored import Explored, SweepPoint


@dataclass(frozen=True)
class Block:
    """A part of a network: its path, class, number of parameters, and exact MACs for one clip."""

    name: str
    kind: str
    parameters: int
    macs: int


@dataclass(frozen=True)
class Sweep:
    """Throughput and memory of a model by batch size, smallest first, in one setting."""

    label: str
    batches: tuple[SweepPoint, ...]

    @property
    def best(self) -> float:
        """The highest throughput, clips per second."""
        return max((batch.throughput.value.value for batch in self.batches if batch.throughput), default=0.0)


@dataclass(frozen=True)
class ModelDetails:
    """All that is told of one model; ``blocks`` add up to ``exact``, and are empty where not stored."""

    spec: str
    exact: float
    blocks: tuple[Block, ...]
    counts: tuple[Count, ...]
    sweeps: tuple[Sweep, ...]


def model_details(rows: pd.DataFrame, found: Explored) -> list[ModelDetails]:
    """Details of all models of the explorer, in its order."""
    chosen = untimed(rows, "macs_exact", found.specs, "measured")
    exact = {spec: value.value for spec, value in chosen.values.items()}
    stored = dict(zip(chosen.rows["spec"], chosen.rows["environment"], strict=True))
    counted: dict[str, list[Count]] = {}
    for count in counts(rows, [spec for spec in found.specs if spec in exact]):
        counted.setdefault(count.spec, []).append(count)
    return [
        ModelDetails(
            spec=spec,
            exact=exact.get(spec, 0.0),
            blocks=tuple(_blocks(stored.get(spec))),
            counts=tuple(counted.get(spec, ())),
            sweeps=tuple(_sweeps(found, spec)),
        )
        for spec in found.specs
    ]


def _blocks(environment: Mapping[str, object] | None) -> Iterator[Block]:
    blocks = (environment or {}).get("blocks")
    for block in blocks if isinstance(blocks, Sequence) else ():
        yield Block(**block)


def _sweeps(found: Explored, spec: str) -> Iterator[Sweep]:
    for setting in found.settings:
        if batches := setting.sweeps.get(spec):
            yield Sweep(setting.label, tuple(sorted(batches, key=lambda batch: batch.size or 0)))
