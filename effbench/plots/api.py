"""``effbench.plot``: a figure from the results store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from matplotlib.figure import Figure

from effbench.errors import UsageError
from effbench.files import require_folder
from effbench.plots.caption import caption
from effbench.plots.choices import Convention, ImageFormat, Theme
from effbench.plots.draw import draw
from effbench.plots.drawn import DrawnFigure, chosen
from effbench.plots.figures import FigureDefinition
from effbench.plots.save import save_formats
from effbench.plots.select import FigureData, PanelData, select
from effbench.plots.statistical.api import StatisticalFigure, draw_statistics, statistics
from effbench.plots.statistical.kinds import STATISTICAL_KINDS, load_definition
from effbench.results.shipped import newest_rows
from effbench.shown import Row, Table, number_of


@dataclass(frozen=True, repr=False)
class TradeoffFigure(DrawnFigure):
    """A drawn trade-off figure.

    Attributes:
        data: the values that it shows.
    """

    data: FigureData

    def __str__(self) -> str:
        files = f": {', '.join(map(str, self.paths))}" if self.paths else ""
        return f"'{self.name}', {number_of(len(self.data.scores.values), 'model')}{files}"

    def sections(self) -> Iterator[Table | str]:
        """The values of each panel, then where they come from."""
        for panel in self.data.panels:
            yield Table(list(self._points(panel)), title=panel.panel.label)
        yield caption(self.data)

    def rows(self) -> list[Row]:
        """One row for each point: its model, score and cost, in the units of the store."""
        return [row for panel in self.data.panels for row in self._points(panel)]

    def _points(self, panel: PanelData) -> Iterator[Row]:
        costs, scores = panel.chosen, self.data.scores
        for quantity, provenance, device, values in (
            (costs.quantity, costs.provenance, costs.device, costs.values),
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


def plot(
    figure: str | Path,
    *,
    models: Iterable[str] = (),
    quantity: str | None = None,
    classes: int | None = None,
    conditions: Mapping[str, object] | None = None,
    also: Iterable[str] = (),
    store: str | Path | None = None,
    out: str | Path | None = None,
    formats: Iterable[str] = tuple(ImageFormat),
    device: str | None = None,
    precision: str | None = None,
    macs: str = Convention.exact,
    overlay: bool = False,
    theme: str = Theme.light,
) -> TradeoffFigure | StatisticalFigure:
    """Draw a figure from a results store, and write it into a folder if one is given.

    Timings come from one device and one setting; by default from those that cover most models.

    Args:
        figure: name of a shipped figure (``paper-1``, ``samples``), or a YAML file.
        models: of a statistical figure: specs, names of models of one's own, or globs.
        quantity: of a statistical figure.
        classes: that a heat map of classes shows, at most.
        conditions: only rows under these, in a statistical figure.
        also: models to draw as well, each a series of a trade-off figure: specs, or names of one's own.
        store: the results store; ``results/effbench.sqlite`` by default.
        out: folder of the image files, made if missing; none are written by default.
        formats: of the files: ``png``, ``svg``, ``pdf``.
        device: draw timings of this device only; a part of its name that no other has is enough.
        precision: draw values in this precision only, e.g. ``fp16``.
        macs: convention of a trade-off figure's MACs: ``exact``, or ``paper`` as in the published figures.
        overlay: add the published points to a trade-off figure as hollow markers.
        theme: of a statistical figure: ``light`` or ``dark``.

    Raises:
        UsageError: no such figure, device, format or convention, an option that is not the figure's, or a
            definition with problems.
        MissingResults: the store lacks values that the figure needs.
        EffbenchError: the store can't be read, or the files can't be written.
    """
    wanted, look, convention = (
        [chosen(ImageFormat, form) for form in formats], chosen(Theme, theme), chosen(Convention, macs)
    )  # fmt: skip
    if out is not None:
        require_folder(Path(out))
    definition, name = load_definition(str(figure)), Path(figure).stem
    under = {**(conditions or {}), **({} if precision is None else {"precision": precision})}
    own = {"models": tuple(models), "quantity": quantity, "classes": classes, "conditions": conditions}
    added = tuple(also)
    if isinstance(definition, FigureDefinition):
        _refuse(name, {**own, "theme": look is Theme.dark}, f"of the kinds {', '.join(STATISTICAL_KINDS)}")
        data = select(
            newest_rows(store),
            definition.with_models(added),
            macs=convention,
            device=device,
            precision=precision,
            overlay=overlay,
        )
        drawn = draw(data)
        return TradeoffFigure(name, drawn, _written(drawn, out, name, wanted), data)
    _refuse(
        name, {"also": added, "macs": convention is Convention.paper, "overlay": overlay}, "of trade-offs"
    )
    given = {key: value for key, value in {**own, "conditions": under, "device": device}.items() if value}
    shown = statistics(newest_rows(store), definition.changed(name, given))
    picture = draw_statistics(shown, look)
    return StatisticalFigure(name, picture, _written(picture, out, name, wanted), shown)


def _refuse(name: str, options: Mapping[str, object], whose: str) -> None:
    """A ``UsageError`` where options are given that only other figures have."""
    given = [option for option, value in options.items() if value]
    if given:
        raise UsageError(f"'{name}' takes no {' and no '.join(given)}: only figures {whose} do")


def _written(
    figure: Figure, out: str | Path | None, name: str, formats: Iterable[ImageFormat]
) -> tuple[Path, ...]:
    return () if out is None else tuple(save_formats(figure, Path(out), name, formats))
