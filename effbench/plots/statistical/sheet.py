"""The sheet of a statistical figure: its heading, its caption, and room for the names of its rows."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from matplotlib import rcParams
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.text import Text

from effbench.plots.lettering import fitted, make_legible, text_width, wrapped
from effbench.plots.save import new_figure
from effbench.shown import Row

# Inches.
_EDGE, _TITLE, _TITLE_LINE, _LEGEND, _CAPTION_LINE, _LONGEST_NAME = 0.2, 0.36, 0.17, 0.24, 0.125, 2.6
_TITLE_SIZE, _CAPTION_SIZE, NAME_SIZE = 10, 6.5, 8


class Statistics(ABC):
    """What a statistical figure shows."""

    @property
    @abstractmethod
    def title(self) -> str:
        """Heading."""

    @property
    @abstractmethod
    def caption(self) -> str:
        """What the marks mean, and where the values come from."""

    @property
    @abstractmethod
    def models(self) -> tuple[str, ...]:
        """Every model that is shown."""

    @abstractmethod
    def rows(self) -> list[Row]:
        """The values that are drawn."""

    @abstractmethod
    def draw(self) -> Figure:
        """The figure, in the style of the moment."""


@dataclass(frozen=True)
class Sheet:
    """A figure whose axes are to be added.

    Attributes:
        figure: with heading and caption.
        names: of the rows, shortened where they are too long.
        left, bottom, width, height: inches of the room for axes.
    """

    figure: Figure
    names: list[str]
    left: float
    bottom: float
    width: float
    height: float

    @classmethod
    def of(
        cls,
        title: str,
        caption: str,
        names: Sequence[str],
        *,
        width: float,
        height: float,
        below: float = 0.5,
        legend: bool = False,
    ) -> Sheet:
        """A sheet for rows of these names; inches of its axes, and of what is ``below`` them."""
        figure = new_figure(10, 10)
        dpi = float(figure.dpi)
        shown = [fitted(figure, name, _LONGEST_NAME * dpi, NAME_SIZE) for name in names]
        left = max((text_width(figure, name, NAME_SIZE) for name in shown), default=0) / dpi + _EDGE + 0.1
        whole = left + width + _EDGE
        heading = wrapped(figure, title, (whole - 2 * _EDGE) * dpi, _TITLE_SIZE, "bold")
        lines = wrapped(figure, caption, (whole - 2 * _EDGE) * dpi, _CAPTION_SIZE)
        top = _TITLE + (len(heading) - 1) * _TITLE_LINE + legend * _LEGEND
        bottom = below + len(lines) * _CAPTION_LINE + 0.1
        tall = bottom + height + top
        figure.set_size_inches(whole, tall)
        place = _EDGE / whole
        figure.text(place, 1 - 0.12 / tall, "\n".join(heading), va="top", size=_TITLE_SIZE, weight="bold")
        grey = rcParams["axes.edgecolor"]
        figure.text(place, 0.1 / tall, "\n".join(lines), va="bottom", size=_CAPTION_SIZE, color=grey)
        return cls(figure, shown, left, bottom, width, height)

    def add_axes(self, start: float = 0.0, stop: float = 1.0, share: Axes | None = None) -> Axes:
        """Axes from one part of the room's width to another."""
        whole, tall = map(float, self.figure.get_size_inches())
        left, width = self.left + start * self.width, (stop - start) * self.width
        bounds = (left / whole, self.bottom / tall, width / whole, self.height / tall)
        return self.figure.add_axes(bounds, sharey=share)

    def add_legend(self, handles: Sequence[Line2D]) -> None:
        """A legend on one line above the room for axes."""
        whole, tall = map(float, self.figure.get_size_inches())
        place = (_EDGE - 0.06) / whole, (self.bottom + self.height + _LEGEND) / tall
        self.figure.legend(handles=handles, loc="upper left", bbox_to_anchor=place, ncols=len(handles))

    def finish(self) -> Figure:
        """The figure, once everything is in it."""
        make_legible(self.figure.findobj(Text))
        return self.figure


@contextmanager
def same_jitter() -> Iterator[None]:
    """Points are moved aside as every time, though seaborn draws from NumPy's global numbers."""
    state = np.random.get_state()
    np.random.seed(0)
    try:
        yield
    finally:
        np.random.set_state(state)
