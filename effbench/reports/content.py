"""What a report's template is filled with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from effbench.plots.select import FigureData


@dataclass(frozen=True)
class Content:
    """A report's title, its figures by name, and everything else that its template uses."""

    title: str
    figures: Mapping[str, FigureData]
    values: Mapping[str, object]
