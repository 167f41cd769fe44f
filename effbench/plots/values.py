"""Which rows of the store stand for a quantity: newest first, and timings of one device and setting only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from effbench.errors import UsageError, nearest
from effbench.grid import CLIP_SECONDS

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


@dataclass(frozen=True)
class Value:
    """One stored number with its 95 % interval, if it has one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True)
class Chosen:
    """Values of one quantity, of one origin.

    Attributes:
        quantity: a key of ``UNITS``.
        values: by model; models without a value are absent.
        provenance: ``measured`` or ``published``.
        device: what was timed, else ``None``.
        setting: conditions that all values share.
        rows: the rows that the values come from.
    """

    quantity: str
    values: Mapping[str, Value]
    provenance: str
    device: str | None
    setting: Mapping[str, object]
    rows: pd.DataFrame


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
    """Timings on one device in the one setting that covers most models, each at its best batch size.

    Returns:
        ``None`` if there are none under these conditions.
    """
    found = _of(rows, quantity, specs, "measured")
    found = _under(found[found["device"] == device], conditions)
    if found.empty:
        return None
    settings = ["; ".join(f"{row.get(name)}" for name in SETTING) for row in found["conditions"]]
    found = found.assign(_setting=settings)
    best = max(sorted(set(settings)), key=lambda setting: _fitness(found[found["_setting"] == setting]))
    found = found[found["_setting"] == best].sort_values("created", kind="stable")
    found = found.drop_duplicates(["spec", "batch_size"], keep="last")
    more_is_better = quantity == "throughput"
    found = found.sort_values("value", ascending=more_is_better, kind="stable")
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
        UsageError: none, or several; with the list.
    """
    exact = [device for device in devices if device.lower() == name.lower()]
    matching = exact or [device for device in devices if name.lower() in device.lower()]
    if len(matching) == 1:
        return matching[0]
    what = (
        f"'{name}' is more than one device" if matching else f"no timings on '{name}'{nearest(name, devices)}"
    )
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
