"""Sees every function and operator of torch that runs, and has it counted."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode
from torch.utils._device import _device_constructors
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from effbench.measure.macs.higher_order import higher_order
from effbench.measure.macs.meta_checks import require_types
from effbench.measure.macs.operators import element_kind
from effbench.measure.macs.quantized import QUANTISED
from effbench.measure.macs.rules import FUNCTIONS, OPERATORS, SPARSE_PRODUCTS, Rule, sparse_product
from effbench.measure.macs.tally import Tally

#: Makes a tensor of no other's values.
_MADE = re.compile("^new_|_like$")
_PLAIN = (Tensor, nn.Parameter, nn.Buffer)


class _Functions(TorchFunctionMode):
    """Counts what a network calls as a whole: linear layers, attention, recurrent networks."""

    def __init__(self, tally: Tally, *, meta: bool) -> None:
        super().__init__()
        self.tally, self.meta = tally, meta

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self.tally.closed:
            return func(*args, **kwargs)
        try:
            return self._run(func, args, kwargs)
        except Exception as error:
            self.tally.raised.append(error)
            raise

    def _run(self, func: Any, args: Any, kwargs: Any) -> Any:
        if self.meta and func in _device_constructors() and kwargs.get("device") is None:
            kwargs["device"] = "meta"
        own = self.tally.rule_of(func)
        rule = Rule(getattr(func, "__name__", "function"), own) if own else FUNCTIONS.get(func)
        if own is None and (torch.is_grad_enabled() or not _plain(args, kwargs)):
            # Operators see what really runs: batches under vmap, components of subclasses, gradients.
            return func(*args, **kwargs)
        if self.meta and func in _SHAPE_KEEPING and not self.tally.muted:
            kind, check = _SHAPE_KEEPING[func]
            shaped = check(*args, **kwargs)
            if shaped is not None:
                self.tally.add_elements(kind, shaped.numel())
                self.tally.add_traffic(kind, args, kwargs, shaped)
                return shaped
        if rule is None:
            return func(*args, **kwargs)
        with self.tally.mute():
            shaped = _SHAPES[func](*args, **kwargs) if self.meta and not own and func in _SHAPES else None
            out = func(*args, **kwargs) if shaped is None else shaped
        macs = rule.macs(out, *args, **kwargs) if own else rule.macs(out, *_operands(rule, args, kwargs))
        self.tally.add(rule.kind, macs, out)  # type: ignore[arg-type]
        self.tally.add_traffic(rule.kind, args, kwargs, out, macs=macs)
        return out


class _Operators(TorchDispatchMode):
    """Counts the operators that reach the dispatcher."""

    supports_higher_order_operators = True

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self.tally = tally
        self.fake = _fake_mode()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        if self.tally.closed or _fake_mode() is not self.fake:  # the call itself finds out shapes
            return func(*args, **kwargs)
        if isinstance(func, torch._ops.HigherOrderOperator):
            return higher_order(self, self.tally, func, args, kwargs)
        if any(_takes_over(kind) for kind in types):
            return NotImplemented  # it comes back with what the subclass is made of
        own = self.tally.rule_of(func) or self.tally.rule_of(func.overloadpacket)
        rule = Rule(str(func), own) if own else _rule(func)
        kind = element_kind(func) if rule is None else None
        if rule is None and kind is None and not (self.tally.muted or _is_nested(args)):
            with self:
                decomposed = func.decompose(*args, **kwargs)
            if decomposed is not NotImplemented:
                return decomposed
        try:
            out = func(*args, **kwargs)
        except Exception as error:
            self.tally.raised.append(error)
            raise
        self.tally.note_made(out)
        require_types(func, rule.kind if rule else kind, (args, kwargs), out)
        macs = None
        if own:
            macs = own(out, *args, **kwargs)
            self.tally.add(str(func), macs, out)
        elif rule is not None:
            macs = self._add(rule, func, _bound(func, args, kwargs), out)
        elif not self.tally.muted:
            self._add_elements(kind, func, args, out)
        if not (func.is_view or self.tally.muted):
            name = func.overloadpacket.__name__
            read = () if _MADE.search(name) else (args, kwargs)
            if "empty" not in name:
                moved = rule.kind if rule else kind or "data movement"
                self.tally.add_traffic(moved, read, out, macs=macs)
        return out

    def _add(self, rule: Rule, func: Any, args: list[Any], out: Any) -> int | None:
        macs = _sparse(func, args) if _is_sparse(args) else _macs(rule, args, out)
        if macs is None:
            self.tally.add_unknown(str(func))
        else:
            self.tally.add(rule.kind, macs, out)
        return macs

    def _add_elements(self, kind: str | None, func: Any, args: Any, out: object) -> None:
        if kind is None:
            self.tally.add_unknown(str(func))
        elif kind:
            # The largest tensor: inputs of a reduction, the output of a broadcast operation.
            tensors = (t for t in tree_leaves((args, out)) if isinstance(t, Tensor))
            self.tally.add_elements(kind, max((t.numel() for t in tensors), default=0))


def _rule(func: Any) -> Rule | None:
    """Rule of an operator, or of what it is the in-place form of."""
    packet = func.overloadpacket
    found = OPERATORS.get(packet) or QUANTISED.get(func.name().split(".")[0])
    if found is None and func.namespace == "aten" and packet.__name__.endswith("_"):
        found = OPERATORS.get(getattr(torch.ops.aten, packet.__name__.removesuffix("_"), None))
    return found


def _bound(func: Any, args: Any, kwargs: Any) -> list[Any]:
    """Arguments in the order of the operator's schema."""
    rest = func._schema.arguments[len(args) :]
    return [*args, *(kwargs.get(argument.name, argument.default_value) for argument in rest)]


def _macs(rule: Rule, args: list[Any], out: Any) -> int | None:
    """MACs by a rule; of nested tensors, component by component."""
    nested = [t for t in tree_leaves((args, out)) if isinstance(t, Tensor) and t.is_nested]
    if not nested:
        return rule.macs(out, *args)
    counts = []
    for i in range(nested[0].size(0)):
        parts = [a.unbind()[i] if isinstance(a, Tensor) and a.is_nested else a for a in args]
        first = out if isinstance(out, Tensor) else out[0]
        counts.append(rule.macs(first.unbind()[i] if first.is_nested else first, *parts))
    return None if None in counts else sum(counts)  # type: ignore[arg-type]


def _is_nested(args: Any) -> bool:
    return any(isinstance(t, Tensor) and t.is_nested for t in tree_leaves(args))


def _is_sparse(args: list[Any]) -> bool:
    return any(isinstance(t, Tensor) and not t.is_nested and t.layout != torch.strided for t in args)


def _sparse(func: Any, args: list[Any]) -> int | None:
    name = func.overloadpacket.__name__.removesuffix("_")
    packet = getattr(torch.ops.aten, name, None)
    if packet is torch.ops.aten.sparse_sampled_addmm:
        return OPERATORS[packet].macs(None, *args)
    first = SPARSE_PRODUCTS.get(packet)
    return None if first is None else sparse_product(*args[first : first + 2])


def _takes_over(kind: type) -> bool:
    """Whether operators on a subclass of tensors run as operators on what it is made of."""
    if not issubclass(kind, Tensor) or issubclass(kind, _fake()):
        return False
    return kind.__torch_dispatch__ is not Tensor.__torch_dispatch__


def _fake() -> tuple[type, ...]:
    """The class of tensors that only have shapes, if anything has used it."""
    module = sys.modules.get("torch._subclasses.fake_tensor")
    return (module.FakeTensor,) if module is not None else ()


def _fake_mode() -> object:
    """The mode in which tensors have shapes alone, if something runs in it."""
    return torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.FAKE)


def _plain(args: Any, kwargs: Any) -> bool:
    """Whether all tensors are dense ones whose shapes say what is computed."""
    tensors = (t for t in tree_leaves((args, kwargs)) if isinstance(t, Tensor))
    return all(
        type(t) in _PLAIN
        and not torch._C._functorch.is_functorch_wrapped_tensor(t)
        and not t.is_nested
        and t.layout == torch.strided
        for t in tensors
    )


def _operands(rule: Rule, args: Any, kwargs: Any) -> Iterator[Any]:
    names = ("input", "weight") if rule.kind == "linear" else ("query", "key", "value")
    yield from args
    yield from (kwargs[name] for name in names[len(args) :] if name in kwargs)


def _recurrent_shapes(x: Tensor, *arguments: Any) -> tuple[Tensor, ...]:
    """Outputs of a recurrent network without running its steps one by one."""
    packed = isinstance(arguments[0], Tensor) and not arguments[0].is_floating_point()
    state, weights = (arguments[1], arguments[2]) if packed else (arguments[0], arguments[1])
    bidirectional = arguments[7] if packed else arguments[6]
    states = tuple(state) if isinstance(state, (list, tuple)) else (state,)
    if x.shape[-1] != weights[0].shape[-1] or {x.dtype, *(s.dtype for s in states)} != {weights[0].dtype}:
        raise RuntimeError(f"recurrent network: input {tuple(x.shape)} of {x.dtype} for {weights[0].shape}")
    out = x.new_empty(*x.shape[:-1], states[0].shape[-1] * (2 if bidirectional else 1))
    return (out, *(torch.empty_like(s) for s in states))


def _linear_shape(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor | None:
    """Output of a linear layer that is sure to run; ``None`` where torch has to say."""
    given = [t for t in (x, weight, bias) if t is not None]
    fits = x.ndim > 0 and weight.ndim == 2 and x.shape[-1] == weight.shape[1]
    fits = fits and (bias is None or bias.shape == weight.shape[:1])
    alike = x.is_floating_point() and len({(t.dtype, t.device) for t in given}) == 1
    return x.new_empty(*x.shape[:-1], weight.shape[0]) if fits and alike else None


def _batch_norm_shape(
    x: Tensor, mean: Tensor | None, var: Tensor | None, weight: Tensor | None = None,
    bias: Tensor | None = None, training: bool = False, *_: object, **__: object,
) -> Tensor | None:  # fmt: skip
    """Output of a batch normalisation that is sure to run; ``None`` where torch has to say."""
    given = (mean, var, weight, bias)
    fits = all(t is None or (t.shape == (x.shape[1],) and t.dtype == x.dtype) for t in given)
    return torch.empty_like(x) if fits and x.is_floating_point() and not training else None


def _activation_shape(x: Tensor, inplace: bool = False) -> Tensor | None:
    if inplace or not x.is_floating_point():
        return None
    return torch.empty_like(x)


#: Element operations whose output is like their input; the ``meta`` device is slow to find that out.
_SHAPE_KEEPING: dict[object, tuple[str, Callable[..., Tensor | None]]] = {
    F.batch_norm: ("normalisation", _batch_norm_shape),
    F.hardswish: ("element-wise", _activation_shape),
}


#: Counted functions whose output's shape the ``meta`` device is slow to find out.
_SHAPES: dict[object, Callable[..., Any]] = {
    F.linear: _linear_shape,
    **dict.fromkeys((torch.gru, torch.lstm, torch.rnn_tanh, torch.rnn_relu), _recurrent_shapes),
}


def interception(tally: Tally, *, meta: bool, gradients: bool) -> ExitStack:
    """What a thread has to run under, so that its work is counted; to be closed when it is done."""
    stack = ExitStack()
    contexts = (
        torch.set_grad_enabled(gradients),
        _Operators(tally),
        _Functions(tally, meta=meta),
    )
    for context in contexts:
        stack.enter_context(context)
    tally.thread.known = True
    stack.callback(setattr, tally.thread, "known", False)
    return stack
