"""``effbench.plot``: a figure from the results store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from matplotlib.figure import Figure

from effbench.errors import UsageError
from effbench.files import require_folder
from effbench.plots.asked import asked_for
from effbench.plots.caption import caption
from effbench.plots.choices import By, Convention, ImageFormat, Theme
from effbench.plots.draw import draw
from effbench.plots.drawn import DrawnFigure, chosen
from effbench.plots.figure_data import AxisData, FigureData, Plotted
from effbench.plots.figures import FigureDefinition
from effbench.plots.save import save_formats
from effbench.plots.select import select
from effbench.plots.statistical.api import StatisticalFigure, draw_statistics, statistics
from effbench.plots.statistical.kinds import STATISTICAL_KINDS, load_definition
from effbench.results.shipped import newest_rows
from effbench.shown import Row, Table


@dataclass(frozen=True, repr=False)
class TradeoffFigure(DrawnFigure):
    """A drawn trade-off figure.

    Attributes:
        data: the values that it shows.
    """

    data: FigureData

    @property
    def models(self) -> Sequence[str]:
        return self.data.definition.specs

    def sections(self) -> Iterator[Table | str]:
        """The values of each panel, then where they come from."""
        for panel in self.data.panels:
            yield Table(list(self._points(panel)), title=panel.axis.text)
        yield caption(self.data)

    def rows(self) -> list[Row]:
        """One row for each point: its model, series and values, in the units of the store."""
        return [row for panel in self.data.panels for row in self._points(panel)]

    def _points(self, panel: AxisData) -> Iterator[Row]:
        for point in self.data.points(panel):
            chosen = panel.of[point.look.label]
            yield self._row(point, chosen.quantity, chosen.provenance, chosen.device)
        published = panel.axis.published_quantity
        for point in self.data.overlaid(panel):
            yield self._row(point, published, "published", None)

    def _row(self, point: Plotted, quantity: str, provenance: str, device: str | None) -> Row:
        up = self.data.y.of[point.look.label].quantity
        return {
            "spec": point.spec,
            "series": point.look.label,
            up: point.y.value,
            f"{up}_low": point.y.low,
            f"{up}_high": point.y.high,
            "quantity": quantity,
            **asdict(point.x),
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
    figure: str | Path | None = None,
    *,
    x: str | Iterable[str] = (),
    y: str | None = None,
    models: Iterable[str] = (),
    by: str = By.family,
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
    front: bool = False,
    theme: str = Theme.light,
) -> TradeoffFigure | StatisticalFigure:
    """Draw a figure from a results store, and write it into a folder if one is given.

    Timings come from one device and one setting; by default from those that cover most models.

    Args:
        figure: name of a shipped figure (``paper-1``, ``samples``), or a YAML file; else ``x`` and ``y`` are
            drawn.
        x: quantities of the horizontal axes, a panel each: ``throughput``, ``macs``, …
        y: quantity of the vertical axis: ``psds1``, ``latency_p50``, …
        models: specs, names of models of one's own, or globs, of a figure that does not say; by default all
            of which its quantities are known.
        by: what makes a series of ``x`` and ``y``: ``family``, ``backbone``, ``sequence`` or ``model``; or
            ``device``, ``precision``, ``threads``, ``batch_size``, ``part``, ``data`` or ``provenance``.
        quantity: of a statistical figure.
        classes: that a heat map of classes shows, at most.
        conditions: only values under these, of ``x`` and ``y`` or of a statistical figure.
        also: models to draw as well, each a series of a trade-off figure: specs, or names of one's own.
        store: the results store; by default ``results/effbench.sqlite``, or what ships where there is none.
        out: folder of the image files, made if missing; none are written by default.
        formats: of the files: ``png``, ``svg``, ``pdf``.
        device: draw timings of this device only; a part of its name that no other has is enough.
        precision: draw values in this precision only, e.g. ``fp16``.
        macs: convention of a trade-off figure's MACs: ``exact``, or ``paper`` as in the published figures.
        overlay: add the published points to a trade-off figure as hollow markers.
        front: draw the Pareto front of what a trade-off figure shows.
        theme: ``light`` or ``dark``, which the names of the files have, too.

    Raises:
        UsageError: no such figure, quantity, model, device or choice, an option that is not the figure's, or
            a definition with problems.
        MissingResults: the store lacks values that the figure needs.
        UnfairComparison: values that would share an axis differ in what decides them.
        EffbenchError: the store can't be read, or the files can't be written.
    """
    wanted, look, convention = (
        [chosen(ImageFormat, form) for form in formats], chosen(Theme, theme), chosen(Convention, macs)
    )  # fmt: skip
    if out is not None:
        require_folder(Path(out))
    definition = None if figure is None else load_definition(str(figure))
    models = tuple(models)
    added, across, under = tuple(also), [x] if isinstance(x, str) else list(x), dict(conditions or {})
    own = {"models": models, "quantity": quantity, "classes": classes, "conditions": conditions}
    axes = {"x": across, "y": y}
    if definition is None or isinstance(definition, FigureDefinition):
        if definition is not None:
            _refuse(str(figure), axes, "without a name")
            _refuse(str(figure), own, f"of the kinds {', '.join(STATISTICAL_KINDS)}")
        rows = newest_rows(store)
        tradeoff = definition or asked_for(
            rows, across, y, models, by, {**under, "device": device, "precision": precision}
        )
        name = Path(figure).stem if figure is not None else "-".join(a.quantity for a in tradeoff.axes)
        data = select(
            rows,
            tradeoff.with_models(added).with_front(front),
            macs=convention,
            device=None if definition is None else device,
            precision=None if definition is None else precision,
            overlay=overlay,
        )
        drawn = draw(data, look)
        return TradeoffFigure(name, drawn, _written(drawn, out, name, look, wanted), data)
    name = Path(str(figure)).stem
    file = f"{name}-{quantity}" if quantity not in (None, definition.quantity) else name
    others = {"also": added, "macs": convention is Convention.paper, "overlay": overlay, "front": front}
    _refuse(name, {**axes, **others}, "of trade-offs")
    under |= {} if precision is None else {"precision": precision}
    given = {key: value for key, value in {**own, "conditions": under, "device": device}.items() if value}
    shown = statistics(newest_rows(store), definition.changed(name, given))
    picture = draw_statistics(shown, look)
    return StatisticalFigure(file, picture, _written(picture, out, file, look, wanted), shown)


def _refuse(name: str, options: Mapping[str, object], whose: str) -> None:
    """A ``UsageError`` where options are given that only other figures have."""
    given = [option for option, value in options.items() if value]
    if given:
        raise UsageError(f"'{name}' takes no {' and no '.join(given)}: only figures {whose} do")


def _written(
    figure: Figure, out: str | Path | None, name: str, theme: Theme, formats: Iterable[ImageFormat]
) -> tuple[Path, ...]:
    file = name if theme is Theme.light else f"{name}-{theme}"
    return () if out is None else tuple(save_formats(figure, Path(out), file, formats))
