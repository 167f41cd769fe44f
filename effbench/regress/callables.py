"""Two callables of this process, run in turn; see ``interleaved`` for whole versions."""

from __future__ import annotations

import math
import random
import resource
import statistics
import time
from collections.abc import Callable

from effbench.regress.sequential import INTERIM_LOOKS, Decision, decide, hodges_lehmann

_TURN_SECONDS = 0.005
_BLOCKS = 8  # of a launch, or what stands for one where there is one process
_WAITS_PER_CALL = 0.1


def compare_callables(
    a: Callable[[], object], b: Callable[[], object], threshold: float, budget_seconds: float
) -> Decision:
    """Whether B is slower than A, by processor time, or by the wall where one of them waits.

    In one process there is nothing to launch: some blocks in a row stand for a launch.
    """
    waits = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw
    once = max(_seconds(call, 3, time.perf_counter) / 3 for call in (a, b))
    waits = resource.getrusage(resource.RUSAGE_SELF).ru_nvcsw - waits
    clock = time.perf_counter if waits >= 6 * _WAITS_PER_CALL else time.process_time
    calls = math.ceil(_TURN_SECONDS / max(once, 1e-7))
    order = random.Random()
    end = time.monotonic() + budget_seconds
    launches: list[float] = []
    while True:
        blocks = []
        for _ in range(_BLOCKS):
            logs: tuple[list[float], list[float]] = [], []
            for side in order.choice(((0, 1, 1, 0), (1, 0, 0, 1))):
                logs[side].append(math.log(max(_seconds((a, b)[side], calls, clock), 1e-9)))
            blocks.append(statistics.mean(logs[1]) - statistics.mean(logs[0]))
        launches.append(hodges_lehmann(blocks))
        spent = time.monotonic() >= end or len(launches) == max(INTERIM_LOOKS)
        if len(launches) in INTERIM_LOOKS or spent:
            decision = decide(launches, threshold)
            if spent or decision.verdict != "undecided":
                return decision


def _seconds(call: Callable[[], object], calls: int, clock: Callable[[], float]) -> float:
    start = clock()
    for _ in range(calls):
        call()
    return clock() - start
