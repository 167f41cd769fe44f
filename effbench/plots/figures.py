"""Figure definitions: YAML files under ``plots/``, checked when they are read."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from itertools import chain
from typing import Literal

from pydantic import Field, field_validator, model_validator

from effbench.config import Strict, load
from effbench.errors import UsageError
from effbench.plots.looks import FREE_LOOKS, Colour, GivenConditions, Marker, Quantity, Spec
from effbench.plots.quantities import MACS, Scale, default_label, default_scale, varies_with
from effbench.results.measurement import Provenance
from effbench.spec import row_name
from effbench.yaml_files import find, shipped

_FOLDER = "plots"
_NO_FRONT = "there is no front of scores on different data: leave out front or mixed_data"


class Axis(Strict):
    """An axis: a quantity, how it is drawn, and which of its values.

    Attributes:
        quantity: what it shows: ``psds1``, ``throughput``, …; ``macs`` are of the convention asked for.
        label: beside the axis; by default the quantity in words.
        scale: ``linear`` or ``log``; by default linear for scores, else logarithmic.
        reversed: high values are on the left, or at the bottom.
        provenance: ``measured`` or ``published``. By default counts are measured; times, too, and published
            only where none were measured; scores are published, and beside them those that were measured on
            the same data of models that nobody published.
        conditions: only measured values under these conditions: ``{precision: fp16, device: H100}``.
    """

    quantity: Quantity
    label: str | None = Field(None, min_length=1)
    scale: Scale | None = None
    reversed: bool = False
    provenance: Provenance | None = None
    conditions: GivenConditions = Field(default_factory=dict)

    @model_validator(mode="after")
    def _depends_on_its_conditions(self) -> Axis:
        if odd := [name for name in self.conditions if not varies_with(self.quantity, name)]:
            raise ValueError(f"{self.quantity} does not depend on {', '.join(odd)}: leave it out")
        return self

    @property
    def text(self) -> str:
        """The label, or the usual one."""
        return self.label or default_label(self.quantity)

    @property
    def drawn_scale(self) -> Scale:
        """The scale, or the usual one."""
        return self.scale or default_scale(self.quantity)

    @property
    def published_quantity(self) -> str:
        """The same of published values, whose MACs are in the published convention alone."""
        return "macs_paper" if self.quantity == MACS else self.quantity


class _Look(Strict):
    label: str = Field(min_length=1)
    colour: Colour
    marker: Marker
    provenance: Provenance | None = None
    conditions: GivenConditions = Field(default_factory=dict)

    @property
    def choice(self) -> tuple[str | None, str]:
        """What tells its values from those of other series of the same models."""
        return self.provenance, json.dumps(self.conditions, sort_keys=True, default=str)


class Series(_Look):
    """Models that belong together, drawn in the order in which they are listed.

    Attributes:
        label: in the legend.
        colour: a name, or ``#0072B2``.
        marker: one of matplotlib's that can be filled: ``o``, ``s``, ``^``, …
        specs: specs, or names of models of one's own.
        line: whether a line connects them.
        provenance: of its values on the vertical axis, if it has one of its own.
        conditions: of its own measured values, on every axis that depends on them: series of several devices
            or precisions each name theirs.
    """

    specs: tuple[Spec, ...] = Field(min_length=1)
    line: bool = True

    @field_validator("specs")
    @classmethod
    def _models_differ(cls, specs: tuple[str, ...]) -> tuple[str, ...]:
        _refuse_repeats("model", specs)
        return specs


class ReferenceModel(_Look):
    """A model to compare with: a marker, and a dashed line at its value on the vertical axis.

    Attributes:
        label, colour, marker, provenance, conditions: as a series has them.
        spec: the model.
    """

    spec: Spec
    line: Literal[False] = False

    @property
    def specs(self) -> tuple[str, ...]:
        """The model, as ``Series`` has it."""
        return (self.spec,)


class FigureDefinition(Strict):
    """A trade-off figure: stacked panels that share the vertical axis.

    Attributes:
        title: above the figure.
        study: measures all that the figure needs, if one does.
        published_figure: whose published values are drawn, where it has a number.
        width, height: inches; by default as high as the panels need.
        y: the vertical axis.
        panels: the horizontal axis of each panel.
        series: what is drawn.
        references: models to compare with.
        front: whether the Pareto front of what is drawn is.
        mixed_data: whether scores of series may be of different data, which the caption then says.
    """

    title: str
    study: str | None = None
    published_figure: int | None = None
    width: float = Field(6.6, gt=2, lt=30)
    height: float | None = Field(None, gt=2, lt=60)
    y: Axis
    panels: tuple[Axis, ...] = Field(min_length=1)
    series: tuple[Series, ...] = Field(min_length=1)
    references: tuple[ReferenceModel, ...] = ()
    front: bool = False
    mixed_data: bool = False

    @field_validator("panels")
    @classmethod
    def _panels_differ(cls, panels: tuple[Axis, ...]) -> tuple[Axis, ...]:
        _refuse_repeats("panel", (panel.quantity for panel in panels if not panel.conditions))
        return panels

    @model_validator(mode="after")
    def _models_differ(self) -> FigureDefinition:
        for choice in {look.choice for look in self.looks}:
            alike = (look.specs for look in self.looks if look.choice == choice)
            _refuse_repeats("model", chain.from_iterable(alike))
        _refuse_repeats("label", (look.label for look in self.looks))
        for look in self.looks:
            for name in look.conditions:
                if not any(varies_with(axis.quantity, name) for axis in self.axes):
                    raise ValueError(f"series {look.label}: no axis of the figure depends on {name}")
        if self.front and self.mixed_data:
            raise ValueError(_NO_FRONT)
        return self

    @property
    def axes(self) -> tuple[Axis, ...]:
        """The vertical axis, then the horizontal ones."""
        return (self.y, *self.panels)

    @property
    def looks(self) -> tuple[Series | ReferenceModel, ...]:
        """The series, then the references."""
        return (*self.series, *self.references)

    @property
    def specs(self) -> tuple[str, ...]:
        """Every model of the figure, each once, in drawing order."""
        return tuple(dict.fromkeys(spec for look in self.looks for spec in look.specs))

    def with_models(self, names: Iterable[str]) -> FigureDefinition:
        """The figure with a series for each of these models that it does not have, in looks that are free.

        Raises:
            UsageError: a misspelt spec, or more models than there are looks.
        """
        new = [name for name in dict.fromkeys(map(row_name, names)) if name not in self.specs]
        taken = {(look.colour, look.marker) for look in self.looks}
        free = [look for look in FREE_LOOKS if look not in taken]
        if len(new) > len(free):
            raise UsageError(f"a figure has room for {len(free)} more models, not for {len(new)}")
        looks = zip(new, free, strict=False)
        added = [Series(label=name, colour=c, marker=m, specs=(name,)) for name, (c, m) in looks]
        return self.model_copy(update={"series": (*self.series, *added)})

    def with_front(self, front: bool) -> FigureDefinition:
        """The figure with the Pareto front, if it is asked for.

        Raises:
            UsageError: its scores are on different data.
        """
        if front and self.mixed_data:
            raise UsageError(_NO_FRONT)
        return self.model_copy(update={"front": front or self.front})

    def label_of(self, spec: str) -> str:
        """Label of the first series or reference that a model of the figure belongs to."""
        return next(look.label for look in self.looks if spec in look.specs)


def figure_names() -> list[str]:
    """Names of the figures that ship with effbench."""
    return shipped(_FOLDER)


def load_figure(name: str) -> FigureDefinition:
    """Definition of a shipped figure, or of a YAML file.

    Raises:
        UsageError: no such figure (names the nearest), or one with problems (all of them are listed).
    """
    return load(find(name, _FOLDER, "figure"), FigureDefinition, "figure", UsageError)


def _refuse_repeats(what: str, names: Iterable[str]) -> None:
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(f"{what} listed twice: {', '.join(repeated)}")
