"""Parameters and MACs of one model, and how they show themselves."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from effbench.machine.description import Environment
from effbench.measure.macs import MacReport
from effbench.measure.macs.crosscheck import COUNTERS, CrossCheck
from effbench.measure.macs.report import bounded
from effbench.results.measurement import UNITS, Measurement
from effbench.shown import Row, Shown, Table, short

_MILLION = 1e6


@dataclass(frozen=True)
class Parameters:
    """Number of parameters, whole and by part; buffers (statistics, windows) do not count.

    Attributes:
        total: all parameters, weak head and constant ones included, as published figures count.
        trainable: without constant ones (rotary frequencies).
        backbone, sequence, strong_head, weak_head: the parts; zero where a module has no such part.
        without_weak_head: what frame-wise detection needs.
        file_bytes: size of all weights and persistent buffers in float32, bytes.
    """

    total: int
    trainable: int
    backbone: int
    sequence: int
    strong_head: int
    weak_head: int
    without_weak_head: int
    file_bytes: int


@dataclass(frozen=True, repr=False)
class Complexity(Shown):
    """Parameters and MACs of one model.

    Attributes:
        spec: canonical spec, or the class name of a module that was passed in.
        macs: of the network for one clip of ``clip_seconds``, or of a module for one call.
        frontend: MACs of the front-end, which the network's do not include; None for other modules.
        counters: third-party figures, by name of the counter.
    """

    spec: str
    parameters: Parameters
    macs: MacReport
    frontend: MacReport | None
    counters: Mapping[str, CrossCheck]
    clip_seconds: float

    def __str__(self) -> str:
        bound = "" if self.macs.complete else "at least "
        return f"{self.spec}: {short(self.parameters.total)} parameters, {bound}{short(self.macs.exact)} MACs"

    def macs_by_counter(self) -> dict[str, int | None]:
        """MACs by counter; ``None`` where one was not asked or failed."""
        third_party = {name: self.counters[name].macs if name in self.counters else None for name in COUNTERS}
        return {"exact": self.macs.exact, "paper": self.macs.paper, **third_party}

    def layers(self) -> list[Row]:
        """Parameters and exact MACs of each layer; they add up to the totals."""
        return [
            {
                "layer": module.name,
                "kind": module.kind,
                "output": "×".join(map(str, module.output_shape)) if module.output_shape else None,
                "parameters": module.parameters,
                "macs": module.exact,
            }
            for module in self.macs.layers()
        ]

    def sections(self) -> Iterator[Table | str]:
        parameters, macs = self.parameters, self.macs
        work = "one call" if self.frontend is None else f"one clip of {self.clip_seconds:g} s"
        yield Table(list(self._parts()), f"{self.spec}, {work}")
        without = f", {parameters.without_weak_head:,} without the weak head" if parameters.weak_head else ""
        size = parameters.file_bytes / _MILLION
        yield f"Parameters: {parameters.trainable:,} trainable{without}; weights {size:.2f} MB in float32."
        apart = f"; front-end apart: {self.frontend.exact / _MILLION:,.1f} M" if self.frontend else ""
        yield f"Exact MACs by operator: {_millions(macs.by_operator)}{apart}."
        yield f"Element operations, no MACs: {_millions(macs.element_operations)}."
        yield (
            f"Read and written by its operators: {macs.traffic.bytes() / _MILLION:,.1f} MB in float32,"
            f" {macs.intensity():.3g} MACs per byte."
        )
        if macs.training is not None:
            yield f"Forward and backward: {macs.training / _MILLION:,.1f} M MACs, as in training."
        if not macs.complete:
            yield f"Incomplete: no rule for {macs.missing()}; their MACs are missing."
        if self.counters:
            explained = [row for check in self.counters.values() for row in self._explained(check)]
            yield Table(explained, "Third-party counters")

    def rows(self) -> list[Row]:
        counts = {f"parameters_{name}": count for name, count in asdict(self.parameters).items()}
        macs = {f"macs_{name}": macs for name, macs in self.macs_by_counter().items()}
        row = {"spec": self.spec, **counts, **macs, "macs_training": self.macs.training}
        traffic = {"traffic": self.macs.traffic.bytes(), "macs_per_byte": self.macs.intensity()}
        return [row | traffic | ({} if self.macs.complete else {"unknown": self.macs.missing()})]

    def to_dict(self) -> dict[str, object]:
        return {
            "spec": self.spec,
            "clip_seconds": self.clip_seconds,
            "parameters": asdict(self.parameters),
            "macs": self.macs_by_counter(),
            "macs_detail": {
                **self.macs.to_dict(),
                "frontend": self.frontend.exact if self.frontend else None,
                "causes": {name: list(check.causes) for name, check in self.counters.items()},
            },
        }

    def measurements(self, environment: Environment) -> list[Measurement]:
        """Rows for the results store; counts depend only on the software of the environment.

        With the exact MACs are kept those of the network's blocks, which add up to them.
        MACs of which some are missing, because an operator has no rule, are not stored.
        """
        software = {"software": asdict(environment.software)}
        counts = {
            "parameters" if name == "total" else f"parameters_{name}": count
            for name, count in asdict(self.parameters).items()
        }
        rows = [
            Measurement.here(self.spec, quantity, count, environment=software)
            for quantity, count in counts.items()
            if quantity in UNITS
        ]
        for name, macs in self.macs_by_counter().items():
            conditions: dict[str, object] = {"seconds": self.clip_seconds}
            if name in self.counters:
                conditions["explanation"] = list(self.counters[name].causes)
            complete = name in self.counters or not self.macs.unknown
            if macs is not None and complete:
                quantity = f"macs_{name}"
                about = {**software, "blocks": self._blocks()} if name == "exact" else software
                rows.append(
                    Measurement.here(self.spec, quantity, macs, conditions=conditions, environment=about)
                )
        return rows + [self._of_clip(*pair, software) for pair in self._extra()]

    def _blocks(self) -> list[Row]:
        return [
            {
                "name": block.name or "(itself)",
                "kind": block.kind,
                "parameters": block.parameters,
                "macs": block.exact,
            }
            for block in self.macs.blocks()
        ]

    def _extra(self) -> Iterator[tuple[str, int]]:
        if self.macs.complete:
            yield "traffic", self.macs.traffic.bytes()
            if self.macs.training is not None:
                yield "macs_training", self.macs.training

    def _of_clip(self, quantity: str, value: int, software: Mapping[str, object]) -> Measurement:
        conditions = {"seconds": self.clip_seconds}
        return Measurement.here(self.spec, quantity, value, conditions=conditions, environment=software)

    def _parts(self) -> Iterator[Row]:
        """The direct children, but for the front-end, and the whole."""
        apart = ("",) if self.frontend is None else ("", "frontend")
        for module in self.macs.modules:
            if module.name not in apart and "." not in module.name:
                yield {
                    "part": module.name.replace("_", " "),
                    "parameters": module.parameters,
                    "MACs exact": bounded(module.exact, self.macs.unknown_in(module.name)),
                    "MACs paper": bounded(module.paper, self.macs.unknown_in(module.name)),
                }
        macs = (bounded(count, self.macs.unknown) for count in (self.macs.exact, self.macs.paper))
        total = ("total", self.parameters.total, *macs)
        yield dict(zip(("part", "parameters", "MACs exact", "MACs paper"), total, strict=True))

    def _explained(self, check: CrossCheck) -> Iterator[Row]:
        exact = self.macs.exact
        difference = f"{100 * (check.macs / exact - 1):+.2f} %" if check.macs is not None and exact else ""
        first: dict[str, object] = {"counter": check.counter, "MACs": check.macs, "difference": difference}
        for cause in check.causes or ("agrees with the exact count",):
            yield {**first, "cause": cause}
            first = dict.fromkeys(first)


def _millions(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} {_in_millions(count)}" for kind, count in counts.items()) or "none"


def _in_millions(count: int) -> str:
    return f"{count / _MILLION:,.1f} M" if count >= _MILLION / 10 else f"{count:,}"
