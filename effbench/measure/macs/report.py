"""What a count says: multiply-accumulates in all, by operator and by module, and what is missing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace

from effbench.shown import Row, Shown, Table

_FLOAT32_BYTES = 4


@dataclass(frozen=True)
class ModuleCount:
    """One module of a counted network, children included.

    Attributes:
        name: its path, empty for the whole network.
        kind: its class.
        output_shape: of the first tensor it returned, or ``None`` if it was not called.
        exact, paper: MACs that ran while it ran, also in the published convention; of a container that is
            never called itself, those of its children.
        parameters: number of parameters, each once.
        own_exact, own_paper, own_parameters: those outside its children; over all modules they add up.
        unknown: operators without a rule outside its children, and how often they ran.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...] | None
    exact: int
    paper: int
    parameters: int
    own_exact: int
    own_paper: int
    own_parameters: int
    unknown: Mapping[str, int]


@dataclass(frozen=True)
class OperatorCount:
    """One operator that multiplies and accumulates, or a scan.

    Attributes:
        module: path of the module that ran it.
        kind: convolution, linear, attention, recurrent, scan, …
        depthwise: whether it is a convolution whose channels do not meet.
        macs: multiply-accumulates.
        floats: floating-point numbers in its inputs, weights and outputs, each once.
        other_bytes: bytes of integers and flags among them.
    """

    module: str
    kind: str
    depthwise: bool
    macs: int
    floats: int
    other_bytes: int


@dataclass(frozen=True)
class Traffic:
    """What operators read and write, each its inputs and outputs once, as if nothing were fused or kept.

    Attributes:
        floats: floating-point numbers by kind of operator.
        other_bytes: bytes of integers and flags.
    """

    floats: Mapping[str, int]
    other_bytes: int

    def bytes(self, float_bytes: int = _FLOAT32_BYTES) -> int:
        """Bytes in all, with so many for a floating-point number (4 in float32, 2 in half precision)."""
        return sum(self.floats.values()) * float_bytes + self.other_bytes


@dataclass(frozen=True, repr=False)
class MacReport(Shown):
    """Multiply-accumulates of one forward pass on the given inputs.

    Attributes:
        exact: every multiply-accumulate that the module executes; state-space scans in their recurrent form.
        paper: in the convention behind the published figures.
        by_operator: exact MACs by kind (convolution, linear, attention, recurrent, scan, …).
        element_operations: work other than multiply-accumulates, by kind, one per element.
        unknown: operators without a rule and how often they ran; empty in a trustworthy count.
        unused_rules: rules of one's own for what never ran.
        traffic: numbers that operators read and write.
        training: MACs forward and backward, where they were asked for.
        modules: every module, in definition order.
        operators: what multiplies and accumulates, and how often it ran alike.
        device: where the pass ran; ``meta`` computes shapes only.
    """

    exact: int
    paper: int
    by_operator: Mapping[str, int]
    element_operations: Mapping[str, int]
    unknown: Mapping[str, int]
    traffic: Traffic
    modules: tuple[ModuleCount, ...]
    device: str
    training: int | None = None
    unused_rules: tuple[str, ...] = field(default=())
    operators: Mapping[OperatorCount, int] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether every operator was understood; otherwise the MACs are a lower bound."""
        return not self.unknown

    @property
    def by_module(self) -> dict[str, int]:
        """Exact MACs by module path, children included."""
        return {module.name: module.exact for module in self.modules}

    def intensity(self, float_bytes: int = _FLOAT32_BYTES) -> float:
        """Exact MACs per byte read or written, with so many bytes for a floating-point number."""
        return self.exact / max(1, self.traffic.bytes(float_bytes))

    def layers(self) -> tuple[ModuleCount, ...]:
        """Modules that have parameters, MACs or unknown operators outside their children, with only those.

        They add up.
        """
        own = (
            replace(m, exact=m.own_exact, paper=m.own_paper, parameters=m.own_parameters)
            for m in self.modules
        )
        return tuple(module for module in own if module.exact or module.parameters or module.unknown)

    def blocks(self, share: float = 0.2) -> tuple[ModuleCount, ...]:
        """Parts whose MACs add up to the network's: what has more than a share of them is given in parts.

        What such a module does itself, outside its children, is an entry under its own name. Empty where
        modules run outside the one that holds them, so that no such parts add up.
        """
        parts = tuple(self._parts_of(self.modules[0], share * self.exact)) if self.modules else ()
        return parts if sum(part.exact for part in parts) == self.exact else ()

    def _parts_of(self, module: ModuleCount, most: float) -> Iterator[ModuleCount]:
        start = f"{module.name}." if module.name else ""
        children = [
            child
            for child in self.modules
            if child.name.startswith(start) and child.name.count(".") == start.count(".")
            if child.name and (child.exact or child.parameters)
        ]
        if not children or module.exact <= most:
            yield module
            return
        own = replace(
            module, exact=module.own_exact, paper=module.own_paper, parameters=module.own_parameters
        )
        if own.exact or own.parameters:
            yield own
        for child in children:
            yield from self._parts_of(child, most)

    def unknown_in(self, name: str) -> Counter[str]:
        """Unknown operators of the module of that path, its children's included."""
        below = f"{name}." if name else ""
        found = (m.unknown for m in self.modules if m.name == name or m.name.startswith(below))
        return sum((Counter(unknown) for unknown in found), Counter())

    def missing(self) -> str:
        """Unknown operators and how often they ran, in words; empty in a complete count."""
        return said(self.unknown)

    def sections(self) -> list[Table | str]:
        layers = [
            {
                "name": module.name,
                "kind": module.kind,
                "exact": bounded(module.exact, module.unknown),
                "paper": bounded(module.paper, module.unknown),
                "parameters": module.parameters,
            }
            for module in self.layers()
        ]
        return [str(self), Table(layers)]

    def rows(self) -> list[Row]:
        """One row for each module, its children included."""
        return [vars(m) | {"unknown": said(self.unknown_in(m.name)) or None} for m in self.modules]

    def to_dict(self) -> dict[str, object]:
        """Plain data, without modules and operators; ``unknown_by_module`` has those with unknown ones."""
        lean = replace(self, modules=(), operators={})
        plain = {name: value for name, value in asdict(lean).items() if name not in ("modules", "operators")}
        where = {module.name: dict(module.unknown) for module in self.modules if module.unknown}
        traffic = {"traffic_bytes": self.traffic.bytes(), "macs_per_byte": self.intensity()}
        return {"complete": self.complete, **plain, "unknown_by_module": where, **traffic}

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {macs / 1e6:,.1f} M" for kind, macs in self.by_operator.items())
        bound = "" if self.complete else "at least "
        trained = f"; forward and backward {self.training / 1e9:.4f} G" if self.training is not None else ""
        text = (
            f"{bound}{self.exact / 1e9:.4f} G MACs exact, {self.paper / 1e9:.4f} G paper ({kinds}){trained}"
        )
        return text if self.complete else f"{text}; incomplete: no rule for {self.missing()}"


def said(unknown: Mapping[str, int]) -> str:
    """Operators and how often they ran: ``aten._foo.default (x2), …``."""
    return ", ".join(f"{name} (x{times})" for name, times in unknown.items())


def bounded(macs: int, unknown: Mapping[str, int]) -> int | str:
    """MACs as a table shows them: a lower bound where operators are unknown."""
    return f"≥ {macs:,}" if unknown else macs
