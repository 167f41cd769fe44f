"""The timing protocol: warm up until stable, then repeat for long enough, and keep every sample."""

from __future__ import annotations

import gc
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import pairwise

import psutil
import torch

from effbench.machine.cpu import LoadWatch
from effbench.results.intervals import bootstrap

Call = Callable[[], object]
Progress = Callable[[str], None]

_CHUNK_SECONDS = 0.2  # of GPU work that is queued before the clock is looked at
_MAX_CHUNK = 500
_LOOKS_APART = 1.25  # times as many samples: every look at the interval is a chance to stop by luck


@dataclass(frozen=True)
class Budget:
    """How long to warm up and to measure.

    Warm-up ends when the median time of the newest quarter of the calls (three at least) differs by less
    than ``stable_within`` (relative) from that of the quarter before, and ``min_warmup_seconds`` have passed;
    or, unstable still, after ``max_warmup_seconds``. Measuring takes at least ``min_seconds`` and
    ``min_iterations`` (``min_latency_iterations`` for latency: p99 needs a hundred), but is cut short after
    ``max_seconds`` once there are three samples. With a ``wanted_width``, it goes on from there until the
    median's 95 % interval is no wider than this part of it, or until ``max_seconds``. Energy has windows of
    ``min_seconds``, between two times of ``idle_seconds`` without work.
    """

    min_seconds: float = 2.0
    min_iterations: int = 10
    min_latency_iterations: int = 100
    max_seconds: float = 20.0
    min_warmup_seconds: float = 0.3
    max_warmup_seconds: float = 5.0
    stable_within: float = 0.05
    idle_seconds: float = 5.0
    wanted_width: float = math.inf

    def __post_init__(self) -> None:
        limits = {name: value for name, value in vars(self).items() if name != "wanted_width"}
        wrong = [name for name, value in limits.items() if not 0 <= value < math.inf]
        if wrong:
            raise ValueError(f"a budget's {', '.join(wrong)} must be finite and not negative")
        if self.min_iterations < 1 or self.min_latency_iterations < 1:
            raise ValueError("a measurement needs one iteration at least")
        if self.max_seconds < self.min_seconds or self.max_warmup_seconds < self.min_warmup_seconds:
            raise ValueError("a budget's upper bounds are below its lower bounds")
        if not self.wanted_width > 0:
            raise ValueError(f"the wanted width of an interval must be positive, not {self.wanted_width}")


#: Decides in a second or two what the default budget looks at for longer.
BRIEF = Budget(
    min_seconds=0.4,
    max_seconds=2.0,
    max_warmup_seconds=0.8,
    min_warmup_seconds=0.1,
    idle_seconds=2.0,
    wanted_width=0.03,
)


@dataclass(frozen=True)
class Timing:
    """One timed run.

    Attributes:
        samples: seconds of every call.
        wall_seconds: of the whole run.
        cpu_seconds: processor time of this process in the run, all threads together.
        stable: whether the warm-up ended because the times had become stable.
        cut_short: whether the run ended at the longest time with too few iterations.
        load_before, load_after: load average of the last minute, before the warm-up and after the run.
        other_busy_cores: cores that other processes kept busy during the run, where known.
        stolen_cores: cores that a hypervisor took away during the run, where known.
    """

    samples: tuple[float, ...] = field(repr=False)
    wall_seconds: float
    cpu_seconds: float
    warmup_iterations: int
    warmup_seconds: float
    stable: bool
    cut_short: bool
    load_before: float
    load_after: float
    other_busy_cores: float | None
    stolen_cores: float | None

    def to_dict(self) -> dict[str, object]:
        """Everything but the samples, for JSON."""
        return {"iterations": len(self.samples), **{k: v for k, v in asdict(self).items() if k != "samples"}}


def time_calls(call: Call, device: torch.device, budget: Budget, *, one_by_one: bool = False) -> Timing:
    """Times repeated calls on a device, after a warm-up.

    On CUDA, calls are queued without waiting and timed by events on the device, as in offline work;
    with ``one_by_one``, for latency, each is waited for, and timed as the caller sees it. On the CPU both
    are the same, but for the fewest samples.
    """
    wanted = budget.min_latency_iterations if one_by_one else budget.min_iterations
    load_before = psutil.getloadavg()[0]
    warmup_start = time.perf_counter()
    warmup, stable = _warm_up(call, device, budget)
    queued = device.type == "cuda" and not one_by_one
    chunk = min(_MAX_CHUNK, math.ceil(_CHUNK_SECONDS / max(warmup[-1], 1e-6))) if queued else 1
    samples: list[float] = []
    with no_garbage_collection():
        look = wanted
        watch, start, cpu_start = LoadWatch(), time.perf_counter(), time.process_time()
        while True:
            samples += _queued(call, device, chunk) if queued else [timed(call, device)]
            wall = time.perf_counter() - start
            enough = wall >= budget.min_seconds and len(samples) >= wanted
            if enough and budget.wanted_width < math.inf:
                enough = len(samples) >= look and bootstrap(samples).relative_width <= budget.wanted_width
                look = max(look, math.ceil(_LOOKS_APART * len(samples))) if len(samples) >= look else look
            if enough or (wall >= budget.max_seconds and len(samples) >= 3):
                break
        cpu_seconds = time.process_time() - cpu_start
        others, stolen = watch.read()
    return Timing(
        samples=tuple(samples),
        wall_seconds=wall,
        cpu_seconds=cpu_seconds,
        warmup_iterations=len(warmup),
        warmup_seconds=start - warmup_start,
        stable=stable,
        cut_short=len(samples) < wanted,
        load_before=load_before,
        load_after=psutil.getloadavg()[0],
        other_busy_cores=others,
        stolen_cores=stolen,
    )


def timed(call: Call, device: torch.device) -> float:
    """Seconds of one call that is waited for."""
    start = time.perf_counter()
    call()
    synchronise(device)
    return time.perf_counter() - start


def synchronise(device: torch.device) -> None:
    """Waits for the device's queued work; nothing to do on the CPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@contextmanager
def no_garbage_collection() -> Iterator[None]:
    """Keeps Python's garbage collector out of the samples."""
    was_enabled = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def is_stable(durations: Sequence[float], within: float) -> bool:
    """Whether the newest quarter of the durations (three at least) has the median of the quarter before."""
    window = max(3, len(durations) // 4)
    if len(durations) < 2 * window:
        return False
    newest = statistics.median(durations[-window:])
    before = statistics.median(durations[-2 * window : -window])
    return abs(newest - before) <= within * before


def _warm_up(call: Call, device: torch.device, budget: Budget) -> tuple[list[float], bool]:
    durations: list[float] = []
    start = time.perf_counter()
    while True:
        durations.append(timed(call, device))
        elapsed = time.perf_counter() - start
        if elapsed >= budget.min_warmup_seconds and is_stable(durations, budget.stable_within):
            return durations, True
        if elapsed >= budget.max_warmup_seconds:
            return durations, False


def _queued(call: Call, device: torch.device, count: int) -> list[float]:
    """Seconds between the events that a CUDA device passes before and after each of ``count`` calls."""
    with torch.cuda.device(device):
        events = [torch.cuda.Event(enable_timing=True) for _ in range(count + 1)]
        events[0].record()
        for event in events[1:]:
            call()
            event.record()
        torch.cuda.synchronize(device)
    return [before.elapsed_time(after) / 1000 for before, after in pairwise(events)]
