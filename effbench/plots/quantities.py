"""Quantities as axes show them: what they are called, on which scale, and what they depend on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from effbench.results.declared import DEVICE, KNOWN_CONDITIONS, depends_on
from effbench.results.measurement import UNITS

Scale = Literal["linear", "log"]

#: Stands for ``macs_exact`` or ``macs_paper``, whichever convention is asked for.
MACS = "macs"

#: Quantities of one device in one setting.
ON_A_DEVICE = (
    *("throughput", "latency_p50", "latency_p90", "latency_p99", "memory_peak", "energy", "logit_error"),
    *("streams", "hop_latency_p99", "real_time_factor", "roof_share"),
)

#: Units of what is scored, not counted or timed.
SCORE_UNITS = ("%", "errors/segment", "errors/event")

_LABELS: Mapping[str, str] = {
    "parameters": "Parameters",
    "parameters_strong_head": "Parameters of the strong head",
    "parameters_weak_head": "Parameters of the weak head",
    "parameters_sequence": "Parameters of the sequence model",
    "parameters_backbone": "Parameters of the backbone",
    "parameters_trainable": "Trainable parameters",
    MACS: "MACs per clip",
    "macs_exact": "MACs per clip, exact",
    "macs_paper": "MACs per clip, published convention",
    "macs_fvcore": "MACs per clip by fvcore",
    "macs_thop": "MACs per clip by thop",
    "macs_torch": "MACs per clip by torch",
    "macs_training": "MACs per clip of a training step",
    "traffic": "Memory traffic per clip",
    "throughput": "Throughput (clips/s)",
    "latency_p50": "Latency, median",
    "latency_p90": "Latency, 90th percentile",
    "latency_p99": "Latency, 99th percentile",
    "memory_peak": "Peak memory",
    "energy": "Energy per clip (J)",
    "logit_error": "Error of logits",
    "streams": "Live streams",
    "hop_latency_p99": "Latency of a hop, 99th percentile",
    "real_time_factor": "Real-time factor",
    "roof_share": "Share of the roof (%)",
}

#: Parts of the names of scores that are written otherwise.
_WORDS = {
    **{name: name.upper() for name in ("psds1", "psds2", "map")},
    **{"pauroc": "pAUROC", "pipsds1": "piPSDS1", "pipsds2": "piPSDS2", "f1": "F1", "50ms": "50 ms"},
}


def default_label(quantity: str) -> str:
    """The quantity in words, with its unit where ticks do not show it."""
    if quantity in _LABELS:
        return _LABELS[quantity]
    words = " ".join(_WORDS.get(word, word) for word in quantity.split("_"))
    unit = UNITS[quantity].removeprefix("errors/")
    return f"{words[0].upper() if words[:2] not in ('pA', 'pi') else words[0]}{words[1:]} " + (
        "(%)" if unit == "%" else f"(per {unit})"
    )


def default_scale(quantity: str) -> Scale:
    """Scores are on linear axes, what they cost on logarithmic ones."""
    return "linear" if is_score(quantity) else "log"


def is_score(quantity: str) -> bool:
    """Whether a quantity is scored, not counted or timed."""
    return quantity != MACS and UNITS[quantity] in SCORE_UNITS


def varies_with(quantity: str, condition: str) -> bool:
    """Whether measured values of a quantity depend on a condition, or on the ``device``.

    Conditions that no declared value can have are those of scores.
    """
    name = "macs_exact" if quantity == MACS else quantity
    if condition == DEVICE:
        return name in ON_A_DEVICE
    return depends_on(name, condition) if condition in KNOWN_CONDITIONS else is_score(name)
