"""Which stored values a figure draws: never a mixture of devices, or of measured and published timings.

Of several rows the newest counts; timings come from one device and one setting.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from effbench.errors import EffbenchError, UsageError, nearest
from effbench.grid import CLIP_SECONDS
from effbench.plots.choices import Convention
from effbench.plots.figures import MACS, FigureDefinition, Panel
from effbench.results.measurement import UNITS
from effbench.spec import TRANSFORMERS

#: Quantities that depend on the device they were timed on.
TIMED = ("throughput", "latency_p50", "latency_p90", "latency_p99", "memory_peak")

#: Conditions that may not differ within a series. The batch size may: each model shows its best one.
SETTING = ("precision", "compiled", "kernels", "threads", "part")

#: Of settings that cover equally many models, the one with more of these is drawn.
PREFERRED: Mapping[str, object] = {
    "part": "network",
    "compiled": False,
    "kernels": "torch",
    "precision": "fp32",
}

#: Conditions in which scores that share an axis must agree.
SCORED_ON = ("data", "split", "protocol", "median_window")


class MissingResults(EffbenchError):
    """The rows lack values that a figure or report needs."""


@dataclass(frozen=True)
class Value:
    """One stored number with its 95 % interval, if it has one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Chosen:
    """Values of one quantity (a key of ``UNITS``), of one origin.

    Attributes:
        values: by model; models without a value are absent.
        provenance: ``measured`` or ``published``.
        device: what was timed, else ``None``.
        setting: conditions of timings that all values share.
        rows: the rows that the values come from.
    """

    quantity: str
    values: Mapping[str, Value]
    provenance: str
    device: str | None
    setting: Mapping[str, object]
    rows: pd.DataFrame


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
    """Choose what a figure draws; the published timings where nothing was timed.

    ``effbench.plot`` documents the options; ``effbench.results.exchange.to_frame`` the columns of ``rows``.

    Raises:
        MissingResults: models of the figure lack scores, parameters or MACs; or there are no such timings.
        UsageError: no timings of that device.
    """
    figure, specs, score = definition.published_figure, definition.specs, definition.score
    scores = untimed(rows, score.quantity, specs, score.provenance, figure, score.conditions)
    panels = []
    for panel in definition.panels:
        chosen = _choose(rows, panel, definition, macs, device, precision)
        wanted = overlay and chosen.provenance == "measured"
        extra = untimed(rows, panel.published_quantity, specs, "published", figure).values if wanted else {}
        panels.append(PanelData(panel, chosen, extra))
    require(specs, [scores, *(panel.chosen for panel in panels if panel.chosen.quantity not in TIMED)])
    _require_one_task(scores)
    return FigureData(definition, macs, scores, tuple(panels))


def _choose(
    rows: pd.DataFrame,
    panel: Panel,
    definition: FigureDefinition,
    macs: Convention,
    device: str | None,
    precision: str | None,
) -> Chosen:
    specs = definition.specs
    if panel.quantity not in TIMED:
        return untimed(rows, f"macs_{macs}" if panel.quantity == MACS else panel.quantity, specs, "measured")
    devices = timed_devices(rows, panel.quantity, specs)
    if not devices:
        if device is None and precision is None:
            return untimed(rows, panel.quantity, specs, "published", definition.published_figure)
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
    for name in SCORED_ON if scores.provenance == "measured" else ():
        found = sorted({str(row.get(name)) for row in scores.rows["conditions"]})
        if len(found) > 1:
            raise MissingResults(
                f"the newest {scores.quantity} of this figure's models differ in {name}: {', '.join(found)}\n"
                f"Choose one in the figure's definition: score: {{conditions: {{{name}: {found[0]}}}}}"
            )


def require(specs: Sequence[str], needed: Iterable[Chosen]) -> None:
    """A ``MissingResults``, with what is lacking and what fills it in, unless every model has everything."""
    lacking = [(spec, chosen) for chosen in needed for spec in specs if spec not in chosen.values]
    if not lacking:
        return
    models = list(dict.fromkeys(spec for spec, _ in lacking))
    what = ", ".join(dict.fromkeys(f"{chosen.provenance} {chosen.quantity}" for _, chosen in lacking))
    more = f" and {len(models) - 6} more" if len(models) > 6 else ""
    study = "cnn-vs-transformers" if any(spec.startswith(TRANSFORMERS) for spec in models) else "paper"
    scores = all(c.provenance == "measured" and UNITS.get(c.quantity) == "%" for _, c in lacking)
    remedy = "'effbench train' or 'effbench evaluate'" if scores else f"'effbench study run {study}'"
    shown = f"{len(models)} models ({', '.join(models[:6])}{more})"
    raise MissingResults(f"the store lacks {what} of {shown}; {remedy} fills them in")


def untimed(
    rows: pd.DataFrame,
    quantity: str,
    specs: Iterable[str],
    provenance: str,
    figure: int | None = None,
    conditions: Mapping[str, object] | None = None,
) -> Chosen:
    """Newest value of each model under some conditions; of the given published figure, where there is one."""
    found = _under(_of(rows, quantity, specs, provenance), conditions)
    found = found.assign(_here=found["figure"] == figure).sort_values(["_here", "created"], kind="stable")
    return _chosen(quantity, found.drop_duplicates("spec", keep="last"), provenance)


def timed(
    rows: pd.DataFrame,
    quantity: str,
    specs: Iterable[str],
    device: str,
    conditions: Mapping[str, object] | None = None,
) -> Chosen | None:
    """Timings on one device in the setting that covers most models, each at its best batch size, if any."""
    found = _of(rows, quantity, specs, "measured")
    found = _under(found[found["device"] == device], conditions)
    if found.empty:
        return None
    settings = ["; ".join(f"{row.get(name)}" for name in SETTING) for row in found["conditions"]]
    found = found.assign(_setting=settings)
    best = max(sorted(set(settings)), key=lambda setting: _fitness(found[found["_setting"] == setting]))
    found = found[found["_setting"] == best].sort_values("created", kind="stable")
    found = found.drop_duplicates(["spec", "batch_size"], keep="last")
    found = found.sort_values("value", ascending=quantity == "throughput", kind="stable")
    return _chosen(quantity, found.drop_duplicates("spec", keep="last"), "measured", device)


def timed_devices(rows: pd.DataFrame, quantity: str, specs: Iterable[str]) -> tuple[str, ...]:
    """Devices with timings of these models: the one that covers most comes first, then the newest."""
    found = _of(rows, quantity, specs, "measured").dropna(subset=["device"])
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


def _of(rows: pd.DataFrame, quantity: str, specs: Iterable[str], provenance: str) -> pd.DataFrame:
    """Rows of a quantity of these models, for one clip of the usual length."""
    return rows[
        (rows["quantity"] == quantity)
        & (rows["provenance"] == provenance)
        & rows["spec"].isin(list(specs))
        & (rows["seconds"].isna() | (rows["seconds"] == CLIP_SECONDS))
    ]


def _under(rows: pd.DataFrame, conditions: Mapping[str, object] | None) -> pd.DataFrame:
    for name, wanted in (conditions or {}).items():
        rows = rows[[row.get(name) == wanted for row in rows["conditions"]]]
    return rows


def _fitness(group: pd.DataFrame) -> tuple[int, int, str]:
    conditions = group["conditions"].iloc[0]
    preferred = sum(conditions.get(name, value) == value for name, value in PREFERRED.items())
    return group["spec"].nunique(), preferred, group["created"].max()


def _chosen(quantity: str, rows: pd.DataFrame, provenance: str, device: str | None = None) -> Chosen:
    values = {
        str(spec): Value(float(value), *(None if pd.isna(end) else float(end) for end in (low, high)))
        for spec, value, low, high in zip(rows["spec"], rows["value"], rows["low"], rows["high"], strict=True)
    }
    setting: dict[str, object] = {}
    if device is not None and len(rows):
        first, environment = rows["conditions"].iloc[0], rows["environment"].iloc[0] or {}
        setting = {name: first[name] for name in SETTING if first.get(name) is not None}
        if environment.get("gpu"):
            setting.pop("threads", None)  # the processor's: no matter to a GPU
    return Chosen(quantity, values, provenance, device, setting, rows)
