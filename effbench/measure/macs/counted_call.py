"""The call that is counted: a copy of it, how it is run, and what its tally says."""

from __future__ import annotations

import functools
import inspect
import sys
import types
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from effbench.errors import UncountedOperator
from effbench.measure.macs.copies import Copier, with_copied_modules
from effbench.measure.macs.modes import interception
from effbench.measure.macs.random_state import generators_kept
from effbench.measure.macs.report import MacReport, ModuleCount, Traffic
from effbench.measure.macs.strangers import strangers_borrowed
from effbench.measure.macs.tally import Tally, tensors_in
from effbench.measure.macs.threads import followed

#: One's own: of an operator ``rule(output, *arguments)``, of a module ``rule(module, arguments, output)``.
OwnRule = Callable[..., int]


class CountedCall:
    """A copy of what is counted: the modules in it, and the call itself."""

    def __init__(self, target: Any, args: Sequence[Any], kwargs: Mapping[str, Any], *, meta: bool) -> None:
        copier = self.copier = Copier(meta=meta)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is made again without being used
            if isinstance(target, types.FunctionType):
                self.function: Any = with_copied_modules(target, copier)
            else:
                self.function = copier(target)
            self.args = tuple(copier(argument) for argument in args)
            self.kwargs = {name: copier(argument) for name, argument in kwargs.items()}
        self.root = root_of(self.function)
        self.meta = meta
        tensors = [*self.root.parameters(), *self.root.buffers(), *tree_leaves((self.args, self.kwargs))]
        self.devices = {t.device for t in tensors if isinstance(t, Tensor)}

    def run(self, rules: Mapping[Any, OwnRule], made: list[weakref.ref[Tensor]], *, gradients: bool) -> Tally:
        """Count the call, in eval mode; with ``gradients``, forward and backward."""
        _evaluating(self.root)
        names = {module: name for name, module in self.root.named_modules()}
        tally = Tally(names, rules, made)
        under = functools.partial(interception, tally, meta=self.meta, gradients=gradients)
        with ExitStack() as stack:
            for module, name in names.items():
                stack.callback(_hooked(tally, name, module, under))
            for context in (
                _uncompiled(),
                generators_kept(self.devices),
                followed(tally, under, meta=self.meta),
                strangers_borrowed(tally, self.copier, lambda name, part: _hooked(tally, name, part, under)),
                under(),
            ):
                stack.enter_context(context)
            try:
                output = _finished(self.function(*self.args, **self.kwargs))
                if gradients:
                    _backward(output)
                if self.meta and tally.raised:
                    # It was caught, and the module went another way than with values.
                    raise tally.raised.pop(0)
            finally:
                tally.closed = True
                tally.raised.clear()  # they hold what they were raised in, which is freed sooner without them
        return tally

    def report(self, tally: Tally, trained: Tally | None, rules: Mapping[Any, OwnRule]) -> MacReport:
        """What the tally of this call says."""
        owner: dict[int, str] = {}
        for name, module in self.root.named_modules():
            for parameter in module.parameters(recurse=False):
                owner.setdefault(id(parameter), name)
        device = "meta" if self.meta else next((str(d) for d in self.devices), "cpu")
        return MacReport(
            exact=tally.exact[""],
            paper=tally.paper[""],
            by_operator=dict(tally.operators),
            element_operations=dict(tally.elements),
            unknown=dict(tally.unknown),
            traffic=Traffic(dict(tally.floats), tally.other_bytes),
            modules=tuple(_modules(self.root, tally, owner)),
            device=device,
            training=None if trained is None else trained.exact[""],
            unused_rules=tuple(_named(key) for key in rules if key not in tally.used),
            operators=dict(tally.counted),
        )


def root_of(function: Any) -> nn.Module:
    """The modules of what is called, under the names that it has for them."""
    if isinstance(function, functools.partial):
        return root_of(function.func)
    owner = getattr(function, "__self__", function)
    if isinstance(owner, nn.Module):
        return owner
    if isinstance(function, types.FunctionType):
        scope = inspect.getclosurevars(function)
        found = {**scope.globals, **scope.nonlocals}
    else:
        found = getattr(owner, "__dict__", {})
    return nn.ModuleDict({name: value for name, value in found.items() if isinstance(value, nn.Module)})


def _hooked(tally: Tally, name: str, module: nn.Module, under: Callable[[], ExitStack]) -> Callable[[], None]:
    """Tell the tally when the module begins and ends, even by an exception; gives what undoes that."""

    def enter(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not tally.thread.known:  # a thread of somebody's pool
            tally.thread.interception = under()
        tally.enter(name, module)

    def leave(module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any], output: object) -> object:
        output = tally.leave(name, args, kwargs, output)
        if tally.thread.interception is not None and not tally.thread.running:
            tally.thread.interception.close()
            tally.thread.interception = None
        return output

    if isinstance(module, torch.jit.ScriptModule):
        return lambda: None  # it takes no hooks: what it runs belongs to what called it
    before = module.register_forward_pre_hook(enter, prepend=True, with_kwargs=True)
    after = module.register_forward_hook(leave, with_kwargs=True, always_call=True)

    def undo() -> None:
        before.remove()
        after.remove()

    return undo


def _evaluating(root: nn.Module) -> None:
    try:
        root.eval()
    except NotImplementedError:  # a program of torch.export has the mode that it was exported in
        return


def _finished(output: object) -> object:
    """The output of a call, all of it: what a generator gives, it has to compute first."""
    if isinstance(output, types.CoroutineType):
        output.close()
        raise UncountedOperator("the call gives a coroutine, which has not run: count what runs it")
    return list(output) if isinstance(output, types.GeneratorType) else output


def _backward(output: object) -> None:
    """Gradients of the sum of all outputs that have one."""
    outputs = [t for t in tensors_in(output) if t.requires_grad]
    if not outputs:
        raise UncountedOperator("there is no backward pass to count: no output has a gradient")
    torch.autograd.backward(outputs, [torch.ones_like(t) for t in outputs])


@contextmanager
def _uncompiled() -> Iterator[None]:
    """Whatever is compiled runs as it was written, and can be compiled later."""
    with ExitStack() as stack:
        if "torch._dynamo" in sys.modules:
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(torch.jit.optimized_execution(False))  # type: ignore[attr-defined]
        yield


def _modules(root: nn.Module, tally: Tally, owner: Mapping[int, str]) -> Iterator[ModuleCount]:
    sums: dict[str, tuple[int, int]] = {}
    for name, module in root.named_modules():
        exact, paper = _inclusive(module, name, tally, sums)
        own = [p for p in module.parameters(recurse=False) if owner[id(p)] == name]
        yield ModuleCount(
            name,
            type(module).__name__,
            tally.shapes.get(name),
            exact,
            paper,
            sum(p.numel() for p in module.parameters()),
            tally.own_exact[name],
            tally.own_paper[name],
            sum(p.numel() for p in own),
            dict(tally.own_unknown[name]) if name in tally.own_unknown else {},
        )


def _inclusive(
    module: nn.Module, name: str, tally: Tally, sums: dict[str, tuple[int, int]]
) -> tuple[int, int]:
    """MACs of a module; of a container that is never called, those of its children."""
    if name not in sums:
        if name in tally.shapes or name in tally.exact or not name:
            sums[name] = tally.exact[name], tally.paper[name]
        else:
            children = [
                _inclusive(child, tally.names[child], tally, sums)
                for child in module.children()
                if child in tally.names
            ]
            sums[name] = sum(c[0] for c in children), sum(c[1] for c in children)
    return sums[name]


def _named(key: Any) -> str:
    return key.__qualname__ if isinstance(key, (type, types.FunctionType)) else str(key)
