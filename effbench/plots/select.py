"""Which stored values a figure draws: never a mixture of devices, or of measured and published timings.

Of several rows the newest counts; timings come from one device and one setting.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import pandas as pd

from effbench.errors import EffbenchError, UsageError, nearest
from effbench.plots.choices import Convention
from effbench.plots.figures import MACS, FigureDefinition, Panel
from effbench.plots.scored import IncomparableScores, checkpoints, require_comparable, with_measured
from effbench.plots.values import Chosen, MissingResults, Value, require, rows_of, untimed
from effbench.results.measurement import Provenance
from effbench.spec import is_spec

#: Quantities that depend on the device they were timed on.
TIMED = ("throughput", "latency_p50", "latency_p90", "latency_p99", "memory_peak")

#: Conditions that may not differ within a series. The batch size may: each model shows its best one.
SETTING = ("precision", "tf32", "compiled", "kernels", "threads", "part")

#: Of settings that cover equally many models, the one with more of these is drawn; rows without one have it.
PREFERRED: Mapping[str, object] = {
    "part": "network",
    "compiled": False,
    "kernels": "torch",
    "precision": "fp32",
}


class UndrawableValue(EffbenchError):
    """A stored value that the axes of a figure can't show."""


@dataclass(frozen=True)
class PanelData:
    """What one panel shows: its values, and published ones as an overlay (empty where not asked for)."""

    panel: Panel
    chosen: Chosen
    overlay: Mapping[str, Value]


@dataclass(frozen=True)
class FigureData:
    """Everything that is drawn, ready to draw.

    Attributes:
        definition: what was asked for.
        macs: convention of the MACs.
        scores: the vertical axis.
        panels: the horizontal ones.
        checkpoints: models of which several checkpoints have such scores, and how many; the newest is drawn.
    """

    definition: FigureDefinition
    macs: Convention
    scores: Chosen
    panels: tuple[PanelData, ...]
    checkpoints: Mapping[str, int] = field(default_factory=dict)


def select(
    rows: pd.DataFrame,
    definition: FigureDefinition,
    *,
    macs: Convention = Convention.exact,
    device: str | None = None,
    precision: str | None = None,
    overlay: bool = False,
) -> FigureData:
    """Choose what a figure draws; the published timings where nothing was timed.

    ``effbench.plot`` documents the options; ``effbench.results.exchange.to_frame`` the columns of ``rows``.

    Raises:
        MissingResults: models of the figure lack scores, parameters or MACs; there are no such timings; or
            the scores are of several data sets, protocols or precisions.
        UsageError: no timings of that device.
    """
    figure, specs, score = definition.published_figure, definition.specs, definition.score
    _require_known(rows, specs)
    scores = untimed(rows, score.quantity, specs, score.provenance, figure, score.conditions)
    if scores.provenance == "published":
        scores = with_measured(rows, scores, [spec for spec in specs if not is_spec(spec)])
    panels = []
    for panel in definition.panels:
        chosen = _choose(rows, panel, definition, macs, device, precision)
        wanted = overlay and chosen.provenance == "measured"
        extra = untimed(rows, panel.published_quantity, specs, "published", figure).values if wanted else {}
        panels.append(PanelData(panel, chosen, extra))
    costs = [panel.chosen for panel in panels]
    require(specs, [scores, *(axis for axis in costs if axis.quantity not in TIMED)], definition.study)
    for axis in costs:
        if not axis.values:
            message = f"the store holds no measured {axis.quantity} of this figure's models"
            raise MissingResults(f"{message}; 'effbench profile' measures it")
    _require_positive(costs)
    try:
        require_comparable([scores, *costs])
    except IncomparableScores as error:
        choice = ", ".join(f"{name}: {json.dumps(value)}" for name, value in error.choice.items())
        where = f"Choose one in the figure's definition: score: {{conditions: {{{choice}}}}}"
        raise MissingResults(f"{error}\n{where}") from None
    return FigureData(definition, macs, scores, tuple(panels), checkpoints(rows, scores))


def _require_known(rows: pd.DataFrame, specs: Iterable[str]) -> None:
    stored = set(rows["spec"])
    for spec in specs:
        if spec not in stored and not is_spec(spec):
            raise MissingResults(
                f"nothing is stored of '{spec}'{nearest(spec, stored)}\n"
                "It is no spec; 'effbench profile' keeps what it finds of a model of your own under its name."
            )


def _choose(
    rows: pd.DataFrame,
    panel: Panel,
    definition: FigureDefinition,
    macs: Convention,
    device: str | None,
    precision: str | None,
) -> Chosen:
    specs, figure, quantity = definition.specs, definition.published_figure, panel.quantity
    if quantity not in TIMED:
        return untimed(
            rows,
            f"macs_{macs}" if quantity == MACS else quantity,
            specs,
            "measured",
            conditions=panel.conditions,
        )
    devices = timed_devices(rows, quantity, specs)
    if not devices:
        published = untimed(rows, quantity, specs, "published", figure)
        nobody = device is not None or precision is not None or not published.values
        return Chosen.of(quantity, rows.iloc[:0], "measured") if nobody else published
    names = devices if device is None else [find_device(device, devices)]
    conditions = {**panel.conditions, **({} if precision is None else {"precision": precision})}
    found = (timed(rows, quantity, specs, name, conditions) for name in names)
    chosen = next((timings for timings in found if timings is not None), None)
    if chosen is None:
        on = " or ".join(f"'{name}'" for name in names)
        under = ", ".join(f"{key} {value}" for key, value in conditions.items())
        raise MissingResults(f"no {quantity} of this figure's models on {on} with {under}")
    return chosen


def _require_positive(costs: Iterable[Chosen]) -> None:
    for chosen in costs:
        for spec, cost in chosen.values.items():
            if cost.value <= 0:
                what = f"{chosen.quantity} of {spec} is {cost.value:g}"
                raise UndrawableValue(f"{what}: the axis of a cost is logarithmic and shows what is above 0")


def timed(
    rows: pd.DataFrame,
    quantity: str,
    specs: Iterable[str],
    device: str,
    conditions: Mapping[str, object] | None = None,
    provenance: Provenance = "measured",
) -> Chosen | None:
    """Timings on one device in the setting that covers most models, each at its best batch size, if any.

    Published ones are those that somebody declared for the device.
    """
    found = rows_of(rows, quantity, specs, provenance, conditions)
    found = found[found["device"] == device]
    if found.empty:
        return None
    settings = [
        "; ".join(f"{row.get(name, PREFERRED.get(name))}" for name in SETTING) for row in found["conditions"]
    ]
    found = found.assign(_setting=settings)
    best = max(sorted(set(settings)), key=lambda setting: fitness(found[found["_setting"] == setting]))
    found = found[found["_setting"] == best].sort_values("created", kind="stable")
    found = found.drop_duplicates(["spec", "batch_size"], keep="last")
    found = found.sort_values("value", ascending=quantity == "throughput", kind="stable")
    found = found.drop_duplicates("spec", keep="last")
    return Chosen.of(quantity, found, provenance, device, _setting(found))


def timed_devices(
    rows: pd.DataFrame, quantity: str, specs: Iterable[str], provenance: Provenance = "measured"
) -> tuple[str, ...]:
    """Devices with timings of these models: the one that covers most comes first, then the newest."""
    found = rows_of(rows, quantity, specs, provenance).dropna(subset=["device"])
    ranks = {
        str(name): (group["spec"].nunique(), group["created"].max())
        for name, group in found.groupby("device")
    }
    return tuple(sorted(ranks, key=lambda name: ranks[name], reverse=True))


def find_device(name: str, devices: Sequence[str]) -> str:
    """The device that is meant by a name or by a part of it that no other has, in any case.

    Raises:
        UsageError: there is none, or several; they are listed.
    """
    exact = [device for device in devices if device.lower() == name.lower()]
    matching = exact or [device for device in devices if name.lower() in device.lower()]
    if len(matching) == 1:
        return matching[0]
    none = f"no timings on '{name}'{nearest(name, devices)}"
    what = f"'{name}' is more than one device" if matching else none
    raise UsageError(f"{what}\nDevices: {', '.join(matching or devices)}.")


def fitness(group: pd.DataFrame) -> tuple[int, int, str]:
    """How well timings of one setting serve, the best last: by models, by what is preferred, by age."""
    conditions = group["conditions"].iloc[0]
    preferred = sum(conditions.get(name, value) == value for name, value in PREFERRED.items())
    return group["spec"].nunique(), preferred, group["created"].max()


def _setting(rows: pd.DataFrame) -> dict[str, object]:
    """Conditions that timings of one setting share, as far as they matter."""
    first, environment = rows["conditions"].iloc[0], rows["environment"].iloc[0] or {}
    setting = {name: first[name] for name in SETTING if first.get(name) is not None}
    if environment.get("gpu"):
        setting.pop("threads", None)  # the processor's: no matter to a GPU
    return setting
