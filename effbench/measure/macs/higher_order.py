"""Operators that call functions: control flow, and attention with functions for scores and masks."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import torch
from torch import Tensor
from torch.utils._pytree import tree_flatten, tree_map, tree_unflatten

from effbench.measure.macs.rules import OPERATORS, aten
from effbench.measure.macs.tally import Tally


def higher_order(
    mode: AbstractContextManager[Any],
    tally: Tally,
    operator: Any,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
) -> Any:
    """Run an operator that calls functions, so that what they call is seen by ``mode``.

    Loops run step by step as far as their values say, branches as their condition says. Attention counts
    every query-key pair, whatever its mask skips. What else there is, is unknown.
    """
    name = operator.name()
    if name == "flex_attention":
        with tally.mute():
            out = operator(*args, **kwargs)
        macs = _flex(out, *args)
        tally.add("attention", macs, out)
        tally.add_traffic("attention", args[:3], out, macs=macs)
        return out
    run = _RUNS.get(name)
    if run is None:
        tally.add_unknown(name)
        return operator(*args, **kwargs)
    with mode:
        return run(*args, **kwargs)


def _flex(out: Any, q: Tensor, k: Tensor, v: Tensor, *_: object) -> int:
    return OPERATORS[aten._scaled_dot_product_flash_attention].macs(out, q, k, v) or 0


def _cond(condition: Any, true: Callable[..., Any], false: Callable[..., Any], operands: Any) -> Any:
    return (true if bool(condition) else false)(*operands)


def _while_loop(condition: Any, body: Any, carried: Any, additional: Any) -> Any:
    while bool(condition(*carried, *additional)):
        carried = body(*carried, *additional)
    return carried


def _scan(combine: Any, init: Any, xs: Any, additional: Any = ()) -> Any:
    """``combine`` step by step over the first axis: the last carried values, and all outputs stacked."""
    carried, steps = list(init), []
    for i in range(xs[0].shape[0]):
        results = combine(*carried, *(x[i] for x in xs), *additional)
        carried, outputs = list(results[: len(init)]), results[len(init) :]
        steps.append(outputs)
    return [*carried, *(torch.stack(outputs) for outputs in zip(*steps, strict=True))]


def _associative_scan(combine: Any, xs: Any, additional: Any = ()) -> Any:
    """In its recurrent form: every step is combined with what came before."""
    leaves, tree = tree_flatten(xs)
    current, steps = [x[0] for x in leaves], []
    steps.append(current)
    for i in range(1, leaves[0].shape[0]):
        current = list(combine(*current, *(x[i] for x in leaves), *additional))
        steps.append(current)
    return tree_unflatten([torch.stack(values) for values in zip(*steps, strict=True)], tree)


def _map(function: Any, xs: Any, additional: Any) -> Any:
    results = [function(*(x[i] for x in xs), *additional) for i in range(xs[0].shape[0])]
    return tree_map(lambda *values: torch.stack(values), *results)


_RUNS: dict[str, Callable[..., Any]] = {
    "cond": _cond,
    "while_loop": _while_loop,
    "scan": _scan,
    "associative_scan": _associative_scan,
    "map_impl": _map,
}
