"""The one form of every stored figure: a value, its unit, its conditions and its provenance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass, field
from datetime import UTC, datetime
from typing import Literal

from effbench.results.intervals import Estimate
from effbench.version import commit, source

Provenance = Literal["measured", "published"]

#: Unit of every quantity that a record may hold.
UNITS: Mapping[str, str] = {
    "parameters": "parameters",
    **{
        f"parameters_{part}": "parameters"
        for part in ("trainable", "backbone", "sequence", "strong_head", "weak_head")
    },
    **{f"macs_{counter}": "MACs/clip" for counter in ("exact", "paper", "fvcore", "thop", "torch")},
    "macs_training": "MACs/clip",
    "traffic": "bytes/clip",
    "throughput": "clips/s",
    **{f"latency_p{percent}": "s" for percent in (50, 90, 99)},
    "memory_peak": "bytes",
    "energy": "J/clip",
    "streams": "streams",
    "hop_latency_p99": "s",
    "real_time_factor": "s/s",
    "logit_error": "logits",
    "roof_share": "% of the roof",
    **dict.fromkeys(("psds1", "psds1_penalised", "psds2", "psds2_penalised", "pauroc", "map"), "%"),
    **dict.fromkeys(("pipsds1", "pipsds1_penalised", "pipsds2", "pipsds2_penalised"), "%"),
    **dict.fromkeys(("event_f1", "event_f1_macro", "onset_f1", "onset_f1_macro"), "%"),
    **dict.fromkeys(("onset_f1_50ms", "onset_f1_50ms_macro", "segment_f1", "segment_f1_macro"), "%"),
    **dict.fromkeys(("intersection_f1", "intersection_f1_macro", "segment_f1_best"), "%"),
    **dict.fromkeys(("event_f1_best", "intersection_f1_best"), "%"),
    "segment_error_rate": "errors/segment",
    **dict.fromkeys(("event_error_rate", "onset_error_rate", "onset_50ms_error_rate"), "errors/event"),
}


#: Detail in the ``environment`` of a score: its value for every class, in its unit; ``None`` where undefined.
PER_CLASS = "per_class"


def more_is_better(quantity: str) -> bool:
    """Whether high values are good ones: of scores, rates, streams and shares, not of costs and errors."""
    return UNITS[quantity] in ("%", "% of the roof", "clips/s", "streams")


def in_unit(quantity: str, estimate: Estimate) -> Estimate:
    """A score as it is computed, a fraction, in its unit: times 100 where that is ``%``."""
    return estimate.map(lambda value: 100 * value) if UNITS[quantity] == "%" else estimate


def now() -> str:
    """Current time in UTC, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Measurement:
    """One value of one quantity of one model; its attributes, in order, are the columns of a row.

    Attributes:
        spec: canonical model spec.
        quantity: a key of ``UNITS``.
        value, low, high: in the unit that ``UNITS`` gives, with the ends of the 95 % interval, if any.
        provenance: ``measured`` (by this program) or ``published``.
        source: program and version, or the publication.
        device: name of the processor or accelerator that was timed; ``None`` where it does not matter.
        conditions: what the value depends on: precision, batch_size, threads, compiled, seconds, seed, …
        samples: every single timing, seconds.
        environment: the machine and software (``effbench.machine.description``), and details of the run.
        commit: of the working tree, ``+dirty`` where it had changes.
        created: UTC, ISO 8601.
    """

    spec: str
    quantity: str
    value: float
    _: KW_ONLY
    low: float | None = None
    high: float | None = None
    provenance: Provenance
    source: str
    device: str | None = None
    conditions: Mapping[str, object] = field(default_factory=dict)
    samples: tuple[float, ...] = field(default=(), repr=False)
    environment: Mapping[str, object] | None = field(default=None, repr=False)
    commit: str | None = None
    created: str = field(default_factory=now)

    @classmethod
    def here(
        cls,
        spec: str,
        quantity: str,
        value: float | Estimate,
        *,
        device: str | None = None,
        conditions: Mapping[str, object] | None = None,
        samples: Sequence[float] = (),
        environment: Mapping[str, object] | None = None,
    ) -> Measurement:
        """A value that this program measured just now: provenance, source and commit follow from that.

        An ``Estimate`` brings its interval along. ``environment`` may also hold details of the run.
        """
        estimate = value if isinstance(value, Estimate) else Estimate(float(value))
        return cls(
            spec=spec,
            quantity=quantity,
            value=estimate.value,
            low=estimate.low if math.isfinite(estimate.low) else None,
            high=estimate.high if math.isfinite(estimate.high) else None,
            provenance="measured",
            source=source(),
            device=device,
            conditions=dict(conditions or {}),
            samples=tuple(samples),
            environment=environment,
            commit=commit(),
        )

    def __post_init__(self) -> None:
        if self.quantity not in UNITS:
            raise ValueError(f"unknown quantity '{self.quantity}'; known: {', '.join(UNITS)}")

    @property
    def unit(self) -> str:
        """Unit of ``value``, ``low`` and ``high``."""
        return UNITS[self.quantity]
