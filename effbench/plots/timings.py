"""Which stored times and memory belong together: one device and setting, comparable batch sizes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd

from effbench.errors import UsageError, nearest
from effbench.plots.values import Chosen, rows_of
from effbench.results.declared import depends_on
from effbench.results.measurement import Provenance, more_is_better

#: Conditions that may not differ within a series. The batch size may: each model shows its best one.
SETTING = (
    *("precision", "tf32", "compiled", "backend", "kernels", "threads", "part"),
    *("hop", "look_ahead", "limit"),
)

#: Of settings that cover equally many models, the one with more of these is drawn; rows without one have it.
PREFERRED: Mapping[str, object] = {
    "part": "network",
    "compiled": False,
    "backend": "eager",
    "kernels": "torch",
    "precision": "fp32",
}


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
    found = found.sort_values("value", ascending=more_is_better(quantity), kind="stable")
    found = found.drop_duplicates("spec", keep="last")
    return Chosen.of(quantity, found, provenance, device, _setting(found))


def at_fair_batch_sizes(
    rows: pd.DataFrame, quantity: str, device: str, sizes_of_throughput: Mapping[str, object] | None
) -> pd.DataFrame:
    """Rows at batch sizes at which a quantity can be compared: latency is that of one clip.

    Memory and energy are those at the batch size of each model's throughput; without one, memory is that at
    the one that most models have, and energy may be at each model's best. Streams are scored together.
    """
    sizes = pd.to_numeric(rows["batch_size"])
    if quantity == "throughput" or depends_on(quantity, "hop"):
        return rows
    if quantity == "energy" and sizes_of_throughput is None:
        return rows
    if quantity not in ("memory_peak", "energy"):
        return rows[~(sizes > 1)]
    if sizes_of_throughput is not None:
        return rows[sizes == pd.to_numeric(rows["spec"].map(sizes_of_throughput))]
    here = rows[(rows["quantity"] == quantity) & (rows["device"] == device)]
    models = here.groupby(sizes)["spec"].nunique()
    return rows[sizes == models.idxmax()] if len(models) else rows


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
