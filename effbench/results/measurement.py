"""The one shape that every stored figure has: a value, its unit, its conditions and where it came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Literal

Provenance = Literal["measured", "published"]

#: Unit of every quantity that a record may hold.
UNITS: Mapping[str, str] = {
    "parameters": "parameters",
    "parameters_trainable": "parameters",
    "parameters_backbone": "parameters",
    "parameters_sequence": "parameters",
    "parameters_strong_head": "parameters",
    "parameters_weak_head": "parameters",
    "macs_exact": "MACs/clip",
    "macs_paper": "MACs/clip",
    "macs_fvcore": "MACs/clip",
    "macs_thop": "MACs/clip",
    "macs_torch": "MACs/clip",
    "throughput": "clips/s",
    "latency_p50": "s",
    "latency_p90": "s",
    "latency_p99": "s",
    "memory_peak": "bytes",
    "psds1": "%",
    "psds1_penalised": "%",
    "psds2": "%",
    "psds2_penalised": "%",
    "pauroc": "%",
    "map": "%",
    "event_f1": "%",
    "event_f1_macro": "%",
    "onset_f1": "%",
    "onset_f1_macro": "%",
    "onset_f1_50ms": "%",
    "onset_f1_50ms_macro": "%",
    "segment_f1": "%",
    "segment_f1_macro": "%",
    "segment_error_rate": "errors/segment",
    "event_error_rate": "errors/event",
    "onset_error_rate": "errors/event",
    "onset_50ms_error_rate": "errors/event",
}


def now() -> str:
    """Current time in UTC, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


@dataclass(frozen=True)
class Measurement:
    """One value of one quantity of one model.

    Attributes:
        spec: canonical model spec.
        quantity: a key of ``UNITS``.
        value: in the unit that ``UNITS`` gives.
        provenance: ``measured`` (on a machine, by this program) or ``published``.
        source: program and version, or the publication.
        low: lower end of the 95 % interval, if any.
        high: upper end of the 95 % interval, if any.
        device: name of the processor or accelerator that was timed; ``None`` where it does not matter.
        conditions: what the value depends on: precision, batch_size, threads, compiled, seconds, seed, …
        samples: every single timing, seconds.
        environment: the machine and software (``effbench.machine.environment``).
        commit: of the working tree that measured, ``+dirty`` where it had changes.
        created: UTC, ISO 8601.
    """

    spec: str
    quantity: str
    value: float
    provenance: Provenance
    source: str
    low: float | None = None
    high: float | None = None
    device: str | None = None
    conditions: Mapping[str, Any] = field(default_factory=dict)
    samples: tuple[float, ...] = ()
    environment: Mapping[str, Any] | None = None
    commit: str | None = None
    created: str = field(default_factory=now)

    def __post_init__(self) -> None:
        if self.quantity not in UNITS:
            raise ValueError(f"unknown quantity '{self.quantity}'; known: {', '.join(UNITS)}")

    @property
    def unit(self) -> str:
        """Unit of ``value``, ``low`` and ``high``."""
        return UNITS[self.quantity]
