"""Lines of a profile's tables, in units for reading."""

from __future__ import annotations

from collections.abc import Mapping

from effbench.measure.energy import Energy
from effbench.measure.memory import PeakMemory
from effbench.measure.speed import Latency, Throughput
from effbench.shown import Row, significant

_MIB = 2**20

#: Columns of a comparison that are said once where all models agree.
SHARED = ("part", "batch", "precision", "compiled", "backend", "kernels", "threads", "seconds", "device")


def shared_setting(run: Throughput) -> Row:
    """The conditions that all runs of a profile share."""
    conditions = run.conditions.stored(run.batch_size)
    return {name: value for name, value in conditions.items() if name in SHARED[3:]}


def throughput_row(run: Throughput) -> Row:
    """A line of the table of throughput."""
    return {
        "part": run.conditions.part,
        "precision": run.conditions.precision,
        "batch": run.batch_size,
        "clips/s": f"{run.rate.value:,.1f}",
        "95 % interval": f"{run.rate.low:,.1f} – {run.rate.high:,.1f}",
        "× real time": f"{run.audio_seconds_per_second:,.0f}",
        "": "best" if run.best else "",
    }


def latency_row(latency: Latency) -> Row:
    """A line of the table of latency, milliseconds."""
    median, p90, p99 = (estimate.map(lambda x: 1000 * x) for estimate in latency.values().values())
    return {
        "part": latency.conditions.part,
        "precision": latency.conditions.precision,
        "p50": median.value,
        "95 % interval": f"{significant(median.low)} – {significant(median.high)}",
        "p90": p90.value,
        "p99": p99.value,
    }


def memory_row(memory: PeakMemory) -> Row:
    """A line of the table of memory, MiB."""
    sizes = {"peak": memory.peak_bytes, "of it weights": memory.model_bytes, "in all": memory.total_bytes}
    return {
        "part": memory.conditions.part,
        "precision": memory.conditions.precision,
        "batch": memory.batch_size,
        **{name: round(size / _MIB) for name, size in sizes.items()},
    }


def energy_row(energy: Energy) -> Row:
    """A line of the table of energy, joules for a clip."""
    joules = energy.joules
    return {
        "part": energy.conditions.part,
        "precision": energy.conditions.precision,
        "batch": energy.batch_size,
        "J/clip": joules.value,
        "95 % interval": f"{significant(joules.low)} – {significant(joules.high)}",
        "idle (W)": energy.idle,
        "counter": energy.counter,
    }


def for_reading(figures: Mapping[str, object]) -> Row:
    """Figures of one part of a model as a comparison shows them: milliseconds, MiB, and the conditions."""
    numbers = {name: value for name, value in figures.items() if isinstance(value, float)}
    row: dict[str, object] = {"part": figures["part"], "clips/s": numbers["throughput"]}
    ends = (significant(numbers[f"throughput_{end}"]) for end in ("low", "high"))
    row |= {"95 % interval": " – ".join(ends), "batch": figures["batch_size"]}
    if "latency_p50" in numbers:
        row["latency p50 (ms)"] = 1000 * numbers["latency_p50"]
    if isinstance(size := figures.get("memory_peak"), int):
        row["memory (MiB)"] = round(size / _MIB)
    if "energy" in numbers:
        row["J/clip"] = numbers["energy"]
    if "logit_error" in numbers:
        row["logit error"] = significant(numbers["logit_error"])
    return row | {name: figures[name] for name in SHARED if name in figures}
