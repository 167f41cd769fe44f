"""The roof of a network: the time that its operators take at least, at the ceilings of a device."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from effbench.measure.ceilings import Ceilings
from effbench.measure.macs.report import MacReport, OperatorCount

#: Operators, and how often each of them runs.
Operators = Mapping[OperatorCount, int]


@dataclass(frozen=True)
class Roof:
    """What operators do, and the least time for it.

    Attributes:
        macs: multiply-accumulates.
        bytes: read and written: inputs, weights and outputs of what multiplies and accumulates, each once.
        compute_seconds: of operators whose arithmetic takes longer than their traffic.
        memory_seconds: of the others.
    """

    macs: int
    bytes: int
    compute_seconds: float
    memory_seconds: float

    @property
    def seconds(self) -> float:
        """The least time, of operators one after the other."""
        return self.compute_seconds + self.memory_seconds

    @property
    def bound(self) -> str:
        """What most of that time is spent on."""
        return "compute" if self.compute_seconds > self.memory_seconds else "memory"

    @property
    def intensity(self) -> float:
        """Multiply-accumulates per byte."""
        return self.macs / max(1, self.bytes)


def roof_of(operators: Operators, ceilings: Ceilings, float_bytes: int) -> Roof:
    """The roof of operators whose floating-point numbers have so many bytes each.

    The steps between them, such as norms, activations and sums, are taken to be fused into them at no cost.
    """
    macs = moved = 0
    compute = memory = 0.0
    for operator, times in operators.items():
        size = operator.floats * float_bytes + operator.other_bytes
        work = operator.macs / (ceilings.depthwise if operator.depthwise else ceilings.products)
        traffic = size / ceilings.bandwidth(size)
        macs += times * operator.macs
        moved += times * size
        if work > traffic:
            compute += times * work
        else:
            memory += times * traffic
    return Roof(macs, moved, compute, memory)


def operators_by_layer(report: MacReport) -> dict[str, Operators]:
    """The operators of each of a report's blocks, by the block's name.

    A scan without multiply-accumulates may be outside of all blocks.
    """
    found: dict[str, dict[OperatorCount, int]] = {block.name: {} for block in report.blocks()}
    for operator, times in report.operators.items():
        path = operator.module.split(".")
        names = (".".join(path[:length]) for length in range(len(path), -1, -1))
        name = next((name for name in names if name in found), None)
        if name is not None:
            found[name][operator] = times
    return {name: operators for name, operators in found.items() if operators}
