"""Parts of figure definitions that are checked by themselves, and looks that are free for series."""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator

from effbench.errors import EffbenchError, UsageError, nearest
from effbench.plots.quantities import MACS
from effbench.results.declared import KNOWN_CONDITIONS, read_condition
from effbench.results.measurement import UNITS
from effbench.spec import row_name

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


def _conditions(conditions: dict[str, object]) -> dict[str, object]:
    for name, value in conditions.items():
        if name in KNOWN_CONDITIONS and value is not None:  # None: rows that do not say it
            try:
                read_condition(name, value)
            except UsageError as error:
                raise ValueError(str(error)) from error
    return conditions


Spec = Annotated[str, AfterValidator(_spec)]
Quantity = Annotated[str, AfterValidator(_quantity)]
Colour = Annotated[str, AfterValidator(_colour)]
Marker = Annotated[str, AfterValidator(_marker)]
GivenConditions = Annotated[dict[str, object], AfterValidator(_conditions)]
