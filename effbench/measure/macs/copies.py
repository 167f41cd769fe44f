"""Copies of a call that share nothing with what they are made of, so that a count changes nothing of it.

A copy is made of whatever hangs on a module: its parameters, buffers and plain tensors, the lists,
dictionaries and objects that it keeps, its hooks, and functions that hold any of them. On the ``meta`` device
tensors have shapes alone, so that a copy needs no memory for weights.
"""

from __future__ import annotations

import copyreg
import functools
import types
import weakref
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedBuffer, UninitializedParameter
from torch.nn.utils.rnn import PackedSequence

from effbench.measure.macs.containers import CONTAINERS

_SHARED = (
    type(None), bool, int, float, complex, str, bytes, type, range, slice, types.ModuleType,
    types.BuiltinFunctionType, torch.dtype, torch.device, torch.layout, torch.memory_format, torch.Size,
)  # fmt: skip


class NoShapesAlone(Exception):
    """A tensor that the ``meta`` device can't stand for."""


class Copier:
    """Copies any value; the same object becomes the same copy every time.

    Args:
        meta: tensors become shapes on the ``meta`` device; otherwise they are copied where they are.
    """

    def __init__(self, *, meta: bool) -> None:
        self.meta = meta
        self.memo: dict[int, Any] = {}
        self.storages: dict[int, torch.UntypedStorage] = {}
        self.originals: list[Any] = []

    def __call__(self, value: Any) -> Any:
        if isinstance(value, _SHARED):
            return value
        if id(value) in self.memo:
            return self.memo[id(value)]
        copied = self._copy(value)
        self.keep(value, copied)
        return copied

    def keep(self, value: Any, copied: Any) -> Any:
        """Note the copy of a value, before what is in it is copied: it may hold itself."""
        self.memo[id(value)] = copied
        self.originals.append(value)  # so that no other object gets its id
        return copied

    def _copy(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return self._tensor(value)
        if type(value) in weakref.ProxyTypes:
            return value
        if isinstance(value, nn.Module):
            return self._module(value)
        if isinstance(value, torch.Generator):
            return value.clone_state()
        if type(value) in CONTAINERS:
            return CONTAINERS[type(value)](self, value)
        if isinstance(value, PackedSequence):
            data, sizes, *orders = value
            return PackedSequence(self(data), sizes.clone(), *(self(order) for order in orders))
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*(self(item) for item in value))
        if isinstance(value, types.MethodType):
            return types.MethodType(value.__func__, self(value.__self__))
        if isinstance(value, types.FunctionType):
            return self._function(value)
        if isinstance(value, weakref.ref):
            target = value()
            return weakref.ref(self(target)) if _is_kept(target, self.memo) else value
        if isinstance(value, dict) and type(value).__reduce_ex__ is object.__reduce_ex__:
            return self._dictionary(value)
        return self._object(value)

    def _module(self, module: nn.Module) -> nn.Module:
        compiled = compiled_of(module)
        if compiled is not None:
            return self(compiled)
        if isinstance(module, torch.jit.ScriptModule):
            # Its parts live in C++, where only torch can copy them.
            script = module.__deepcopy__(self.memo)
            return script.to("meta") if self.meta else script
        copied = self.keep(module, object.__new__(type(module)))
        for name, value in module.__dict__.items():
            # Compiled again, it would be for the copy's sake.
            copied.__dict__[name] = None if name == "_compiled_call_impl" else self(value)
        return copied

    def _tensor(self, tensor: Tensor) -> Tensor:
        if isinstance(tensor, (UninitializedBuffer, UninitializedParameter)):
            place = torch.device("meta") if self.meta else tensor.device
            lazy: Any = type(tensor)
            return lazy(tensor.requires_grad, place, tensor.dtype)
        strided = tensor.layout == torch.strided and not tensor.is_nested and not tensor.is_quantized
        plain = strided and type(tensor).__torch_dispatch__ is Tensor.__torch_dispatch__
        if self.meta and not (plain or hasattr(tensor, "fake_mode")):
            raise NoShapesAlone(f"{type(tensor).__name__} of layout {tensor.layout}")
        with torch.no_grad():
            if self.meta:
                strides = tensor.stride()
                copied = torch.empty_strided(tensor.shape, strides, dtype=tensor.dtype, device="meta")
            elif plain and not (tensor.is_conj() or tensor.is_neg() or tensor.is_meta):
                copied = self._stored(tensor)
            else:
                copied = tensor.detach().clone()
        if plain and type(tensor) not in (nn.Parameter, nn.Buffer):
            copied = copied.as_subclass(type(tensor))
        elif isinstance(tensor, nn.Parameter) and not isinstance(copied, nn.Parameter):
            copied = nn.Parameter(copied, requires_grad=False)
        self.keep(tensor, copied)
        if tensor.requires_grad:
            copied.requires_grad_()
        if plain:
            copied.__dict__.update({name: self(value) for name, value in tensor.__dict__.items()})
        return copied

    def _stored(self, tensor: Tensor) -> Tensor:
        """The same view of a copy of the memory, which other tensors may share."""
        storage = tensor.untyped_storage()
        if storage._cdata not in self.storages:
            self.originals.append(storage)
            self.storages[storage._cdata] = storage.clone()
        empty = torch.empty(0, dtype=tensor.dtype, device=tensor.device)
        place = tensor.storage_offset(), tensor.shape, tensor.stride()
        return empty.set_(self.storages[storage._cdata], *place)

    def _function(self, function: types.FunctionType) -> types.FunctionType:
        """The function itself, unless it holds something that was copied."""
        self.keep(function, function)  # it may hold itself
        cells = function.__closure__ or ()
        filled = [cell for cell in cells if _is_filled(cell)]
        contents = [self(cell.cell_contents) for cell in filled]
        if all(new is cell.cell_contents for new, cell in zip(contents, filled, strict=True)):
            return function
        new = {id(cell): types.CellType(value) for cell, value in zip(filled, contents, strict=True)}
        closure = tuple(new.get(id(cell), cell) for cell in cells)
        return _rebuilt(function, function.__globals__, closure)

    def _dictionary(self, value: dict[Any, Any]) -> Any:
        """Of a class of its own, whose attributes may be its items."""
        copied = self.keep(value, dict.__new__(type(value)))
        if hasattr(value, "__dict__"):
            copied.__dict__.update(self(value.__dict__))
        dict.update(copied, {self(key): self(item) for key, item in value.items()})
        return copied

    def _object(self, value: Any) -> Any:
        """Any other object, by the protocol of ``copy`` and ``pickle``; shared if it can't be copied."""
        try:
            if hasattr(type(value), "__deepcopy__"):
                return value.__deepcopy__(self.memo)
            reduce = copyreg.dispatch_table.get(type(value))
            reduced = reduce(value) if reduce else value.__reduce_ex__(4)
            return value if isinstance(reduced, str) else self._reconstructed(value, *reduced)
        except NoShapesAlone:
            raise
        except Exception:  # locks, files, iterators, handles: whatever an object is that is unique
            return value

    def _reconstructed(
        self, value: Any, make: Callable[..., Any], arguments: Any, state: Any = None,
        items: Any = None, pairs: Any = None, set_state: Any = None,
    ) -> Any:  # fmt: skip
        copied = self.keep(value, make(*(self(argument) for argument in arguments)))
        if state is not None:
            state = self(state)
            if set_state is not None:
                set_state(copied, state)
            elif hasattr(type(copied), "__setstate__"):
                copied.__setstate__(state)
            else:
                attributes, slots = state if isinstance(state, tuple) and len(state) == 2 else (state, None)
                if attributes:
                    copied.__dict__.update(attributes)
                for name, slot in (slots or {}).items():
                    setattr(copied, name, slot)
        for item in items or ():
            copied.append(self(item))
        for key, item in pairs or ():
            copied[self(key)] = self(item)
        return copied


def compiled_of(module: nn.Module) -> nn.Module | None:
    """What a compiled module was made of; ``None`` of any other."""
    children = module.__dict__.get("_modules")
    return children.get("_orig_mod") if isinstance(children, dict) else None


def untouched(module: nn.Module, inputs: Any) -> tuple[nn.Module, Any]:
    """A copy of a module and of its inputs, to be run instead; a module with compiled parts is itself.

    The copy of a compiled one would not be compiled.
    """
    if any(compiled_of(m) is not None or m.__dict__.get("_compiled_call_impl") for m in module.modules()):
        return module, inputs
    copier = Copier(meta=False)
    return copier(module), copier(inputs)


def _is_kept(target: object, memo: dict[int, Any]) -> bool:
    """Whether a weak reference leads to something that the copy has, too."""
    return id(target) in memo or (isinstance(target, nn.Module) and type(target) not in weakref.ProxyTypes)


def _is_filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True


def _rebuilt(
    function: types.FunctionType, scope: dict[str, Any], closure: tuple[types.CellType, ...] | None
) -> types.FunctionType:
    new = types.FunctionType(function.__code__, scope, function.__name__, function.__defaults__, closure)
    new.__kwdefaults__ = function.__kwdefaults__
    return functools.update_wrapper(new, function)  # type: ignore[return-value]


def with_copied_modules(function: types.FunctionType, copier: Copier) -> types.FunctionType:
    """A function that uses copies of the modules in its closure and among its globals."""
    function = copier(function)
    found = {
        name: function.__globals__[name]
        for name in function.__code__.co_names
        if isinstance(function.__globals__.get(name), nn.Module)
    }
    if not found:
        return function
    scope = {**function.__globals__, **{name: copier(module) for name, module in found.items()}}
    return _rebuilt(function, scope, function.__closure__)
