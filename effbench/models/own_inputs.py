"""Inputs of one call of a module: made of shapes, checked, and told in messages."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from effbench.errors import UsageError, nearest

#: Of one call: a tensor, positional arguments, or keyword arguments.
Inputs = Tensor | Sequence[object] | Mapping[str, object]

_INPUT = re.compile(r"(?P<shape>\d+(?:[,x]\d+)*)(?::(?P<dtype>\w+))?")


def check_one_clip(name: str, inputs: Inputs) -> None:
    """Raise ``UsageError`` unless the inputs are of one clip: counts are of one, and batches repeat it."""
    first = next((leaf for leaf in tree_leaves(inputs) if isinstance(leaf, Tensor)), None)
    if first is None or first.ndim == 0:
        raise UsageError(
            f"the inputs of the model '{name}' hold no tensor whose first dimension counts clips"
        )
    if len(first) != 1:
        raise UsageError(
            f"the inputs of the model '{name}' are of {len(first)} clips (the first dimension of "
            f"{tuple(first.shape)}): give those of one, of which larger batches are made"
        )


def input_of(text: str) -> Tensor:
    """Seeded noise of a shape, or zeros of a whole-numbered type: ``1,1,128,1000``, ``1,77:int64``.

    Raises:
        UsageError: it is not a shape, or the type is none of torch's.
    """
    match = _INPUT.fullmatch(text.replace(" ", ""))
    if match is None:
        raise UsageError(
            f"'{text}' is not an input: write its shape, and its type if that is not float32, "
            "as 1,1,128,1000 or 1,77:int64"
        )
    shape = [int(size) for size in re.split("[,x]", match["shape"])]
    dtype = getattr(torch, match["dtype"] or "float32", None)
    if not isinstance(dtype, torch.dtype):
        known = ("float32", "float16", "bfloat16", "float64", "int64", "int32", "uint8", "bool")
        raise UsageError(f"'{match['dtype']}' is no type of tensors{nearest(match['dtype'], known)}")
    if not dtype.is_floating_point:
        return torch.zeros(shape, dtype=dtype)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(dtype)


def told_of(inputs: Inputs) -> str:
    """Shapes and types of inputs, for messages: ``float32 (1, 16000), mask=bool (1, 100)``."""
    if isinstance(inputs, Tensor) or not isinstance(inputs, Sequence | Mapping):
        inputs = (inputs,)
    pairs = inputs.items() if isinstance(inputs, Mapping) else (("", value) for value in inputs)
    return ", ".join(f"{key}{'=' if key else ''}{_told(value)}" for key, value in pairs)


def _told(value: object) -> str:
    if isinstance(value, Tensor):
        return f"{str(value.dtype).removeprefix('torch.')} {tuple(value.shape)}"
    return repr(value) if isinstance(value, int | float | str | bool | None) else type(value).__name__
