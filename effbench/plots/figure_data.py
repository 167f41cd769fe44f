"""What a figure draws: the values of its axes, and the points that they make."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from effbench.plots.choices import Convention
from effbench.plots.figures import Axis, FigureDefinition, ReferenceModel, Series
from effbench.plots.values import Chosen, Value

Look = Series | ReferenceModel


@dataclass(frozen=True)
class AxisData:
    """What an axis shows: the values of each series or reference, by its label.

    ``overlay`` are published values that are drawn besides (empty where not asked for).
    """

    axis: Axis
    of: Mapping[str, Chosen]
    overlay: Mapping[str, Value] = field(default_factory=dict)

    @property
    def choices(self) -> tuple[Chosen, ...]:
        """The different choices of values, one where all series share theirs."""
        return tuple({id(chosen): chosen for chosen in self.of.values()}.values())

    def value(self, look: Look, spec: str) -> Value | None:
        """Value of a model in a series; ``None`` where nothing is known."""
        return self.of[look.label].values.get(spec)

    def labels(self, chosen: Chosen) -> list[str]:
        """Labels of the series that share a choice."""
        return [label for label, other in self.of.items() if other is chosen]


@dataclass(frozen=True)
class Plotted:
    """One model of one series in a panel."""

    look: Look
    spec: str
    x: Value
    y: Value


@dataclass(frozen=True)
class FigureData:
    """Everything that is drawn, ready to draw.

    Attributes:
        definition: what was asked for.
        macs: convention of the MACs.
        y: the vertical axis.
        panels: the horizontal ones.
        checkpoints: models of which several checkpoints have such scores, and how many; the newest is drawn.
    """

    definition: FigureDefinition
    macs: Convention
    y: AxisData
    panels: tuple[AxisData, ...]
    checkpoints: Mapping[str, int] = field(default_factory=dict)

    @property
    def axes(self) -> tuple[AxisData, ...]:
        """The vertical axis, then the horizontal ones."""
        return (self.y, *self.panels)

    def points(self, panel: AxisData) -> list[Plotted]:
        """Models of which both values are known, series by series."""
        return [
            Plotted(look, spec, x, y)
            for look in self.definition.looks
            for spec in look.specs
            if (x := panel.value(look, spec)) and (y := self.y.value(look, spec))
        ]

    def overlaid(self, panel: AxisData) -> list[Plotted]:
        """The same of the published values that are drawn besides."""
        return [
            Plotted(look, spec, x, y)
            for look in self.definition.looks
            for spec in look.specs
            if (x := panel.overlay.get(spec)) and (y := self.y.value(look, spec))
        ]
