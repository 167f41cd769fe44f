"""What all drawn figures have in common: their image, as a file and in a notebook."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from matplotlib.figure import Figure

from effbench.errors import UsageError, nearest
from effbench.plots.choices import ImageFormat
from effbench.plots.save import render
from effbench.shown import Shown, number_of

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, repr=False)
class DrawnFigure(Shown):
    """A drawing with a name; a notebook shows it.

    Attributes:
        name: of the shipped figure, or of its YAML file without the suffix.
        figure: the drawing, to change as you like.
        paths: the files that were written.
    """

    name: str
    figure: Figure
    paths: tuple[Path, ...]

    @property
    @abstractmethod
    def models(self) -> Sequence[str]:
        """Those that it shows."""

    def __str__(self) -> str:
        files = f": {', '.join(map(str, self.paths))}" if self.paths else ""
        return f"'{self.name}', {number_of(len(self.models), 'model')}{files}"

    def image(self, form: str = "svg") -> bytes:
        """The figure as a file: ``png``, ``svg`` or ``pdf``."""
        return render(self.figure, chosen(ImageFormat, form))

    def _repr_html_(self) -> str:
        image = self.image("svg").decode()
        return image[image.index("<svg") :]


def chosen(kind: type[Choice], name: str) -> Choice:
    """One of a few choices by its name; ``UsageError`` lists them."""
    if name not in list(kind):
        raise UsageError(f"there is no '{name}'{nearest(name, kind)}\nChoices: {', '.join(kind)}")
    return kind(name)
