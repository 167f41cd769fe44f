"""Modules that a call reaches besides those of its target: global variables, defaults, class attributes."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_pre_hook

from effbench.measure.macs.copies import Copier, compiled_of
from effbench.measure.macs.tally import Tally

Hooked = Callable[[str, nn.Module], Callable[[], None]]


@contextmanager
def strangers_borrowed(tally: Tally, copier: Copier, hooked: Hooked) -> Iterator[None]:
    """Inside, a module that is no copy runs on the state of one, in eval mode; it gets its own back.

    What it runs belongs to the module that reached it first.
    """
    known = {id(copied) for copied in copier.memo.values() if isinstance(copied, nn.Module)}
    lock = threading.RLock()

    def borrow(module: nn.Module, _: Any) -> None:
        if not tally.thread.known or id(module) in known:
            return
        if isinstance(module, torch.jit.ScriptModule) or compiled_of(module) is not None:
            return  # the one can't be changed, the other calls what it was made of
        with lock:
            if id(module) in known:
                return
            try:
                copied = copier(module).eval()
            except Exception as error:
                tally.raised.append(error)
                raise
            name, parts = tally.innermost, list(copied.modules())
            for part in parts:
                stack.callback(hooked(name, part))
            known.update(map(id, (module, *parts)))
            stack.callback(object.__setattr__, module, "__dict__", module.__dict__)
            object.__setattr__(module, "__dict__", copied.__dict__)
        tally.enter(name, module)  # the hooks that this call begins with were its own

    with ExitStack() as stack:
        stack.callback(register_module_forward_pre_hook(borrow).remove)
        yield
