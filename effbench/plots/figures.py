"""Figure definitions: YAML files under ``plots/``, checked when they are read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from effbench.config import Strict, load
from effbench.errors import EffbenchError, UsageError, nearest
from effbench.results.measurement import UNITS
from effbench.spec import row_name
from effbench.yaml_files import find, shipped

_FOLDER = "plots"

#: Colours and markers of models that are added to a figure, in this order.
FREE_LOOKS = tuple((colour, marker) for marker in "XdHv<" for colour in ("#882255", "#332288", "#117733"))

#: Of a figure that is made for any models, more of them than these in ``FREE_LOOKS``.
LOOKS = (
    *zip(
        ("#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9", "#CC79A7", "#444444"),
        ("o", "s", "^", "D", "v", "P", "h"),
        strict=True,
    ),
    *FREE_LOOKS,
)

#: Stands for ``macs_exact`` or ``macs_paper``, whichever convention is asked for.
MACS = "macs"


def _spec(text: str) -> str:
    try:
        return row_name(text)
    except EffbenchError as error:
        raise ValueError(str(error).splitlines()[0]) from error


def _quantity(name: str) -> str:
    if name not in (*UNITS, MACS):
        raise ValueError(f"unknown quantity '{name}'{nearest(name, (*UNITS, MACS))}")
    return name


def _colour(text: str) -> str:
    from matplotlib.colors import is_color_like

    if not is_color_like(text):
        raise ValueError(f"'{text}' is not a colour; give a name or e.g. '#0072B2'")
    return text


def _marker(text: str) -> str:
    from matplotlib.lines import Line2D

    known = Line2D.filled_markers
    if text not in known:
        raise ValueError(f"'{text}' is not a marker that can be filled; those are {' '.join(known)}")
    return text


Spec = Annotated[str, AfterValidator(_spec)]
Quantity = Annotated[str, AfterValidator(_quantity)]
Colour = Annotated[str, AfterValidator(_colour)]
Marker = Annotated[str, AfterValidator(_marker)]


class _Look(Strict):
    label: str = Field(min_length=1)
    colour: Colour
    marker: Marker


class Series(_Look):
    """Models that belong together: one line, drawn in the order in which they are listed."""

    specs: tuple[Spec, ...] = Field(min_length=1)


class ReferenceModel(_Look):
    """A model to compare with: a marker, and a dashed line at its score."""

    spec: Spec

    @property
    def specs(self) -> tuple[str, ...]:
        """The model, as ``Series`` has it."""
        return (self.spec,)


class Score(Strict):
    """What the shared vertical axis shows.

    Attributes:
        quantity: a key of ``UNITS``.
        provenance: where the values come from.
        label: of the axis.
        conditions: only rows under these conditions, e.g. ``{data: audioset, split: eval}``.
    """

    quantity: Quantity
    provenance: Literal["measured", "published"]
    label: str
    conditions: dict[str, object] = Field(default_factory=dict)


class Panel(Strict):
    """One horizontal axis: a cost on a logarithmic scale, cheap on the left.

    Attributes:
        quantity: a key of ``UNITS``, or ``macs`` for the convention that is asked for.
        label: of the axis.
        reversed: more is cheaper, as with throughput.
        conditions: only rows under these conditions, e.g. ``{precision: fp16}``.
    """

    quantity: Quantity
    label: str
    reversed: bool = False
    conditions: dict[str, object] = Field(default_factory=dict)

    @property
    def published_quantity(self) -> str:
        """The same of published values, whose MACs are in the published convention alone."""
        return "macs_paper" if self.quantity == MACS else self.quantity


class FigureDefinition(Strict):
    """A trade-off figure: stacked panels with one score on the vertical axis; width and height in inches (by
    default, what the panels need).

    Published values are those of the published figure, where it has a number. ``study`` measures all that the
    figure needs, if one does.
    """

    title: str
    study: str | None = None
    published_figure: int | None = None
    width: float = Field(6.6, gt=2, lt=30)
    height: float | None = Field(None, gt=2, lt=60)
    score: Score
    panels: tuple[Panel, ...] = Field(min_length=1)
    series: tuple[Series, ...] = Field(min_length=1)
    references: tuple[ReferenceModel, ...] = ()

    @field_validator("panels")
    @classmethod
    def _panels_differ(cls, panels: tuple[Panel, ...]) -> tuple[Panel, ...]:
        _refuse_repeats("panel", (panel.quantity for panel in panels))
        return panels

    @model_validator(mode="after")
    def _models_differ(self) -> FigureDefinition:
        _refuse_repeats("model", self.specs)
        _refuse_repeats("label", (look.label for look in self.looks))
        return self

    @property
    def looks(self) -> tuple[Series | ReferenceModel, ...]:
        """The series, then the references."""
        return (*self.series, *self.references)

    @property
    def specs(self) -> tuple[str, ...]:
        """Every model of the figure, in drawing order."""
        return tuple(spec for look in self.looks for spec in look.specs)

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

    def label_of(self, spec: str) -> str:
        """Label of the series or reference that a model of the figure belongs to."""
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
