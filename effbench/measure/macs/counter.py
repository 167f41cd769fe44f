"""``count_macs``: on shapes alone where that will do, else with values; and how it says what is missing."""

from __future__ import annotations

import sys
import threading
import warnings
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from effbench.errors import EffbenchWarning, UncountedOperator
from effbench.measure.macs.counted_call import CountedCall, OwnRule, root_of
from effbench.measure.macs.leftovers import dropped
from effbench.measure.macs.report import MacReport, said

_ONE_AT_A_TIME = threading.RLock()
_CALLS_FOR_ONE = 5


def count_macs(
    target: nn.Module | Callable[..., object],
    args: Any = (),
    kwargs: Mapping[str, Any] | None = None,
    *,
    strict: bool = False,
    rules: Mapping[Any, OwnRule] | None = None,
    training: bool = False,
) -> MacReport:
    """Multiply-accumulates of one call of any module, bound method (``model.generate``) or function.

    It runs in eval mode and without gradients, on a copy: nothing of the module is changed. The copy is on
    the ``meta`` device where the module allows it, without memory for weights; otherwise on its own device.

    Args:
        target: any module, one made under ``torch.device("meta")`` included; a method of one; a function,
            whose modules are those in its closure and among its globals; or a program of ``torch.export``.
        args: the positional arguments; or one argument that is no tuple or list.
        kwargs: the others. Arguments may be tensors, containers of them, and any other objects.
        strict: raise on an operator without a rule, instead of warning.
        rules: for classes of modules, ``rule(module, arguments, output)``; for operators
            (``torch.ops.mylib.op``) and functions of torch, ``rule(output, *arguments, **kwargs)``. Each
            gives MACs; nothing inside is counted otherwise.
        training: also count a forward and a backward pass, of the sum of all outputs.

    Raises:
        UncountedOperator: in strict mode; a rule gives no whole number; or there is nothing to train.
        Exception: what the call raises on the module's own device.
    """
    if isinstance(target, torch.export.ExportedProgram):
        target = target.module()
    arguments = tuple(args) if isinstance(args, (tuple, list)) and not hasattr(args, "_fields") else (args,)
    chosen = dict(rules or {})

    made: list[weakref.ref[Tensor]] = []

    def count(*, meta: bool) -> MacReport:
        call = CountedCall(target, arguments, kwargs or {}, meta=meta)
        tally = call.run(chosen, made, gradients=False)
        again = CountedCall(target, arguments, kwargs or {}, meta=meta) if training else None
        trained = again.run(chosen, made, gradients=True) if again else None
        if trained:
            tally.unknown |= trained.unknown
        return call.report(tally, trained, chosen)

    on_meta = _is_on_meta(target)
    with _ONE_AT_A_TIME, torch.inference_mode(False), _deeply():
        report = None
        try:
            report = count(meta=True)
        except UncountedOperator:
            raise
        except Exception:
            # A value decides what runs, or shapes alone won't do: whatever it was, it starts anew.
            if on_meta:
                raise
        if not on_meta:
            dropped(made)
        report = report or count(meta=False)
    _speak(report, strict)
    return report


def _speak(report: MacReport, strict: bool) -> None:
    if report.unknown:
        message = f"no rule to count {said(report.unknown)}"
        if strict:
            raise UncountedOperator(message)
        warnings.warn(f"{message}: their MACs are missing", EffbenchWarning, stacklevel=3)
    if report.unused_rules:
        names = ", ".join(report.unused_rules)
        warnings.warn(f"rules for what never ran: {names}", EffbenchWarning, stacklevel=3)


def _is_on_meta(target: Any) -> bool:
    tensors = [*root_of(target).parameters(), *root_of(target).buffers()]
    return bool(tensors) and all(t.is_meta for t in tensors)


@contextmanager
def _deeply() -> Iterator[None]:
    """Modules may be nested as deeply as they run outside of a count, which calls more functions for each."""
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(_CALLS_FOR_ONE * limit)
    try:
        yield
    finally:
        sys.setrecursionlimit(limit)
