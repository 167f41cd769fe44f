"""How containers of Python are copied."""

from __future__ import annotations

import weakref
from collections import OrderedDict, defaultdict, deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol


class Copies(Protocol):
    """Copies any value."""

    def __call__(self, value: Any) -> Any: ...

    def keep(self, value: Any, copied: Any) -> Any:
        """Note the copy of a value, before what is in it is copied."""


def _mapping(copier: Copies, value: Any) -> Any:
    copied = copier.keep(value, type(value)())
    copied.update((copier(key), copier(item)) for key, item in value.items())
    return copied


def _default(copier: Copies, value: Any) -> Any:
    copied = copier.keep(value, defaultdict(copier(value.default_factory)))
    copied.update((copier(key), copier(item)) for key, item in value.items())
    return copied


def _list(copier: Copies, value: Any) -> Any:
    copied = copier.keep(value, [])
    copied.extend(copier(item) for item in value)
    return copied


CONTAINERS: Mapping[type, Callable[[Copies, Any], Any]] = {
    dict: _mapping,
    OrderedDict: _mapping,
    weakref.WeakKeyDictionary: _mapping,
    weakref.WeakValueDictionary: _mapping,
    defaultdict: _default,
    list: _list,
    tuple: lambda copier, value: tuple(copier(item) for item in value),
    set: lambda copier, value: {copier(item) for item in value},
    frozenset: lambda copier, value: frozenset(copier(item) for item in value),
    deque: lambda copier, value: deque((copier(item) for item in value), value.maxlen),
}
