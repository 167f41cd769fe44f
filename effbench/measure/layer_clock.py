"""How long each of some modules takes in a call of the network that holds them."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn

from effbench.measure.timing import Call, synchronise

Mark = float | torch.cuda.Event


def time_layers(
    network: nn.Module, names: Iterable[str], call: Call, device: torch.device
) -> dict[str, float]:
    """Seconds of modules in one call of the network; under ``""``, of what is outside of them.

    Hooks note when each begins and ends, on CUDA by events on the device; they are gone afterwards.

    Args:
        network: holds the modules.
        names: their paths; what is timed of one that holds others is only what it does itself.
        call: runs the network once.
        device: that the network is on.
    """
    running: list[tuple[str, Mark]] = []
    ended: list[tuple[str, str | None, Mark, Mark]] = []

    def entering(name: str) -> Any:
        return lambda *_: running.append((name, _now(device)))

    def leave(*_: object) -> None:
        end = _now(device)
        name, start = running.pop()
        ended.append((name, running[-1][0] if running else None, start, end))

    with ExitStack() as hooks:
        for name in {"", *names}:
            module = network.get_submodule(name)
            hooks.callback(module.register_forward_pre_hook(entering(name), prepend=True).remove)
            hooks.callback(module.register_forward_hook(leave).remove)
        call()
        synchronise(device)
    found: defaultdict[str, float] = defaultdict(float)
    for name, parent, start, end in ended:
        seconds = _between(start, end)
        found[name] += seconds
        if parent is not None:
            found[parent] -= seconds
    return dict(found)


def _now(device: torch.device) -> Mark:
    if device.type != "cuda":
        return time.perf_counter()
    event = torch.cuda.Event(enable_timing=True)
    event.record(torch.cuda.current_stream(device))
    return event


def _between(start: Mark, end: Mark) -> float:
    if isinstance(start, torch.cuda.Event) and isinstance(end, torch.cuda.Event):
        return start.elapsed_time(end) / 1000
    assert isinstance(start, float)
    assert isinstance(end, float)
    return end - start
