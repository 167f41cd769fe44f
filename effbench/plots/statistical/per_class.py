"""A score by class: a heat map of models and classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from matplotlib import rcParams
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from effbench.plots.caption import scored_on, sources
from effbench.plots.lettering import fitted, text_width
from effbench.plots.statistical.kinds import PerClassDefinition
from effbench.plots.statistical.shared_axis import SharedAxis, scored_alike, share_axis, under
from effbench.plots.statistical.sheet import NAME_SIZE, Sheet, Statistics
from effbench.plots.training import LABELS
from effbench.plots.values import Chosen, MissingResults, rows_of
from effbench.results.measurement import PER_CLASS
from effbench.shown import Row, number_of

# Inches: a cell with a number, one without, a row, the colour bar with its room, and the longest class name.
_CELL, _NARROW, _ROW, _BAR, _LONGEST = 0.46, 0.24, 0.24, 0.9, 2.4
#: Cells have numbers where the classes are no more than these.
_NUMBERED = 15


@dataclass(frozen=True)
class ClassScores(Statistics):
    """One score of some models by class.

    Attributes:
        table: models (rows) and the classes shown (columns), in the unit of the score; NaN: none.
        known: number of classes that the store has.
        several: models with such scores of several trainings or checkpoints, of which the newest is shown.
    """

    definition: PerClassDefinition
    axis: SharedAxis
    table: pd.DataFrame
    known: int
    several: tuple[str, ...]

    @classmethod
    def of(cls, rows: pd.DataFrame, definition: PerClassDefinition) -> ClassScores:
        """The values that a figure asks for.

        Raises:
            MissingResults: there are none, or none of all models on the same data.
            UsageError: a model that has none.
        """
        found = rows_of(rows, definition.quantity, rows["spec"].unique(), "measured")
        kept = [bool((record or {}).get(PER_CLASS)) for record in found["environment"]]
        found = found[np.array(kept, bool)]
        found = under(found, definition.conditions)
        what = f"{definition.quantity} by class"
        if found.empty:
            how = f" under {dict(definition.conditions)}" if definition.conditions else ""
            raise MissingResults(f"the store holds no {what}{how}; 'effbench evaluate' keeps it")
        axis = share_axis(found, definition.models, scored_alike, what=what, preferred={"precision": "fp32"})
        newest = axis.rows.sort_values("created", kind="stable").drop_duplicates("spec", keep="last")
        newest = newest.sort_values("value", ascending=False, kind="stable")
        by_model = {row["spec"]: row["environment"][PER_CLASS] for row in newest.to_dict("records")}
        whole = pd.DataFrame.from_dict(by_model, orient="index").astype(float).dropna(axis=1, how="all")
        table = whole[_selected(whole, definition)]
        counts = axis.rows["spec"].value_counts()
        several = tuple(sorted(counts.index[counts > 1]))
        return cls(definition, replace(axis, rows=newest), table, whole.shape[1], several)

    @property
    def models(self) -> tuple[str, ...]:
        """The best first."""
        return tuple(self.table.index)

    @property
    def label(self) -> str:
        """Name of the score."""
        return LABELS.get(self.definition.quantity, self.definition.quantity)

    @property
    def title(self) -> str:
        """What is shown."""
        return self.definition.title or f"{self.label} by class"

    @property
    def caption(self) -> str:
        """Which classes, on what data, and what hatching means."""
        chosen = Chosen(self.definition.quantity, {}, "measured", None, {}, self.axis.rows)
        shown = self.table.shape[1]
        which = "highest and lowest scores" if len(self.table) == 1 else "largest spread over the models"
        few = f"The {shown} of {number_of(self.known, 'class')} with the {which}. "
        order = {"mean": "their mean", "spread": "their spread over the models", "name": "name"}
        everything = f"All {number_of(shown, 'class')} with a value. "
        hatched = "Hatched: the store has no value. " if self.table.isna().any(axis=None) else ""
        newest = f"Of several trainings, the newest: {', '.join(self.several)}. " if self.several else ""
        return (
            f"{few if shown < self.known else everything}"
            f"Classes by {order[self.definition.sort]}, models by their score over all classes. "
            f"{hatched}{newest}"
            f"Measured{scored_on(chosen)}, {sources(self.axis.rows)}.{self.axis.remark}"
        )

    def rows(self) -> list[Row]:
        """One row for each model and class shown; ``None`` where the score is undefined."""
        return [
            {
                "spec": spec,
                "quantity": self.definition.quantity,
                "class": name,
                "value": None if np.isnan(value) else float(value),
                "unit": "%",
            }
            for spec, values in self.table.iterrows()
            for name, value in values.items()
        ]

    def draw(self) -> Figure:
        """Models below each other, classes side by side."""
        import seaborn as sns

        count, numbered = self.table.shape[1], self.table.shape[1] <= _NUMBERED
        probe = Sheet.of("", "", [], width=1, height=1).figure
        labels = [fitted(probe, str(name), _LONGEST * probe.dpi, NAME_SIZE) for name in self.table.columns]
        below = max(text_width(probe, label, NAME_SIZE) for label in labels) / probe.dpi + 0.2
        cells = count * (_CELL if numbered else _NARROW)
        width = max(cells + _BAR, 3.6)
        sheet = Sheet.of(
            self.title,
            self.caption,
            self.models,
            width=width,
            height=_ROW * max(len(self.table), 2),
            below=below,
        )
        axes = sheet.add_axes(stop=cells / width)
        bar = sheet.add_axes(start=(cells + 0.15) / width, stop=(cells + 0.3) / width)
        sns.heatmap(
            self.table, ax=axes, cbar_ax=bar, cmap="cividis", annot=numbered, fmt=".1f",
            annot_kws={"size": 7},
            linewidths=0.4, linecolor=rcParams["axes.facecolor"], xticklabels=False, yticklabels=False,
            cbar_kws={"label": f"{self.label} (%)"},
        )  # fmt: skip
        for row, column in zip(*np.nonzero(self.table.isna().to_numpy()), strict=True):
            axes.add_patch(_hatched(int(row), int(column)))
        axes.set_xticks(np.arange(count) + 0.5, labels, rotation=90, size=NAME_SIZE)
        axes.set_yticks(np.arange(len(self.table)) + 0.5, sheet.names, rotation=0, size=NAME_SIZE)
        axes.grid(visible=False)
        return sheet.finish()


def _hatched(row: int, column: int) -> Patch:
    edge = rcParams["axes.edgecolor"]
    return Rectangle((column, row), 1, 1, fill=False, hatch="/////", edgecolor=edge, linewidth=0)


def _selected(table: pd.DataFrame, definition: PerClassDefinition) -> list[str]:
    """The classes to show, in order."""
    mean, spread = table.mean(), table.max() - table.min()
    if len(table) == 1 and table.shape[1] > definition.classes:
        ranked = list(mean.sort_values(ascending=False, kind="stable").index)
        half = definition.classes // 2
        kept = [*ranked[: definition.classes - half], *(ranked[-half:] if half else [])]
    else:
        kept = list(spread.sort_values(ascending=False, kind="stable").index[: definition.classes])
    if definition.sort == "name":
        return sorted(kept)
    by: Mapping[str, pd.Series[float]] = {"mean": mean, "spread": spread}
    return list(by[definition.sort][kept].sort_values(ascending=False, kind="stable").index)
