"""The timing protocol: what is warm-up, what is measured, and when it ends."""

from __future__ import annotations

import gc
import math
import random
import time

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from effbench.measure.timing import Budget, is_stable, time_calls
from effbench.results.intervals import bootstrap

CPU = torch.device("cpu")
SHORT = Budget(
    min_seconds=0.1,
    min_iterations=5,
    min_latency_iterations=5,
    max_seconds=1.0,
    min_warmup_seconds=0.0,
    max_warmup_seconds=0.2,
)


class Clock:
    """Time that passes in calls alone, as long as each of them takes."""

    def __init__(self) -> None:
        self.seconds = 0.0


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "perf_counter", lambda: clock.seconds)
    return clock


class Counter:
    """A call that counts itself and takes the given times, the last of them for ever."""

    def __init__(self, clock: Clock, *seconds: float) -> None:
        self.clock, self.seconds = clock, seconds
        self.calls = 0

    def __call__(self) -> None:
        self.clock.seconds += self.seconds[min(self.calls, len(self.seconds) - 1)]
        self.calls += 1


def test_both_the_shortest_time_and_the_fewest_iterations_are_reached(clock: Clock) -> None:
    of_fast = time_calls(Counter(clock, 1 / 1024), CPU, SHORT)
    of_slow = time_calls(Counter(clock, 1 / 16), CPU, SHORT)
    assert (
        SHORT.min_seconds
        <= of_fast.wall_seconds
        == len(of_fast.samples) / 1024
        < SHORT.min_seconds + 1 / 1024
    )
    assert len(of_slow.samples) == SHORT.min_iterations
    assert of_slow.wall_seconds == 5 / 16


def test_every_call_is_either_warm_up_or_a_sample(clock: Clock) -> None:
    call = Counter(clock, 1 / 512)
    timing = time_calls(call, CPU, SHORT)
    assert timing.warmup_iterations + len(timing.samples) == call.calls
    assert sum(timing.samples) == timing.wall_seconds
    assert timing.warmup_seconds + timing.wall_seconds == clock.seconds


def test_slow_first_calls_stay_in_the_warm_up(clock: Clock) -> None:
    call = Counter(clock, *[1 / 16] * 4, 1 / 512)
    timing = time_calls(call, CPU, Budget(**{**vars(SHORT), "max_warmup_seconds": 5.0}))
    assert timing.stable
    # Of the three calls before the newest three, two have to be quick.
    assert timing.warmup_iterations == 9
    assert set(timing.samples) == {1 / 512}


def test_a_call_that_never_becomes_stable_is_measured_after_the_bound_and_marked(clock: Clock) -> None:
    timing = time_calls(Counter(clock, *(1.3**n / 1000 for n in range(24))), CPU, SHORT)
    assert not timing.stable
    assert SHORT.max_warmup_seconds <= timing.warmup_seconds < 2 * SHORT.max_warmup_seconds
    assert timing.samples


def test_a_measurement_is_cut_short_at_the_longest_time_and_says_so(clock: Clock) -> None:
    budget = Budget(**{**vars(SHORT), "max_seconds": 1 / 8, "min_latency_iterations": 10_000})
    timing = time_calls(Counter(clock, 1 / 128), CPU, budget, one_by_one=True)
    assert timing.cut_short
    assert len(timing.samples) == 16
    few = time_calls(Counter(clock, 1.0), CPU, budget, one_by_one=True)
    assert few.cut_short
    assert len(few.samples) == 3


def test_timing_goes_on_until_the_interval_is_as_narrow_as_wanted(clock: Clock) -> None:
    wanted = Budget(**{**vars(SHORT), "wanted_width": 0.05})
    even = time_calls(Counter(clock, 1 / 64), CPU, wanted)
    assert len(even.samples) == math.ceil(64 * SHORT.min_seconds)
    uneven = random.Random(0)
    noisy = time_calls(Counter(clock, *(uneven.gauss(1, 0.1) / 512 for _ in range(9999))), CPU, wanted)
    assert bootstrap(noisy.samples).relative_width <= 0.05
    assert len(noisy.samples) > 512 * SHORT.min_seconds
    wild = time_calls(Counter(clock, *(uneven.uniform(1, 9) / 512 for _ in range(9999))), CPU, wanted)
    assert SHORT.max_seconds <= wild.wall_seconds < SHORT.max_seconds + 9 / 512


@pytest.mark.alone
def test_the_clock_is_real() -> None:
    timing = time_calls(lambda: time.sleep(0.005), CPU, SHORT)
    assert min(timing.samples) >= 0.005
    assert timing.wall_seconds >= SHORT.min_seconds


@pytest.mark.alone
def test_waiting_takes_wall_time_and_computing_takes_processor_time() -> None:
    def compute() -> None:
        sum(range(200_000))

    waiting, computing = time_calls(lambda: time.sleep(0.01), CPU, SHORT), time_calls(compute, CPU, SHORT)
    waited, computed = (t.cpu_seconds / t.wall_seconds for t in (waiting, computing))
    assert waited < 0.5 * computed


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_collection_is_off_while_measuring_and_as_before_after(enabled: bool) -> None:
    states: list[bool] = []
    before = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        timing = time_calls(lambda: states.append(gc.isenabled()), CPU, SHORT)
        assert gc.isenabled() is enabled
        assert not any(states[timing.warmup_iterations :])
    finally:
        (gc.enable if before else gc.disable)()


def test_an_error_in_the_call_leaves_garbage_collection_on() -> None:
    def fail_late(calls: list[int] = [0]) -> None:  # noqa: B006
        calls[0] += 1
        if calls[0] > 20:
            raise OSError("broken")

    with pytest.raises(OSError, match="broken"):
        time_calls(fail_late, CPU, Budget(**{**vars(SHORT), "max_warmup_seconds": 0.0}))
    assert gc.isenabled()


def test_stability_compares_the_newest_quarter_with_the_one_before() -> None:
    assert is_stable([1.0] * 6, 0.05)
    assert not is_stable([1.0] * 5, 0.05)
    assert not is_stable([9.0, 5.0, 4.0, 2.0, 1.5, 1.0], 0.05)
    assert is_stable([9.0] * 20 + [1.0] * 20, 0.05)
    assert not is_stable([1.0] * 20 + [1.0] * 10 + [1.1] * 10, 0.05)
    assert is_stable([9.0] * 12 + [1.0] * 12, 0.05)  # the last thirds differ


@given(st.lists(st.floats(0.9, 1.1), min_size=6, max_size=60), st.floats(0.01, 100))
def test_stability_does_not_depend_on_the_unit(durations: list[float], scale: float) -> None:
    assert is_stable([scale * value for value in durations], 0.0501) in (
        is_stable(durations, 0.0500),
        is_stable(durations, 0.0502),
    )


@pytest.mark.parametrize(
    "change",
    [{"min_seconds": -1}, {"max_seconds": float("nan")}, {"min_iterations": 0}, {"max_seconds": 1}],
)
def test_an_impossible_budget_is_refused(change: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"budget|iteration"):
        Budget(**change)
