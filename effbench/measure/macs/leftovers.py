"""Tensors without values that a call left outside of what was copied, in caches of functions and classes."""

from __future__ import annotations

import functools
import gc
import warnings
import weakref
from collections.abc import Sequence
from typing import Any

from torch import Tensor

from effbench.errors import EffbenchWarning


def dropped(made: Sequence[weakref.ref[Tensor]]) -> None:
    """Take what is still there of what a call made out of the caches that it was put into.

    What stands for itself, as a variable of a module or an attribute of a class, can't be put back: a warning
    names it.
    """
    if not _alive(made):
        return
    gc.collect()
    for tensor in _alive(made):
        _take_out(tensor)
    gc.collect()
    names = sorted({name for tensor in _alive(made) for name in _names(tensor)})
    if names:
        warnings.warn(
            f"the call replaced {', '.join(names)} by a tensor without values: set it anew before it is used",
            EffbenchWarning,
            stacklevel=3,
        )


def _alive(made: Sequence[weakref.ref[Tensor]]) -> list[Tensor]:
    return [tensor for tensor in (ref() for ref in made) if tensor is not None]


def _take_out(value: Any) -> None:
    for holder in gc.get_referrers(value):
        if isinstance(holder, functools._lru_cache_wrapper):
            holder.cache_clear()
        elif isinstance(holder, tuple):
            _take_out(holder)
        elif isinstance(holder, dict) and not _is_namespace(holder):
            for key in [key for key, item in holder.items() if item is value]:
                del holder[key]


def _names(tensor: Tensor) -> list[str]:
    """Variables and attributes that a tensor is the value of."""
    holders = gc.get_referrers(tensor)
    spaces = [holder if isinstance(holder, dict) else getattr(holder, "__dict__", {}) for holder in holders]
    return [str(key) for space in spaces for key, item in space.items() if item is tensor]


def _is_namespace(holder: dict[Any, Any]) -> bool:
    """Whether it has the variables of a module, or the attributes of a class or an object."""
    owners = gc.get_referrers(holder)
    return "__module__" in holder or any(getattr(owner, "__dict__", None) is holder for owner in owners)
