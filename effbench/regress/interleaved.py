"""Two versions run in turn, each in processes of its own: A B B A, short turns on the same core."""

from __future__ import annotations

import math
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

from effbench.regress.sequential import INTERIM_LOOKS, Decision, decide
from effbench.regress.sides import Side
from effbench.regress.version_process import VersionProcess

_TURN_SECONDS = 0.008  # so much is timed in a turn, or one call
_COLD_SECONDS = 0.005  # calls that take this long don't mind cold caches
_LAUNCH_SECONDS = 1.5  # so long go blocks on in a launch, within bounds
_FEWEST_BLOCKS, _MOST_BLOCKS = 2, 48
_WAITS_PER_CALL = 0.1
_TICK = 1e-9  # no turn takes less
#: Of each side.
PROCESSES = 6
#: Launches at a time, where there are as many cores.
LANES = 2
CLOCKS = ("processor", "wall")
#: A process of A, and one of B.
Pairing = tuple[VersionProcess, VersionProcess]
#: Turns of A, and of B.
Block = tuple[list[dict[str, Any]], list[dict[str, Any]]]


@dataclass(frozen=True)
class Setting:
    """What both versions are timed under, and for how many seconds a model at most."""

    device: str = "cpu"
    threads: int = 1
    clip_seconds: float = 10.0
    budget_seconds: float = 50.0


@dataclass(frozen=True)
class PairedTime:
    """What the launches of one model have shown.

    Attributes:
        decision: the verdict on its time.
        clock: ``processor`` time, which other programs do not change, or ``wall`` where calls wait.
        seconds: of a call of B, median of its launches.
        instructions: of B over A, where the machine counts them.
    """

    decision: Decision
    clock: str
    seconds: float
    instructions: float | None


@dataclass(frozen=True)
class Launch:
    """One launch of both sides.

    Attributes:
        log_ratios: log of B's time over A's, by clock.
        seconds: of a call of B, by clock.
        waits: how often a call gave the processor away.
        instructions: of B over A, where the machine counts them.
    """

    log_ratios: Mapping[str, float]
    seconds: Mapping[str, float]
    waits: float
    instructions: float | None


class Pair:
    """The workers of both sides, of each several: each process has its addresses, and its speed by them.

    Use as a context.
    """

    def __init__(self, a: Side, b: Side, *, processes: int = PROCESSES, seed: int | None = None) -> None:
        self.sides = a, b
        self._processes = processes
        self._order = random.Random(seed)

    def __enter__(self) -> Self:
        with ExitStack() as starting:
            self.workers = [self._started(starting) for _ in range(self._processes)]
            for pair in self.workers:
                for worker in pair:
                    worker.tell(do="about")
            about = [[worker.hear() for worker in pair] for pair in self.workers]
            self.about = about[0]
            self._stack = starting.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def _started(self, starting: ExitStack) -> Pairing:
        """A process of each side; which of them is first is drawn, so that the sides are alike."""
        sides = {
            side: starting.enter_context(VersionProcess(self.sides[side]))
            for side in self._order.sample((0, 1), 2)
        }
        return sides[0], sides[1]

    def time(
        self,
        models: tuple[str, str],
        setting: Setting,
        threshold: float,
        progress: Callable[[Decision], None] | None = None,
    ) -> PairedTime:
        """Launch both versions of a model until the verdict is clear, or the budget is spent.

        Args:
            models: references of the model, one for each side.
            setting: what they are timed under.
            threshold: see ``decide``.
            progress: is told what each look shows.

        Raises:
            EffbenchError: a side can't run it.
        """
        launches: list[Launch] = []
        end = time.monotonic() + setting.budget_seconds
        while True:
            before = len(launches)
            launches += self._round(models, setting)
            spent = time.monotonic() >= end or len(launches) >= max(INTERIM_LOOKS)
            if not spent and not any(before < look <= len(launches) for look in INTERIM_LOOKS):
                continue
            clock = _clock(launches, setting)
            decision = decide([launch.log_ratios[clock] for launch in launches], threshold)
            if progress is not None:
                progress(decision)
            if spent or decision.verdict != "undecided":
                executed = [launch.instructions for launch in launches if launch.instructions is not None]
                return PairedTime(
                    decision,
                    clock,
                    statistics.median(launch.seconds[clock] for launch in launches),
                    statistics.median(executed) if executed else None,
                )

    def _round(self, models: tuple[str, str], setting: Setting) -> list[Launch]:
        """A launch on each lane of cores, of the pairs that have waited longest."""
        lanes = lanes_of(setting, min(LANES, len(self.workers)), self._order)
        pairs, self.workers = self.workers[: len(lanes)], self.workers[len(lanes) :]
        self.workers += pairs
        with ThreadPoolExecutor(len(pairs)) as pool:
            return list(pool.map(lambda pair, cores: self.launch(pair, models, setting, cores), pairs, lanes))

    def launch(
        self, pair: Pairing, models: tuple[str, str], setting: Setting, cores: Sequence[int | None]
    ) -> Launch:
        """Launch each side once, and let them take their turns, each block on one of the cores.

        Which side is launched first is drawn, so that the sides are alike.
        """
        drawn = self._order.sample([*zip(pair, models, strict=True)], 2)
        for worker, model in drawn:
            worker.tell(
                do="launch",
                model=model,
                device=setting.device,
                threads=setting.threads,
                clip_seconds=setting.clip_seconds,
            )
        once = max(worker.hear()["seconds"] for worker in pair)
        calls, warm = math.ceil(_TURN_SECONDS / once), once < _COLD_SECONDS
        wanted = math.ceil(_LAUNCH_SECONDS / (4 * once * (calls + warm)))
        blocks = [
            self._block(pair, calls=calls, warm=warm, core=self._order.choice(cores))
            for _ in range(min(_MOST_BLOCKS, max(_FEWEST_BLOCKS, wanted)))
        ]
        for worker, _ in drawn:
            worker.ask(do="end")
        sides = [[turn for block in blocks for turn in block[side]] for side in (0, 1)]
        executed = [[turn["instructions"] for turn in side] for side in sides]
        return Launch(
            log_ratios={
                clock: statistics.median(ratio for block in blocks for ratio in _log_ratios(block, clock))
                for clock in CLOCKS
            },
            seconds={clock: statistics.median(turn[clock] for turn in sides[1]) / calls for clock in CLOCKS},
            waits=statistics.mean(turn["waits"] for side in sides for turn in side) / calls,
            instructions=min(executed[1]) / min(executed[0]) if all(map(all, executed)) else None,
        )

    def _block(self, pair: Pairing, **turn: object) -> Block:
        """Two turns of each side, A B B A or B A A B."""
        turns: Block = [], []
        for side in self._order.choice(((0, 1, 1, 0), (1, 0, 0, 1))):
            turns[side].append(pair[side].ask(**turn))
        return turns


def lanes_of(setting: Setting, most: int, order: random.Random) -> list[Sequence[int | None]]:
    """Cores of launches side by side: both sides of one share its, since cores are not equally fast.

    ``None`` stands for wherever the system lets them run, one launch at a time.
    """
    if setting.device != "cpu" or setting.threads != 1 or sys.platform != "linux":
        return [(None,)]
    cores = sorted(os.sched_getaffinity(0))
    order.shuffle(cores)
    return [cores[lane::most] for lane in range(min(most, len(cores)))]


def _log_ratios(block: Block, clock: str) -> list[float]:
    """Of each turn of B over each turn of A: a turn that something hit spoils two of the four."""
    a, b = ([math.log(max(turn[clock], _TICK)) for turn in side] for side in block)
    return [y - x for x in a for y in b]


def _clock(launches: Sequence[Launch], setting: Setting) -> str:
    """Processor time, which other programs change less, where it is all that calls take."""
    waits = statistics.median(launch.waits for launch in launches) >= _WAITS_PER_CALL
    return "processor" if setting.device == "cpu" and setting.threads == 1 and not waits else "wall"
