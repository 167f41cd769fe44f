"""What a count found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace


@dataclass(frozen=True)
class ModuleCount:
    """One module of a counted network, children included.

    Attributes:
        name: its path, empty for the whole network.
        kind: its class.
        output_shape: of the first tensor it returned, or ``None`` if it was not called.
        exact: MACs.
        paper: MACs in the published convention.
        parameters: number of parameters.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...] | None
    exact: int
    paper: int
    parameters: int


@dataclass(frozen=True)
class MacReport:
    """Multiply-accumulates of one forward pass on the given inputs.

    Attributes:
        exact: every multiply-accumulate that the module executes; state-space scans in their recurrent form.
        paper: in the convention behind the published figures.
        by_operator: exact MACs by kind (convolution, linear, attention, recurrent, scan, …).
        element_operations: work that is no multiply-accumulate, by kind, one per element.
        unknown: operators without a rule and how often they ran; empty in a trustworthy count.
        modules: every module, in definition order.
        device: where the pass ran; ``meta`` computes shapes alone.
    """

    exact: int
    paper: int
    by_operator: Mapping[str, int]
    element_operations: Mapping[str, int]
    unknown: Mapping[str, int]
    modules: tuple[ModuleCount, ...]
    device: str

    @property
    def by_module(self) -> dict[str, int]:
        """Exact MACs by module path, children included."""
        return {module.name: module.exact for module in self.modules}

    def layers(self) -> tuple[ModuleCount, ...]:
        """Modules that have parameters or MACs outside their children, with those alone: they add up."""
        below = {module.name: [0, 0, 0] for module in self.modules}
        for module in self.modules:
            if module.name:
                sums = below[module.name.rpartition(".")[0]]
                for i, value in enumerate((module.exact, module.paper, module.parameters)):
                    sums[i] += value
        own = (
            replace(m, exact=m.exact - exact, paper=m.paper - paper, parameters=m.parameters - parameters)
            for m, (exact, paper, parameters) in zip(self.modules, below.values(), strict=True)
        )
        return tuple(module for module in own if module.exact or module.parameters)

    def to_dict(self) -> dict[str, object]:
        """Plain data, without the modules."""
        return {
            "exact": self.exact,
            "paper": self.paper,
            "by_operator": dict(self.by_operator),
            "element_operations": dict(self.element_operations),
            "unknown": dict(self.unknown),
            "device": self.device,
        }

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {macs / 1e6:,.1f} M" for kind, macs in self.by_operator.items())
        return f"{self.exact / 1e9:.4f} G MACs exact, {self.paper / 1e9:.4f} G paper ({kinds})"
