"""Times and memory that may be compared: of one device and setting, at batch sizes that belong together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, get_args

import numpy as np
import pandas as pd

from effbench.plots.quantities import ON_A_DEVICE, varies_with
from effbench.plots.timings import SETTING, at_fair_batch_sizes, find_device, timed, timed_devices
from effbench.plots.values import untimed
from effbench.reports.known_values import KnownValues, known_of
from effbench.results.measurement import Provenance

PROVENANCES: tuple[Provenance, ...] = get_args(Provenance)

#: Stands for published throughput, whose device nobody knows.
UNKNOWN_DEVICE = "published"


def fair_times(
    rows: pd.DataFrame,
    specs: Sequence[str],
    quantities: Sequence[str],
    device: str | None,
    conditions: Mapping[str, object],
) -> dict[str, KnownValues]:
    """Some of ``ON_A_DEVICE`` of the models, from one device, in the setting that most models have.

    Latency is that of one clip; memory and energy are those at the batch size of the throughput or, without
    throughput, memory that at the one that most models have, energy that at each model's best. What somebody
    declared for a device counts where nothing was measured on it. What is of live streams need not have the
    setting of other times.

    Args:
        rows: newest rows of a store.
        specs: names of the models.
        quantities: what is wanted.
        device: a part of its name, or ``published``; by default the device that covers most models.
        conditions: that timings must have.

    Raises:
        UsageError: no times of that device.
    """
    if not quantities:
        return {}
    where, provenance = _timed_on(rows, specs, quantities, device)
    if where is None:
        published = {"throughput": known_of(untimed(rows, "throughput", specs, "published"))}
        return {name: KnownValues(name, published.get(name, {})) for name in quantities}
    found: dict[str, KnownValues] = {}
    shared = dict(conditions)
    for quantity in sorted(quantities, key=ON_A_DEVICE.index):
        best = found.get("throughput")
        sizes = {spec: known.batch_size for spec, known in best.known.items()} if best else {}
        fair = at_fair_batch_sizes(rows, quantity, where, sizes or None)
        live = varies_with(quantity, "hop")
        under = conditions if live else shared
        asked = {name: value for name, value in under.items() if varies_with(quantity, name)}
        chosen = timed(fair, quantity, specs, where, asked, provenance)
        if chosen is None:
            found[quantity] = KnownValues(quantity, {}, where)
        else:
            shared |= {} if live else chosen.setting
            found[quantity] = KnownValues(quantity, known_of(chosen), where, chosen.setting)
    return found


def _timed_on(
    rows: pd.DataFrame, specs: Sequence[str], quantities: Sequence[str], device: str | None
) -> tuple[str | None, Provenance]:
    """The device that times are of, ``None`` for the unknown one, and of which provenance they are."""
    measured, declared = (
        [name for quantity in quantities for name in timed_devices(rows, quantity, specs, provenance)]
        for provenance in PROVENANCES
    )
    known = list(dict.fromkeys([*measured, *declared]))
    if not known or (device or "").lower() == UNKNOWN_DEVICE:
        return None, "published"
    where = known[0] if device is None else find_device(device, known)
    return where, "measured" if where in measured else "published"


def fitting_memory(rows: pd.DataFrame, limit: float) -> pd.DataFrame:
    """Rows without throughput at batch sizes that need more bytes than the limit.

    Where no batch size of a model in a setting fits, the one that needs least is kept.
    """
    keys = [
        (row["spec"], row["device"], row["provenance"], *map(row["conditions"].get, SETTING))
        for row in rows[["spec", "device", "provenance", "conditions"]].to_dict("records")
    ]
    cells = rows[["quantity", "value", "batch_size"]].to_numpy(dtype=object)
    memory: dict[Any, dict[Any, float]] = {}
    for key, (quantity, value, size) in zip(keys, cells, strict=True):
        if quantity == "memory_peak":
            memory.setdefault(key, {})[size] = value
    allowed = {
        key: [size for size, value in of.items() if value <= limit] or [min(of, key=of.__getitem__)]
        for key, of in memory.items()
    }
    kept = [
        quantity != "throughput" or key not in allowed or size in allowed[key]
        for key, (quantity, _, size) in zip(keys, cells, strict=True)
    ]
    return rows[np.array(kept, bool)]
