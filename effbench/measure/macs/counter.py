"""Counts the multiply-accumulates of one forward pass, operator by operator and module by module."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map_only

from effbench.errors import EffbenchWarning, UncountedOperator
from effbench.measure.macs.convention import paper_macs
from effbench.measure.macs.rules import FUNCTIONS, OPERATORS, SCANS, SHAPE_KEEPING, element_kind
from effbench.shown import Row, Shown, Table

_RECURRENT_NETS = (torch.gru, torch.lstm, torch.rnn_tanh, torch.rnn_relu)


@dataclass(frozen=True)
class ModuleCount:
    """One module of a counted network, children included.

    Attributes:
        name: its path, empty for the whole network.
        kind: its class.
        output_shape: of the first tensor it returned, or ``None`` if it was not called.
        exact, paper: MACs, also in the published convention.
        parameters: number of parameters.
    """

    name: str
    kind: str
    output_shape: tuple[int, ...] | None
    exact: int
    paper: int
    parameters: int


@dataclass(frozen=True, repr=False)
class MacReport(Shown):
    """Multiply-accumulates of one forward pass on the given inputs.

    Attributes:
        exact: every multiply-accumulate that the module executes; state-space scans in their recurrent form.
        paper: in the convention behind the published figures.
        by_operator: exact MACs by kind (convolution, linear, attention, recurrent, scan, …).
        element_operations: work other than multiply-accumulates, by kind, one per element.
        unknown: operators without a rule and how often they ran; empty in a trustworthy count.
        modules: every module, in definition order.
        device: where the pass ran; ``meta`` computes shapes only.
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
        """Modules that have parameters or MACs outside their children, with only those: they add up."""
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

    def sections(self) -> list[Table | str]:
        layers = [
            {key: value for key, value in vars(m).items() if key != "output_shape"} for m in self.layers()
        ]
        return [str(self), Table(layers)]

    def rows(self) -> list[Row]:
        """One row for each module, its children included."""
        return [dict(vars(module)) for module in self.modules]

    def to_dict(self) -> dict[str, object]:
        """Plain data, without the modules."""
        return {name: value for name, value in asdict(self).items() if name != "modules"}

    def __str__(self) -> str:
        kinds = ", ".join(f"{kind} {macs / 1e6:,.1f} M" for kind, macs in self.by_operator.items())
        return f"{self.exact / 1e9:.4f} G MACs exact, {self.paper / 1e9:.4f} G paper ({kinds})"


class _Tally:
    """The counts so far, and the modules that are running."""

    def __init__(self, module: nn.Module) -> None:
        self.names = {child: name for name, child in module.named_modules()}
        self.running: list[nn.Module] = []
        self.muted = 0
        self.operators: Counter[str] = Counter()
        self.elements: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.exact: Counter[str] = Counter()
        self.paper: Counter[str] = Counter()
        self.shapes: dict[str, tuple[int, ...] | None] = {}

    def add(self, kind: str, macs: int, out: object) -> None:
        if self.muted:
            return
        first = next((t for t in tree_flatten(out)[0] if isinstance(t, Tensor)), None)
        frames = first.shape[-1] if first is not None and first.ndim else 1
        published = paper_macs(kind, macs, self.running[-1] if self.running else None, frames)
        if macs:
            self.operators[kind] += macs
        for name in {name for module in self.running for name in _with_parents(self.names[module])}:
            self.exact[name] += macs
            self.paper[name] += published

    def add_elements(self, kind: str, elements: int) -> None:
        if not self.muted:
            self.elements[kind] += elements

    @contextmanager
    def mute(self) -> Iterator[None]:
        """Nothing inside is counted: it is counted as a whole."""
        self.muted += 1
        try:
            yield
        finally:
            self.muted -= 1

    def enter(self, module: nn.Module, _: object) -> None:
        self.running.append(module)
        self.muted += type(module) in SCANS

    def leave(self, module: nn.Module, inputs: tuple[object, ...], output: object) -> None:
        if type(module) in SCANS:
            self.muted -= 1
            macs, elements = SCANS[type(module)](*inputs)
            self.add("scan", macs, output)
            self.add_elements(f"scan ({type(module).__name__})", elements)
        self.running.pop()
        tensors = [t for t in tree_flatten(output)[0] if isinstance(t, Tensor)]
        self.shapes[self.names[module]] = tuple(tensors[0].shape) if tensors else None


def _with_parents(name: str) -> Iterator[str]:
    """A module's path and all above it, containers that are never called themselves included."""
    yield ""
    while name:
        yield name
        name = name.rpartition(".")[0]


class _Functions(TorchFunctionMode):
    """Counts what a network calls as a whole: linear layers, attention, recurrent networks."""

    def __init__(self, tally: _Tally) -> None:
        super().__init__()
        self.tally = tally

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        rule = FUNCTIONS.get(func)
        if func in SHAPE_KEEPING and args[0].device.type == "meta":
            self.tally.add_elements(SHAPE_KEEPING[func], args[0].numel())
            return torch.empty_like(args[0])
        if rule is None:
            return func(*args, **kwargs)
        with self.tally.mute():
            on_meta = func in _RECURRENT_NETS and args[0].device.type == "meta"
            out = _recurrent_shapes(*args) if on_meta else func(*args, **kwargs)
        names = ("input", "weight") if rule.kind == "linear" else ("query", "key", "value")
        args = (*args, *(kwargs[name] for name in names[len(args) :] if name in kwargs))
        self.tally.add(rule.kind, rule.macs(out, *args), out)
        return out


class _Operators(TorchDispatchMode):
    """Counts the operators that reach the dispatcher."""

    def __init__(self, tally: _Tally) -> None:
        super().__init__()
        self.tally = tally

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        rule = OPERATORS.get(func.overloadpacket)
        if rule is None and element_kind(func) is None and not self.tally.muted:
            with self:
                decomposed = func.decompose(*args, **kwargs)
            if decomposed is not NotImplemented:
                return decomposed
        out = func(*args, **kwargs)
        if rule is not None:
            self.tally.add(rule.kind, rule.macs(out, *args), out)
        elif not self.tally.muted:
            self._add_elements(func, args, out)
        return out

    def _add_elements(self, func: Any, args: Any, out: object) -> None:
        kind = element_kind(func)
        tensors = [t for t in tree_flatten((args, out))[0] if isinstance(t, Tensor)]
        if kind is None:
            self.tally.unknown[str(func)] += 1
        elif kind and tensors:
            # The largest tensor: inputs of a reduction, the output of a broadcast operation.
            self.tally.add_elements(kind, max(t.numel() for t in tensors))


def _recurrent_shapes(x: Tensor, *arguments: Any) -> tuple[Tensor, ...]:
    """Outputs of a recurrent network without running its steps one by one."""
    packed = isinstance(arguments[0], Tensor) and not arguments[0].is_floating_point()
    state = arguments[1] if packed else arguments[0]
    bidirectional = arguments[7] if packed else arguments[6]
    states = tuple(state) if isinstance(state, (list, tuple)) else (state,)
    out = x.new_empty(*x.shape[:-1], states[0].shape[-1] * (2 if bidirectional else 1))
    return (out, *(torch.empty_like(s) for s in states))


def count_macs(module: nn.Module, inputs: Tensor | Sequence[object], *, strict: bool = False) -> MacReport:
    """Multiply-accumulates of one forward pass of any module, in eval mode and without gradients.

    The pass runs on the ``meta`` device where the module allows it, without computing or touching weights;
    otherwise on the module's own device.

    Args:
        module: any module; one made under ``torch.device("meta")`` needs no memory for its weights.
        inputs: one tensor, or the positional arguments.
        strict: raise on an operator without a rule, instead of warning.

    Raises:
        UncountedOperator: in strict mode.
    """
    arguments = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    try:
        tally = _run(module, arguments, meta=True)
        device = "meta"
    except (NotImplementedError, RuntimeError):
        # A value decides what runs, or a tensor is neither a parameter nor a buffer.
        tally = _run(module, arguments, meta=False)
        device = next((str(t.device) for t in module.parameters()), "cpu")
    if tally.unknown:
        message = "no rule to count " + ", ".join(f"{name} (x{n})" for name, n in tally.unknown.items())
        if strict:
            raise UncountedOperator(message)
        warnings.warn(f"{message}: their MACs are missing", EffbenchWarning, stacklevel=2)
    return _report(module, tally, device)


def _run(module: nn.Module, arguments: tuple[object, ...], *, meta: bool) -> _Tally:
    tally = _Tally(module)
    modes = {child: child.training for child in module.modules()}
    module.eval()
    try:
        with ExitStack() as stack:
            for child in modes:
                stack.callback(child.register_forward_pre_hook(tally.enter).remove)
                stack.callback(child.register_forward_hook(tally.leave).remove)
            for context in (torch.no_grad(), _Operators(tally), _Functions(tally)):
                stack.enter_context(context)
            if meta:
                tensors = dict(module.named_parameters()) | dict(module.named_buffers())
                on_meta = {name: t.detach().to("meta") for name, t in tensors.items()}
                arguments = tree_map_only(Tensor, lambda t: t.to("meta"), arguments)
                torch.func.functional_call(module, on_meta, arguments)
            else:
                module(*arguments)
    finally:
        for child, training in modes.items():
            child.training = training
    return tally


def _report(module: nn.Module, tally: _Tally, device: str) -> MacReport:
    modules = tuple(
        ModuleCount(
            name,
            type(child).__name__,
            tally.shapes.get(name),
            tally.exact[name],
            tally.paper[name],
            sum(parameter.numel() for parameter in child.parameters()),
        )
        for name, child in module.named_modules()
    )
    counts = dict(tally.operators), dict(tally.elements), dict(tally.unknown)
    return MacReport(tally.exact[""], tally.paper[""], *counts, modules, device)
