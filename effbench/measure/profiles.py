"""All that was measured of one model, and of several side by side, and how it shows itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, cast

from effbench.machine.description import Environment
from effbench.measure.complexity_result import Complexity
from effbench.measure.energy import Energy
from effbench.measure.logit_error import LogitError
from effbench.measure.memory import PeakMemory
from effbench.measure.profile_rows import (
    SHARED,
    energy_row,
    for_reading,
    latency_row,
    memory_row,
    shared_setting,
    throughput_row,
)
from effbench.measure.speed import Latency, Throughput, Timed
from effbench.models import zoo
from effbench.results.declared import declared
from effbench.results.measurement import Measurement
from effbench.shown import Row, Shown, Table, cell

_MILLION, _BILLION = 1e6, 1e9

#: Columns of a comparison that give way to the others.
_MINOR = ("95 % interval", "MACs paper (G)")

Result = TypeVar("Result", Throughput, Latency, PeakMemory, Energy)


@dataclass(frozen=True, repr=False)
class Profile(Shown):
    """All measurements of one model.

    Attributes:
        complexity: parameters and MACs.
        environment: where it was measured.
        throughput: one entry for each part and batch size that was timed.
        latencies: of single clips, one entry for each part that was timed.
        memories: at each part's fastest batch size; none for a module passed in.
        logit_error: what precision, compilation or kernels cost the network, if timed; ``None`` for plain
            float32.
        code: of a model of one's own, what its rows keep of where it comes from (``OwnModel.code``).
        energies: at each part's fastest batch size, if measured.
    """

    complexity: Complexity
    environment: Environment
    throughput: tuple[Throughput, ...] = ()
    latencies: tuple[Latency, ...] = ()
    memories: tuple[PeakMemory, ...] = ()
    logit_error: LogitError | None = None
    code: str | None = None
    energies: tuple[Energy, ...] = ()

    @property
    def spec(self) -> str:
        """Canonical spec, or the class name of a module that was passed in."""
        return self.complexity.spec

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that were timed: ``network``, ``frontend``, ``both``."""
        return tuple(dict.fromkeys(run.conditions.part for run in self.throughput))

    @property
    def best_throughput(self) -> Throughput | None:
        """The fastest batch size of the network, or of the first part where that was not timed."""
        return _of_part([run for run in self.throughput if run.best], self._main)

    @property
    def latency(self) -> Latency | None:
        """Of single clips, for the same part."""
        return _of_part(self.latencies, self._main)

    @property
    def memory(self) -> PeakMemory | None:
        """At the fastest batch size, for the same part."""
        return _of_part(self.memories, self._main)

    @property
    def energy(self) -> Energy | None:
        """At the fastest batch size, for the same part, if measured."""
        return _of_part(self.energies, self._main)

    @property
    def published_psds1(self) -> float | None:
        """PSDS1 of the model's card, per cent."""
        known = {str(spec): card["psds1"] for spec, card in zoo.summaries().items()}
        return cast("float | None", known.get(self.spec))

    @property
    def _main(self) -> str | None:
        return "network" if "network" in self.parts else next(iter(self.parts), None)

    def __str__(self) -> str:
        return ", ".join(map(str, filter(None, (self.complexity, self.best_throughput))))

    def sections(self) -> Iterator[Table | str]:
        yield from self.complexity.sections()
        if not self.throughput:
            return
        yield Table([throughput_row(run) for run in self.throughput], "Throughput")
        clips = {latency.batch_size for latency in self.latencies}
        yield Table(
            [latency_row(latency) for latency in self.latencies],
            f"Latency of one {'clip' if clips == {1} else 'call'}, ms",
        )
        if self.memories:
            yield Table([memory_row(memory) for memory in self.memories], "Memory, MiB")
        if self.energies:
            yield Table([energy_row(energy) for energy in self.energies], "Energy above idle")
        if self.logit_error:
            yield f"Largest logit error against float32: {self.logit_error}"
        here, setting = self.environment, shared_setting(self.throughput[0])
        under = ", ".join(f"{name} {cell(value)}" for name, value in setting.items())
        yield (
            f"Measured on {here.device_name} ({under}), torch {here.software.torch}, effbench"
            f" {here.software.effbench}, load average {here.load.average_1m}."
        )

    def rows(self) -> list[Row]:
        """One row for each part that was timed, or one; parameters and MACs are those of the whole model."""
        (counts,) = self.complexity.rows()
        counted: dict[str, object] = {**counts, "psds1_published": self.published_psds1}
        return [counted | self._timed(part) for part in self.parts] or [counted]

    def compared(self) -> list[Row]:
        """The model's lines in a comparison, in units for reading: one for each part that was timed."""
        complexity = self.complexity
        bound = "" if complexity.macs.complete else "≥ "
        row: dict[str, object] = {"model": self.spec}
        if self.published_psds1 is not None:
            row["published PSDS1 (%)"] = self.published_psds1
        row |= {
            "parameters (M)": f"{complexity.parameters.total / _MILLION:.4f}",
            "MACs exact (G)": f"{bound}{complexity.macs.exact / _BILLION:.4f}",
            "MACs paper (G)": f"{bound}{complexity.macs.paper / _BILLION:.4f}",
        }
        for name, check in complexity.counters.items():
            row[f"{name} (G)"] = "failed" if check.macs is None else f"{check.macs / _BILLION:.4f}"
        return [{**row, **for_reading(self._timed(part))} for part in self.parts] or [row]

    def _timed(self, part: str) -> dict[str, object]:
        """Figures of one part, at its best batch size, in base units, and their conditions."""
        best = _of_part([run for run in self.throughput if run.best], part)
        latency, memory = _of_part(self.latencies, part), _of_part(self.memories, part)
        energy = _of_part(self.energies, part)
        assert best is not None
        figures: dict[str, object] = {"part": part}
        values = {**best.values(), **(latency.values() if latency else {})}
        for quantity, estimate in (values | ({"energy": energy.joules} if energy else {})).items():
            ends = {f"{quantity}_low": estimate.low, f"{quantity}_high": estimate.high}
            figures |= {quantity: estimate.value, **ends}
        if memory:
            figures["memory_peak"] = memory.peak_bytes
        if self.logit_error and part != "frontend":
            figures["logit_error"] = self.logit_error.value
        return figures | best.conditions.stored(best.batch_size) | {"device": best.conditions.device_name}

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON: counts in parameters and MACs per clip, times in seconds, sizes in bytes.

        ``latency`` and ``memory`` are those of the properties; the lists hold every part.
        """
        return {
            **self.complexity.to_dict(),
            **({} if self.code is None else {"code": self.code}),
            "psds1_published": self.published_psds1,
            "throughput": [run.to_dict() for run in self.throughput],
            "latency": self.latency.to_dict() if self.latency else None,
            "latencies": [latency.to_dict() for latency in self.latencies],
            "memory": self.memory.to_dict() if self.memory else None,
            "memories": [memory.to_dict() for memory in self.memories],
            "energy": self.energy.to_dict() if self.energy else None,
            "energies": [energy.to_dict() for energy in self.energies],
            "logit_error": self.logit_error.to_dict() if self.logit_error else None,
            "environment": self.environment.to_dict(),
        }

    def measurements(self) -> list[Measurement]:
        """All rows for the results store."""
        return self._coded(self.complexity.measurements(self.environment)) + self.timings()

    def declared(self, psds1: float, source: str) -> Measurement:
        """The row of a score, per cent, that the user declares: it is from elsewhere."""
        return self._coded([declared(self.spec, "psds1", psds1, source=source)])[0]

    def timings(self) -> list[Measurement]:
        """Rows of throughput, latency, memory, energy and logit error."""
        results: list[Timed | PeakMemory | Energy | LogitError] = [
            *self.throughput,
            *self.latencies,
            *self.memories,
            *self.energies,
            *([self.logit_error] if self.logit_error else []),
        ]
        return self._coded(
            row for result in results for row in result.measurements(self.spec, self.environment)
        )

    def _coded(self, rows: Iterable[Measurement]) -> list[Measurement]:
        """Rows of a model of one's own say which code they are of."""
        if self.code is None:
            return list(rows)
        return [replace(row, conditions={**row.conditions, "code": self.code}) for row in rows]


@dataclass(frozen=True, repr=False)
class Profiles(Shown):
    """Several models, one line for each, or for each part that was timed."""

    profiles: tuple[Profile, ...]

    def __str__(self) -> str:
        return ", ".join(profile.spec for profile in self.profiles)

    def sections(self) -> list[Table | str]:
        rows = [row for profile in self.profiles for row in profile.compared()]
        return [Table(rows, shared=SHARED, minor=_MINOR)]

    def rows(self) -> list[Row]:
        return [row for profile in self.profiles for row in profile.rows()]

    def to_dict(self) -> dict[str, object]:
        return {profile.spec: profile.to_dict() for profile in self.profiles}


def _of_part(results: Sequence[Result], part: str | None) -> Result | None:
    return next((result for result in results if result.conditions.part == part), None)
