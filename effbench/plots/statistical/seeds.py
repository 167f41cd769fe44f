"""The score of every seed that models were trained with, and their mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd
from matplotlib import rcParams
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from effbench.plots.caption import scored_on, sources
from effbench.plots.statistical.kinds import SeedsDefinition
from effbench.plots.statistical.shared_axis import SharedAxis, scored_alike, share_axis, under
from effbench.plots.statistical.sheet import Sheet, Statistics, same_jitter
from effbench.plots.training import LABELS
from effbench.plots.values import Chosen, MissingResults, Value, mean_of_seeds, rows_of
from effbench.results.own_rows import BESIDE_PUBLISHED
from effbench.shown import Row

_WIDTH, _ROW = 5.2, 0.3  # inches
# Both stand out from white and from black.
_COLOUR, _PUBLISHED = "#2E86C9", "#D55E00"


@dataclass(frozen=True)
class SeedScores(Statistics):
    """One score of some models by seed.

    Attributes:
        scores: model -> seed -> score, per cent; the best model first.
        published: of models that somebody published a score of on the same data.
    """

    definition: SeedsDefinition
    axis: SharedAxis
    scores: Mapping[str, Mapping[int, float]]
    published: Mapping[str, float]

    @classmethod
    def of(cls, rows: pd.DataFrame, definition: SeedsDefinition) -> SeedScores:
        """The values that a figure asks for.

        Raises:
            MissingResults: there are none, or none of all models on the same data with the same recipe.
            UsageError: a model that has none.
        """
        found = rows_of(rows, definition.quantity, rows["spec"].unique(), "measured")
        seeded = [row.get("seed") is not None and "run" in row for row in found["conditions"]]
        found = under(found[pd.Series(seeded, index=found.index, dtype=bool)], definition.conditions)
        what = f"{definition.quantity} of trainings"
        if found.empty:
            how = f" under {dict(definition.conditions)}" if definition.conditions else ""
            raise MissingResults(
                f"the store holds no {what}{how}; "
                "'effbench train' keeps it, and 'effbench study run' that of several seeds"
            )
        axis = share_axis(found, definition.models, _trained_alike, what=what)
        seeds = [row["seed"] for row in axis.rows["conditions"]]
        newest = axis.rows.assign(_seed=seeds).sort_values("created", kind="stable")
        newest = newest.drop_duplicates(["spec", "_seed"], keep="last").sort_values("_seed", kind="stable")
        scores: dict[str, dict[int, float]] = {}
        for spec, seed, value in newest[["spec", "_seed", "value"]].itertuples(index=False):
            scores.setdefault(str(spec), {})[int(seed)] = float(value)
        best = dict(sorted(scores.items(), key=lambda item: -_mean(item[1]).value))
        used = newest.drop(columns="_seed")
        published = _published(rows, definition.quantity, best, used["conditions"].iloc[0])
        return cls(definition, replace(axis, rows=used), best, published)

    @property
    def models(self) -> tuple[str, ...]:
        """The best first."""
        return tuple(self.scores)

    @property
    def label(self) -> str:
        """Name of the score."""
        return LABELS.get(self.definition.quantity, self.definition.quantity)

    @property
    def title(self) -> str:
        """What is shown."""
        return self.definition.title or f"{self.label} by seed"

    @property
    def caption(self) -> str:
        """What marks mean, on what data, and with which recipe."""
        chosen = Chosen(self.definition.quantity, {}, "measured", None, {}, self.axis.rows)
        single = [spec for spec, seeds in self.scores.items() if len(seeds) == 1]
        alone = f" Without an interval, as they have one seed: {', '.join(single)}." if single else ""
        hollow = " Hollow: published, on the same data." if self.published else ""
        changes = f" with {self.axis.shared['changes']}" if "changes" in self.axis.shared else ""
        return (
            f"A point is one training (their number in brackets), recipe {self.axis.shared.get('recipe')}"
            f"{changes}. "
            f"Diamonds: mean over the seeds with its 95 % t interval.{alone}{hollow} "
            f"Measured{scored_on(chosen)}, {sources(self.axis.rows)}.{self.axis.remark}"
        )

    def rows(self) -> list[Row]:
        """One row for each model: mean over its seeds, interval, number, scores by seed, published score."""
        found: list[Row] = []
        for spec, seeds in self.scores.items():
            mean = _mean(seeds)
            found.append(
                {
                    "spec": spec,
                    "quantity": self.definition.quantity,
                    "mean": mean.value,
                    "low": mean.low,
                    "high": mean.high,
                    "unit": "%",
                    "seeds": list(seeds),
                    "values": list(seeds.values()),
                    "published": self.published.get(spec),
                }
            )
        return found

    def draw(self) -> Figure:
        """Models below each other."""
        import seaborn as sns

        names = [f"{spec} ({len(seeds)})" for spec, seeds in self.scores.items()]
        height = _ROW * (len(names) + 0.5)
        sheet = Sheet.of(self.title, self.caption, names, width=_WIDTH, height=height, legend=True)
        axes = sheet.add_axes()
        points = pd.DataFrame(
            [(spec, value) for spec, seeds in self.scores.items() for value in seeds.values()],
            columns=["spec", "score"],
        )
        with same_jitter():
            sns.stripplot(
                points, x="score", y="spec", order=self.models, ax=axes, color=_COLOUR, size=4, alpha=0.7,
                jitter=0.15, orient="h",
            )  # fmt: skip
        ink, ground = rcParams["text.color"], rcParams["axes.facecolor"]
        mean_look = {"markersize": 5, "color": ink, "markerfacecolor": ground, "markeredgewidth": 1}
        published_look: dict[str, Any] = {
            "marker": "o",
            "markersize": 8,
            "color": "#D55E00",
            "fillstyle": "none",
        }
        for place, (spec, seeds) in enumerate(self.scores.items()):
            mean = _mean(seeds)
            ends = None
            if mean.low is not None and mean.high is not None:
                ends = [[mean.value - mean.low], [mean.high - mean.value]]
            axes.errorbar(
                mean.value,
                place,
                xerr=ends,
                fmt="D",
                elinewidth=1.2,
                capsize=3,
                zorder=5,
                **mean_look,
            )
            if spec in self.published:
                axes.plot(self.published[spec], place, **published_look)
        axes.set_yticks(range(len(names)), sheet.names)
        axes.set(xlabel=f"{self.label} (%)", ylabel="", ylim=(len(names) - 0.4, -0.6))
        handles = [
            Line2D([], [], ls="", marker="o", markersize=4, color=_COLOUR, label="one seed"),
            Line2D([], [], ls="", marker="D", label="mean, 95 %", **mean_look),
        ]
        if self.published:
            handles.append(
                Line2D(
                    [],
                    [],
                    ls="",
                    marker="o",
                    markersize=8,
                    color="#D55E00",
                    fillstyle="none",
                    label="published",
                )
            )
        sheet.add_legend(handles)
        return sheet.finish()


def _mean(seeds: Mapping[int, float]) -> Value:
    """Mean over seeds with its t interval, which one alone does not have."""
    values = list(seeds.values())
    return mean_of_seeds(values) if len(values) > 1 else Value(*values)


def _trained_alike(row: Mapping[Any, Any]) -> dict[str, object]:
    """What scores of trainings agree in that are seeds of one another."""
    noted = row["conditions"]
    return {**scored_alike(row), "recipe": noted.get("recipe"), "changes": noted.get("changes")}


def _published(
    rows: pd.DataFrame, quantity: str, specs: Mapping[str, object], measured: Mapping[str, object]
) -> dict[str, float]:
    """Published scores on the data that these were measured on, by model."""
    found = rows_of(rows, quantity, specs, "published").sort_values("created", kind="stable")
    return {
        str(spec): float(value)
        for spec, value, conditions in found[["spec", "value", "conditions"]].itertuples(index=False)
        if _same_data(conditions, measured)
    }


def _same_data(published: Mapping[str, object], measured: Mapping[str, object]) -> bool:
    """Whether a published score is of the data of a measured one: what it names, else AudioSet-strong's."""
    names = ("fingerprint", "data", "split", "protocol")
    named = {name: published[name] for name in names if published.get(name) is not None}
    if "fingerprint" in named or {"data", "split"} <= named.keys():
        return named.items() <= measured.items()
    return named.items() <= {"protocol": "paper"}.items() and BESIDE_PUBLISHED.items() <= measured.items()
