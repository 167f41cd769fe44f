"""What a report's template is filled with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from effbench.plots.select import FigureData


@dataclass(frozen=True)
class Content:
    """A report's title, its models, its figures by name, and everything else that its template uses."""

    title: str
    models: Sequence[str]
    figures: Mapping[str, FigureData]
    values: Mapping[str, object]
