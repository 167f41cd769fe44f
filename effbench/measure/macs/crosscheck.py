"""Third-party counters of the same module, and why they differ.

Each runs on a deep copy on the CPU, because some of them leave hooks and buffers behind.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from effbench.measure.macs.report import MacReport
from effbench.measure.macs.rules import SCANS


@dataclass(frozen=True)
class CrossCheck:
    """The figure of a third-party counter.

    Attributes:
        macs: its count, or ``None`` if it failed.
        causes: one line for each kind of module on which it differs from the exact count, which add up to the
            whole difference; or the error.
    """

    counter: str
    macs: int | None
    causes: tuple[str, ...]


def _fvcore(module: nn.Module, inputs: Tensor) -> tuple[dict[str, int], str]:
    from fvcore.nn import FlopCountAnalysis

    analysis = FlopCountAnalysis(module, inputs)
    analysis.unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    counts = {name: round(macs) for name, macs in analysis.by_module().items()}
    unknown = [name for name in analysis.unsupported_ops() if "attention" in name or "gru" in name]
    return counts, f"no rule for {', '.join(sorted(unknown)) or 'its operators'}"


def _thop(module: nn.Module, inputs: Tensor) -> tuple[dict[str, int], str]:
    import thop

    total, _, children = thop.profile(module, (inputs,), verbose=False, ret_layer_info=True)
    counts = {"": round(total)}

    def collect(layers: Mapping[str, tuple[float, float, dict[str, object]]], prefix: str) -> None:
        for name, (macs, _, below) in layers.items():
            counts[prefix + name] = round(macs)
            collect(below, f"{prefix}{name}.")  # type: ignore[arg-type]

    collect(children, "")
    return counts, "it sees only modules of torch, not functions"


def _torch(module: nn.Module, inputs: Tensor) -> tuple[dict[str, int], str]:
    from torch.utils.flop_counter import FlopCounterMode

    with FlopCounterMode(display=False) as counter:
        module(inputs)
    root = type(module).__name__
    counts = {
        "" if name == root else name.removeprefix(f"{root}."): sum(flops.values()) // 2
        for name, flops in counter.get_flop_counts().items()
        if name != "Global"
    }
    return counts | {"": counter.get_total_flops() // 2}, "attention counts as zero on the CPU"


COUNTERS: Mapping[str, Callable[[nn.Module, Tensor], tuple[dict[str, int], str]]] = {
    "fvcore": _fvcore,
    "thop": _thop,
    "torch": _torch,
}


def cross_check(module: nn.Module, inputs: Tensor, report: MacReport, counter: str) -> CrossCheck:
    """Count of ``module(inputs)`` on the CPU by one of ``COUNTERS``, compared with our report of the call."""
    duplicate = copy.deepcopy(module).eval()
    level = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with torch.no_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            counts, reason = COUNTERS[counter](duplicate, inputs)
    except Exception as error:  # a third-party tool may fail in any way; that is a result too
        return CrossCheck(counter, None, (f"{counter} failed: {type(error).__name__}: {error}",))
    finally:
        logging.disable(level)
    return CrossCheck(counter, counts[""], _causes(module, counts, report, reason))


def _causes(module: nn.Module, theirs: Mapping[str, int], report: MacReport, reason: str) -> tuple[str, ...]:
    """Differences of what modules spend outside their children, summed by class."""
    modules = dict(module.named_modules())
    children = {
        name: [f"{name}.{c}".lstrip(".") for c, _ in m.named_children()] for name, m in modules.items()
    }

    def counted(name: str) -> int:
        """Some counters know only the members of a list of modules, which is never called itself."""
        return theirs[name] if name in theirs else sum(counted(child) for child in children[name])

    difference: Counter[type[nn.Module]] = Counter()
    exact: Counter[type[nn.Module]] = Counter()
    for name, child in modules.items():
        own_exact = report.by_module[name] - sum(report.by_module.get(c, 0) for c in children[name])
        own_theirs = counted(name) - sum(counted(child) for child in children[name])
        exact[type(child)] += own_exact
        difference[type(child)] += own_theirs - own_exact
    return tuple(
        f"{macs / 1e6:+,.3f} M {kind.__name__}: {_cause(kind, macs, exact[kind], reason)}"
        for kind, macs in sorted(difference.items(), key=lambda item: -abs(item[1]))
        if macs
    )


def _cause(kind: type[nn.Module], difference: int, exact: int, reason: str) -> str:
    if kind in SCANS and difference > 0:
        return "the chunked scan as executed, where the exact count has the recurrent form"
    if exact == 0:
        return "element-wise work counted as MACs"
    if difference > 0:
        return "element-wise work counted on top"
    missed = "not counted" if difference == -exact else "partly counted"
    return f"{missed}: {reason}"
