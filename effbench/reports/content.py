"""What a report's template is filled with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from effbench.plots.figure_data import FigureData
from effbench.plots.statistical.sheet import Statistics


@dataclass(frozen=True)
class Content:
    """A report's title, its models, its figures by name, and everything else that its template uses.

    ``statistics`` are further figures, by name. The explorer begins with timings of ``device``; with those of
    the most complete one where none is asked for.
    """

    title: str
    models: Sequence[str]
    figures: Mapping[str, FigureData]
    values: Mapping[str, object]
    statistics: Mapping[str, Statistics] = field(default_factory=dict)
    device: str | None = None
