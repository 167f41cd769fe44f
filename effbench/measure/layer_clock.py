"""How long each of some modules takes in a call of the network that holds them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn

from effbench.measure.timing import Call, synchronise

Mark = float | torch.cuda.Event


class LayerClock:
    """Hooks on modules, which note when each begins and ends; on CUDA by events on the device.

    Args:
        network: holds the modules; it is hooked until the ``with`` ends.
        names: their paths; what is timed of one that holds others is only what it does itself.
        device: that the network is on.
    """

    def __init__(self, network: nn.Module, names: Iterable[str], device: torch.device) -> None:
        self.device = device
        self._running: list[tuple[str, Mark]] = []
        self._ended: list[tuple[str, str | None, Mark, Mark]] = []
        self._hooks = ExitStack()
        for name in {"", *names}:
            module = network.get_submodule(name)
            self._hooks.callback(module.register_forward_pre_hook(self._enter(name), prepend=True).remove)
            self._hooks.callback(module.register_forward_hook(self._leave).remove)

    def __enter__(self) -> LayerClock:
        return self

    def __exit__(self, *_: object) -> None:
        self._hooks.close()

    def read(self, call: Call) -> Mapping[str, float]:
        """Seconds of each module in one call of the network; of the network, of what is outside of them."""
        self._ended.clear()
        call()
        synchronise(self.device)
        found: defaultdict[str, float] = defaultdict(float)
        for name, parent, start, end in self._ended:
            seconds = _between(start, end)
            found[name] += seconds
            if parent is not None:
                found[parent] -= seconds
        return dict(found)

    def _mark(self) -> Mark:
        if self.device.type != "cuda":
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record(torch.cuda.current_stream(self.device))
        return event

    def _enter(self, name: str) -> Any:
        return lambda *_: self._running.append((name, self._mark()))

    def _leave(self, *_: object) -> None:
        end = self._mark()
        name, start = self._running.pop()
        self._ended.append((name, self._running[-1][0] if self._running else None, start, end))


def _between(start: Mark, end: Mark) -> float:
    if isinstance(start, torch.cuda.Event) and isinstance(end, torch.cuda.Event):
        return start.elapsed_time(end) / 1000
    assert isinstance(start, float)
    assert isinstance(end, float)
    return end - start
