"""What was counted so far, by the module that ran it, in whichever thread."""

from __future__ import annotations

import threading
import weakref
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from effbench.errors import UncountedOperator
from effbench.measure.macs.convention import paper_macs
from effbench.measure.macs.report import OperatorCount
from effbench.measure.macs.rules import SCANS, is_depthwise


@dataclass
class _Frame:
    """A module that is running, its name, and whether it is counted as a whole."""

    name: str
    module: nn.Module
    whole: bool


@dataclass
class _Thread(threading.local):
    """The modules that run in a thread, from the outermost, and how often it was muted."""

    known: bool = False
    running: list[_Frame] = field(default_factory=list)
    muted: int = 0
    interception: ExitStack | None = None


class Tally:
    """The counts so far.

    Args:
        names: paths of the modules that are counted.
        rules: of one's own: for classes of modules, operators and functions.
        made: takes up all tensors that operators give.
    """

    def __init__(
        self, names: Mapping[nn.Module, str], rules: Mapping[Any, Any], made: list[weakref.ref[Tensor]]
    ) -> None:
        self.names = names
        self.rules = rules
        self.made = made
        self.used: set[object] = set()
        self.closed = False
        #: Raised where the program may not have let it through: by an operator, or in another thread.
        self.raised: list[Exception] = []
        self.lock = threading.Lock()
        self.thread = _Thread()
        self.operators: Counter[str] = Counter()
        self.elements: Counter[str] = Counter()
        self.unknown: Counter[str] = Counter()
        self.floats: Counter[str] = Counter()
        self.other_bytes = 0
        self.exact: Counter[str] = Counter()
        self.paper: Counter[str] = Counter()
        self.own_exact: Counter[str] = Counter()
        self.own_paper: Counter[str] = Counter()
        self.own_unknown: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.shapes: dict[str, tuple[int, ...] | None] = {}
        self.counted: Counter[OperatorCount] = Counter()

    @property
    def muted(self) -> bool:
        """Whether what runs is part of something that is counted as a whole."""
        return self.thread.muted > 0

    @property
    def innermost(self) -> str:
        """Path of the module that is running."""
        return self.thread.running[-1].name if self.thread.running else ""

    def add(self, kind: str, macs: int, out: object) -> None:
        """Count ``macs`` of an operator or function that returned ``out``."""
        if self.muted:
            return
        if not isinstance(macs, int) or macs < 0:
            raise UncountedOperator(f"a rule for {kind} gave {macs!r}: MACs are a whole number, 0 or more")
        first = next((t for t in tree_leaves(out) if _has_shape(t)), None)
        frames = first.shape[-1] if first is not None and first.ndim else 1
        running = self.thread.running
        published = paper_macs(kind, macs, running[-1].module if running else None, frames)
        with self.lock:
            if macs:
                self.operators[kind] += macs
            self.own_exact[self.innermost] += macs
            self.own_paper[self.innermost] += published
            for name in {"", *(frame.name for frame in running)}:
                self.exact[name] += macs
                self.paper[name] += published

    def note_made(self, out: object) -> None:
        """Note what an operator gives, which may stay somewhere."""
        self.made.extend(weakref.ref(t) for t in tree_leaves(out) if isinstance(t, Tensor))

    def add_elements(self, kind: str, elements: int) -> None:
        """Count element operations."""
        if not self.muted:
            with self.lock:
                self.elements[kind] += elements

    def add_unknown(self, operator: str) -> None:
        """Note an operator that can't be counted."""
        if not self.muted:
            with self.lock:
                self.unknown[operator] += 1
                self.own_unknown[self.innermost][operator] += 1

    def add_traffic(self, kind: str, *values: object, macs: int | None = None) -> None:
        """Count the numbers of all tensors among ``values``, each once; of what has ``macs``, also itself."""
        if self.muted:
            return
        floats = other_bytes = 0
        tensors = list({id(t): t for t in tree_leaves(values) if isinstance(t, Tensor)}.values())
        for tensor in tensors:
            elements = _kept(tensor)
            if tensor.is_floating_point() or tensor.is_complex():
                floats += elements * (2 if tensor.is_complex() else 1)
            else:
                other_bytes += elements * tensor.element_size()
        with self.lock:
            if floats:
                self.floats[kind] += floats
            self.other_bytes += other_bytes
            if macs is not None:
                depthwise = kind == "convolution" and is_depthwise(tensors[0], tensors[1], tensors[-1])
                self.counted[OperatorCount(self.innermost, kind, depthwise, macs, floats, other_bytes)] += 1

    @contextmanager
    def mute(self) -> Iterator[None]:
        """Nothing inside is counted: it is counted as a whole."""
        self.thread.muted += 1
        try:
            yield
        finally:
            self.thread.muted -= 1

    def rule_of(self, key: object) -> Any:
        """One's own rule for an operator, a function or a module's class, if there is one."""
        rule = self.rules.get(key)
        if rule is not None:
            self.used.add(key)
        return rule

    def module_rule(self, module: nn.Module) -> Any:
        """One's own rule for a module, by its class or by the nearest one above it."""
        classes = (kind for kind in type(module).__mro__ if kind in self.rules)
        return self.rule_of(next(classes, None))

    def enter(self, name: str, module: nn.Module) -> None:
        """A module begins; whatever it calls belongs to it."""
        whole = type(module) in SCANS or self.module_rule(module) is not None
        self.thread.running.append(_Frame(name, module, whole))
        self.thread.muted += whole

    def leave(self, name: str, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: object) -> object:
        """A module has returned ``output``, or raised (``None``), and with it whatever still ran inside it.

        Gives what it is to return: the same, whose gradient is counted as a whole where the module is.
        """
        running = self.thread.running
        if not any(frame.name == name for frame in running):
            return output
        while True:
            frame = running[-1]
            self.thread.muted -= frame.whole
            if frame.whole and output is not None and frame.name == name:
                output = self._add_whole(frame.module, args, kwargs, output)
            running.pop()
            if frame.name == name:
                break
        tensors = [t for t in tensors_in(output) if _has_shape(t)]
        if output is not None:
            self.shapes[name] = tuple(tensors[0].shape) if tensors else None
        return output

    def _add_whole(
        self, module: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any], output: object
    ) -> object:
        own = self.module_rule(module)
        kind = "scan" if own is None else type(module).__name__
        macs, elements = (
            (own(module, args, output), 0) if own is not None else SCANS[type(module)](*args, **kwargs)
        )
        self.add(kind, macs, output)
        self.add_traffic(kind, args, kwargs, output, macs=macs)
        if own is not None:
            return output
        self.add_elements(f"scan ({type(module).__name__})", elements)
        if isinstance(output, Tensor) and output.requires_grad:
            return _CountedBackward.apply(self, kind, 2 * macs, output.detach(), *args)
        return output


class _CountedBackward(torch.autograd.Function):
    """Passes a value on; its gradient counts as so many MACs, and leads to the inputs without any work."""

    @staticmethod
    def forward(ctx: Any, tally: Tally, kind: str, macs: int, output: Tensor, *inputs: Any) -> Tensor:
        ctx.tally, ctx.kind, ctx.macs = tally, kind, macs
        ctx.shapes = [(i.shape, i.dtype, i.device) if isinstance(i, Tensor) else None for i in inputs]
        return output.view_as(output)

    @staticmethod
    def backward(ctx: Any, *gradients: Any) -> Any:
        ctx.tally.add(ctx.kind, ctx.macs, gradients[0])
        zeros = (s and torch.zeros(s[0], dtype=s[1], device=s[2]) for s in ctx.shapes)
        return (None, None, None, None, *zeros)


def tensors_in(value: object) -> Iterator[Tensor]:
    """All tensors of an output: in containers, and in dataclasses."""
    for leaf in tree_leaves(value):
        if isinstance(leaf, Tensor):
            yield leaf
        elif is_dataclass(leaf):
            yield from tensors_in(list(vars(leaf).values()))


def _has_shape(value: object) -> bool:
    return isinstance(value, Tensor) and not value.is_nested


def _kept(tensor: Tensor) -> int:
    """Elements that a tensor has in memory: one that is expanded is read once."""
    if tensor.is_nested or tensor.layout != torch.strided:
        return tensor.numel() if tensor.is_nested else tensor._nnz()
    elements = 1
    for size, stride in zip(tensor.shape, tensor.stride(), strict=True):
        elements *= size if stride else min(size, 1)
    return elements
