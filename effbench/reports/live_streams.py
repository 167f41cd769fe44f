"""How many live streams models carry: measured where that is known, else from the time of one clip."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

from effbench.errors import UsageError
from effbench.grid import CLIP_SECONDS, FRAME_SECONDS
from effbench.plots.values import Value
from effbench.reports.known_values import Known, KnownValues
from effbench.reports.limits import Limit

_EXACT = 1e-9  # what rounding may take from a whole number of clips


def streams_limit(streams: float, hop: float, within: float) -> Limit:
    """The limit of so many streams, each with a clip every ``hop`` seconds.

    Raises:
        UsageError: an impossible number or time.
    """
    if not 0 < hop <= CLIP_SECONDS:
        raise UsageError(f"clips of a stream start from 0 to {CLIP_SECONDS:g} s apart, not {hop:g} s")
    if not 0 < within < math.inf:
        raise UsageError(f"the events of a hop are there within a time above 0 s, not {within:g} s")
    if not 1 <= streams < math.inf:
        raise UsageError(f"at least 1 live stream, not {streams:g}")
    return Limit("streams", streams, f"a clip every {hop:g} s each")


def of_such_streams(rows: pd.DataFrame, hop: float, within: float) -> pd.DataFrame:
    """Rows without streams of another hop, or within another limit."""
    kept = [
        quantity != "streams"
        or (
            abs(float(conditions.get("hop", math.nan)) - hop) < FRAME_SECONDS / 2
            and math.isclose(float(conditions.get("limit", math.nan)), within)
        )
        for quantity, conditions in zip(rows["quantity"], rows["conditions"], strict=True)
    ]
    return rows[np.array(kept, bool)]


def streams_carried(metrics: Mapping[str, KnownValues], latency: str, hop: float) -> KnownValues:
    """Streams that each model carries, by what is known of ``streams`` and of the latency of one clip.

    Where nobody measured streams, the device is taken to compute one clip at a time.
    """
    measured = metrics.get("streams", KnownValues("streams", {}))
    timed = metrics.get(latency, KnownValues(latency, {}))
    found = {spec: _extrapolated(known, hop) for spec, known in timed.known.items()}
    found.update(measured.known)
    settings = [metric.setting for metric in (measured, timed) if metric.known]
    shared = {
        name: value for name, value in settings[0].items() if all(s.get(name) == value for s in settings)
    }
    return KnownValues("streams", found, measured.device or timed.device, shared)


def _extrapolated(time: Known, hop: float) -> Known:
    def streams(seconds: float | None) -> float | None:
        return None if seconds is None else float(math.floor(hop / seconds + _EXACT))

    value = time.value
    most = math.floor(hop / value.value + _EXACT)
    return Known(
        Value(float(most), streams(value.high), streams(value.low)), "extrapolated", source=time.source
    )
