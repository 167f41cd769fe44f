"""What a report's template is filled with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from effbench.plots.select import FigureData


@dataclass(frozen=True)
class Content:
    """What a report's template is filled with.

    Attributes:
        title: of the page.
        figures: by name; drawn as SVG.
        values: everything else that the template uses.
    """

    title: str
    figures: Mapping[str, FigureData]
    values: Mapping[str, Any]
