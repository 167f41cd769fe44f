"""Statistical figures: from rows of the store to a drawing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from effbench.plots.choices import Theme
from effbench.plots.drawn import DrawnFigure
from effbench.plots.save import style
from effbench.plots.statistical.kinds import StatisticalDefinition
from effbench.plots.statistical.per_class import ClassScores
from effbench.plots.statistical.roof_points import RoofPoints
from effbench.plots.statistical.samples import TimingSamples
from effbench.plots.statistical.seeds import SeedScores
from effbench.plots.statistical.sheet import Statistics
from effbench.shown import Row, Table

_KINDS: Mapping[str, Callable[[pd.DataFrame, Any], Statistics]] = {
    "samples": TimingSamples.of,
    "per-class": ClassScores.of,
    "seeds": SeedScores.of,
    "roofline": RoofPoints.of,
}


@dataclass(frozen=True, repr=False)
class StatisticalFigure(DrawnFigure):
    """A drawn statistical figure.

    Attributes:
        data: the values that it shows.
    """

    data: Statistics

    @property
    def models(self) -> Sequence[str]:
        return self.data.models

    def sections(self) -> Iterator[Table | str]:
        """The values, then what they are."""
        hidden = ("samples", "seeds", "values")
        rows = [{key: cell for key, cell in row.items() if key not in hidden} for row in self.data.rows()]
        yield Table(rows, title=self.data.title)
        yield self.data.caption

    def rows(self) -> list[Row]:
        """The values that are drawn."""
        return self.data.rows()

    def to_dict(self) -> dict[str, object]:
        """Title, caption, values and files."""
        return {
            "name": self.name,
            "title": self.data.title,
            "caption": self.data.caption,
            "values": self.rows(),
            "paths": [str(path) for path in self.paths],
        }


def statistics(rows: pd.DataFrame, definition: StatisticalDefinition) -> Statistics:
    """What a statistical figure shows, from the newest rows of a store.

    Raises:
        MissingResults: the store has nothing to show, or nothing that can be compared for all models.
        UsageError: a model or device that has no such rows.
    """
    return _KINDS[definition.kind](rows, definition)


def draw_statistics(data: Statistics, theme: Theme = Theme.light) -> Figure:
    """The drawing, in effbench's own style."""
    with style(theme):
        return data.draw()
