"""``effbench.plot``: a trade-off figure from the results store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import TypeVar

from matplotlib.figure import Figure

from effbench.errors import UsageError, nearest
from effbench.files import require_folder
from effbench.plots.caption import caption
from effbench.plots.choices import Convention, ImageFormat
from effbench.plots.draw import draw
from effbench.plots.figures import load_figure
from effbench.plots.save import render, save_formats
from effbench.plots.select import FigureData, PanelData, select
from effbench.results.shipped import newest_rows
from effbench.shown import Row, Shown, Table, number_of

Choice = TypeVar("Choice", bound=StrEnum)


@dataclass(frozen=True, repr=False)
class TradeoffFigure(Shown):
    """A drawn trade-off figure; a notebook shows it.

    Attributes:
        name: of the shipped figure, or of its YAML file without the suffix.
        data: the values that it shows.
        figure: the drawing, to change as you like.
        paths: the files that were written.
    """

    name: str
    data: FigureData
    figure: Figure
    paths: tuple[Path, ...] = ()

    def __str__(self) -> str:
        files = f": {', '.join(map(str, self.paths))}" if self.paths else ""
        return f"'{self.name}', {number_of(len(self.data.scores.values), 'model')}{files}"

    def image(self, form: str = "svg") -> bytes:
        """The figure as a file: ``png``, ``svg`` or ``pdf``."""
        return render(self.figure, _choice(ImageFormat, form))

    def sections(self) -> Iterator[Table | str]:
        """The values of each panel, then where they come from."""
        for panel in self.data.panels:
            yield Table(list(self._points(panel)), title=panel.panel.label)
        yield caption(self.data)

    def rows(self) -> list[Row]:
        """One row for each point: its model, score and cost, in the units of the store."""
        return [row for panel in self.data.panels for row in self._points(panel)]

    def _points(self, panel: PanelData) -> Iterator[Row]:
        chosen, scores = panel.chosen, self.data.scores
        for quantity, provenance, device, values in (
            (chosen.quantity, chosen.provenance, chosen.device, chosen.values),
            (panel.panel.published_quantity, "published", None, panel.overlay),
        ):
            for spec, value in values.items():
                yield {
                    "spec": spec,
                    scores.quantity: scores.values[spec].value,
                    "quantity": quantity,
                    **asdict(value),
                    "provenance": provenance,
                    "device": device,
                }

    def to_dict(self) -> dict[str, object]:
        """Title, caption, points and files."""
        return {
            "name": self.name,
            "title": self.data.definition.title,
            "caption": caption(self.data),
            "points": self.rows(),
            "paths": [str(path) for path in self.paths],
        }

    def _repr_html_(self) -> str:
        image = self.image("svg").decode()
        return image[image.index("<svg") :]


def plot(
    figure: str | Path,
    *,
    also: Iterable[str] = (),
    store: str | Path | None = None,
    out: str | Path | None = None,
    formats: Iterable[str] = tuple(ImageFormat),
    device: str | None = None,
    precision: str | None = None,
    macs: str = Convention.exact,
    overlay: bool = False,
) -> TradeoffFigure:
    """Draw a trade-off figure from a results store, and write it into a folder if one is given.

    Timings come from one device and one setting; by default from those that cover most models.

    Args:
        figure: name of a shipped figure (``paper-1``), or a YAML file.
        also: models to draw as well, each a series: specs, or names of models of one's own.
        store: the results store; ``results/effbench.sqlite`` by default.
        out: folder of the image files, made if missing; none are written by default.
        formats: of the files: ``png``, ``svg``, ``pdf``.
        device: draw timings of this device only; a part of its name that no other has is enough.
        precision: draw timings in this precision only, e.g. ``fp16``.
        macs: convention of the MACs: ``exact``, or ``paper`` as in the published figures.
        overlay: add the published points as hollow markers.

    Raises:
        UsageError: no such figure, device, format or convention, or a definition with problems.
        MissingResults: the store lacks values that the figure needs.
        EffbenchError: the store can't be read, or the files can't be written.
    """
    wanted = [_choice(ImageFormat, form) for form in formats]
    if out is not None:
        require_folder(Path(out))
    definition, convention = load_figure(str(figure)).with_models(also), _choice(Convention, macs)
    data = select(
        newest_rows(store), definition, macs=convention, device=device, precision=precision, overlay=overlay
    )
    name, drawn = Path(figure).stem, draw(data)
    paths = [] if out is None else save_formats(drawn, Path(out), name, wanted)
    return TradeoffFigure(name, data, drawn, tuple(paths))


def _choice(kind: type[Choice], name: str) -> Choice:
    if name not in list(kind):
        raise UsageError(f"there is no '{name}'{nearest(name, kind)}\nChoices: {', '.join(kind)}")
    return kind(name)
