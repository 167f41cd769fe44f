"""Which stored values a figure draws: never a mixture of devices, or of measured and published timings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from effbench.errors import EffbenchError
from effbench.plots.choices import Convention
from effbench.plots.figures import MACS, FigureDefinition, Panel
from effbench.plots.values import TIMED, Chosen, Value, find_device, timed, timed_devices, untimed
from effbench.results.measurement import UNITS
from effbench.spec import TRANSFORMERS

#: Conditions in which scores that share an axis must agree.
SCORED_ON = ("data", "split", "protocol", "median_window")


class MissingResults(EffbenchError):
    """The rows lack values that a figure or report needs."""


@dataclass(frozen=True)
class PanelData:
    """What one panel shows: its values, and published ones as an overlay (empty where not asked for)."""

    panel: Panel
    chosen: Chosen
    overlay: Mapping[str, Value]


@dataclass(frozen=True)
class FigureData:
    """Everything that is drawn, ready to draw."""

    definition: FigureDefinition
    macs: Convention
    scores: Chosen
    panels: tuple[PanelData, ...]


def select(
    rows: pd.DataFrame,
    definition: FigureDefinition,
    *,
    macs: Convention = Convention.exact,
    device: str | None = None,
    precision: str | None = None,
    overlay: bool = False,
) -> FigureData:
    """Choose what a figure draws.

    Timings come from one device and one setting; by default from those that cover most models. Where nothing
    was timed, the published timings are drawn instead.

    Args:
        rows: of the results store (``effbench.results.rows.to_frame`` describes the columns).
        definition: from ``load_figure``.
        macs: counting convention of the MACs panel.
        device: draw timings of this device only; a part of its name that no other has is enough.
        precision: draw timings in this precision only.
        overlay: add the published values.

    Raises:
        MissingResults: models of the figure lack scores, parameters or MACs; or there are no such timings.
        UsageError: no timings of that device.
    """
    figure, specs = definition.published_figure, definition.specs
    score = definition.score
    scores = untimed(rows, score.quantity, specs, score.provenance, figure, score.conditions)
    chosen = [_choose(rows, panel, definition, macs, device, precision) for panel in definition.panels]
    require(specs, [scores, *(choice for choice in chosen if choice.quantity not in TIMED)])
    _require_one_task(scores)
    panels = []
    for panel, choice in zip(definition.panels, chosen, strict=True):
        # Published MACs are in the published convention, whatever convention ours are in.
        quantity = "macs_paper" if panel.quantity == MACS else panel.quantity
        wanted = overlay and choice.provenance == "measured"
        extra = untimed(rows, quantity, specs, "published", figure).values if wanted else {}
        panels.append(PanelData(panel, choice, extra))
    return FigureData(definition, macs, scores, tuple(panels))


def _choose(
    rows: pd.DataFrame,
    panel: Panel,
    definition: FigureDefinition,
    macs: Convention,
    device: str | None,
    precision: str | None,
) -> Chosen:
    specs, figure = definition.specs, definition.published_figure
    if panel.quantity not in TIMED:
        return untimed(rows, f"macs_{macs}" if panel.quantity == MACS else panel.quantity, specs, "measured")
    devices = timed_devices(rows, panel.quantity, specs)
    if not devices and device is None and precision is None:
        return untimed(rows, panel.quantity, specs, "published", figure)
    if not devices:
        raise MissingResults(f"the store holds no measured {panel.quantity} of this figure's models")
    name = devices[0] if device is None else find_device(device, devices)
    conditions = {**panel.conditions, **({} if precision is None else {"precision": precision})}
    chosen = timed(rows, panel.quantity, specs, name, conditions)
    if chosen is None:
        under = ", ".join(f"{key} {value}" for key, value in conditions.items())
        raise MissingResults(f"no {panel.quantity} of this figure's models on '{name}' with {under}")
    return chosen


def _require_one_task(scores: Chosen) -> None:
    """Measured scores are of one data set, by one protocol: others can't be compared."""
    if scores.provenance != "measured":
        return
    for name in SCORED_ON:
        found = sorted({str(row.get(name)) for row in scores.rows["conditions"]})
        if len(found) > 1:
            raise MissingResults(
                f"the newest {scores.quantity} of this figure's models differ in {name}: {', '.join(found)}\n"
                f"Choose one in the figure's definition: score: {{conditions: {{{name}: {found[0]}}}}}"
            )


def require(specs: Sequence[str], needed: Iterable[Chosen]) -> None:
    """Check that every model has every quantity.

    Raises:
        MissingResults: what is lacking, of which models, and the command that fills it in.
    """
    lacking: dict[str, list[str]] = {}
    for chosen in needed:
        for spec in specs:
            if spec not in chosen.values:
                lacking.setdefault(spec, []).append(f"{chosen.provenance} {chosen.quantity}")
    if lacking:
        shown = list(lacking)[:6]
        more = f" and {len(lacking) - len(shown)} more" if len(lacking) > len(shown) else ""
        what = ", ".join(dict.fromkeys(name for names in lacking.values() for name in names))
        study = "cnn-vs-transformers" if any(spec.startswith(TRANSFORMERS) for spec in lacking) else "paper"
        scores = all(name.startswith("measured ") and UNITS.get(name[9:]) == "%" for name in what.split(", "))
        remedy = "'effbench train' or 'effbench evaluate'" if scores else f"'effbench study run {study}'"
        raise MissingResults(
            f"the store lacks {what} of {len(lacking)} models ({', '.join(shown)}{more}); "
            f"{remedy} fills them in"
        )
