"""How many live streams a machine carries: found by running them, not by dividing times."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush
from math import ceil

import numpy as np

from effbench.detect.event_decoding import Decoding
from effbench.detect.live import LiveStream
from effbench.errors import EffbenchError, UsageError
from effbench.grid import FRAME_SAMPLES, FRAME_SECONDS
from effbench.infer.scorer import FrameScorer
from effbench.infer.sliding import Sliding
from effbench.measure.timing import Progress, no_garbage_collection
from effbench.results.intervals import Estimate, bootstrap
from effbench.shown import significant

#: Hops that a percentile is of, and seconds that they take, at least.
MIN_HOPS, MIN_SECONDS = 100, 3.0
#: A run also lasts so many times the limit, so that falling behind shows.
LIMITS_LONG = 5
#: Streams fall behind whose latency grows by more than this part of real time.
MOST_GROWTH = 0.05
_MOST = 1 << 14  # streams: beyond that, the search is called off
_CLOSE = 50  # the search ends where the ends differ by a stream, or by this part of them


@dataclass(frozen=True)
class StreamLoad:
    """Streams that ran at once.

    Attributes:
        streams: how many.
        latencies: seconds from when the last sample of a hop was there to when its events were, of every hop.
        seconds: of the run.
        cut_short: whether it ended before all hops, for too many were late already.
    """

    streams: int
    latencies: tuple[float, ...]
    seconds: float
    cut_short: bool

    @property
    def p99(self) -> Estimate:
        """Seconds within which 99 % of the hops had their events; of a run cut short, a lower bound."""
        return bootstrap(self.latencies, 99)

    @property
    def growth(self) -> float:
        """Seconds by which latency grows in a second, from the middle third of the run to its last."""
        third = len(self.latencies) // 3
        middle, last = self.latencies[third : 2 * third], self.latencies[2 * third :]
        return (float(np.median(last)) - float(np.median(middle))) / (self.seconds / 3)

    def keeps(self, limit: float) -> bool:
        """Whether all hops were run, 99 % of them within ``limit`` seconds, and latency does not grow."""
        return not self.cut_short and self.p99.value <= limit and self.growth <= MOST_GROWTH

    def verdict(self, limit: float) -> str:
        """The 99th percentile in words, and why streams do not keep a limit, seconds."""
        p99 = f"p99 {'over ' * self.cut_short}{significant(1000 * self.p99.value, 3)} ms"
        most = f"{1000 * limit:g} ms"
        if self.keeps(limit):
            return f"{p99}, within {most}"
        if self.cut_short or self.p99.value > limit:
            return f"{p99}, not within {most}"
        return f"{p99}, but it grows by {significant(1000 * self.growth, 3)} ms every second"


def run_streams(
    scorer: FrameScorer, decoding: Decoding, sliding: Sliding, streams: int, limit: float
) -> StreamLoad:
    """Run so many streams of noise in real time, and measure the latency of every hop.

    Their hops end evenly spread over the time of a hop. Windows that wait are scored together, in the order
    in which their audio came, up to the batch size. Every stream has a full window from the start; a batch
    before that, which takes longer, is none of them.
    """
    hop_seconds, hop_samples = sliding.hop * FRAME_SECONDS, sliding.hop * FRAME_SAMPLES
    hops = max(ceil(MIN_HOPS / streams), ceil(max(MIN_SECONDS, LIMITS_LONG * limit) / hop_seconds), 2)
    audio = np.random.default_rng(0).normal(0, 0.1, hop_samples).astype(np.float32)
    running = [_filled(decoding, sliding, scorer.min_samples) for _ in range(streams)]
    most = scorer.inference.windows_per_call
    spare = _filled(decoding, sliding, scorer.min_samples)
    (window,) = spare.windows.push(audio)
    spare.decode(window, scorer([window.samples] * min(streams, most))[0])
    left = [hops] * streams
    waiting: deque[tuple[float, int]] = deque()
    latencies: list[float] = []
    late, allowed = 0, streams * hops // 100
    with no_garbage_collection():  # which first collects what there is, for as long as that takes
        start = time.perf_counter() + 0.01
        coming = [(start + number * hop_seconds / streams, number) for number in range(streams)]
        while (coming or waiting) and late <= allowed:
            now = time.perf_counter()
            while coming and coming[0][0] <= now:
                arrival, number = heappop(coming)
                waiting.append((arrival, number))
                left[number] -= 1
                if left[number]:
                    heappush(coming, (arrival + hop_seconds, number))
            if not waiting:
                time.sleep(coming[0][0] - now)
                continue
            batch = [waiting.popleft() for _ in range(min(len(waiting), most))]
            windows = [running[number].windows.push(audio)[0] for _, number in batch]
            for (_, number), window, scores in zip(
                batch, windows, scorer([window.samples for window in windows]), strict=True
            ):
                running[number].decode(window, scores)
            done = time.perf_counter()
            latencies += [done - arrival for arrival, _ in batch]
            late += sum(done - arrival > limit for arrival, _ in batch)
    return StreamLoad(streams, tuple(latencies), time.perf_counter() - start, bool(coming or waiting))


def _filled(decoding: Decoding, sliding: Sliding, min_samples: int) -> LiveStream:
    """A stream that has just had a hop, after a window's length of quiet."""
    stream = LiveStream(decoding, sliding, min_samples=min_samples)
    hops = -(-sliding.window // sliding.hop) + 1
    stream.windows.push(np.zeros(hops * sliding.hop * FRAME_SAMPLES, np.float32), newest_only=True)
    return stream


def time_hops(scorer: FrameScorer, decoding: Decoding, sliding: Sliding) -> tuple[float, ...]:
    """Seconds from samples to events of a hop of one stream, a hundred times, one after the other."""
    stream = _filled(decoding, sliding, scorer.min_samples)
    audio = np.random.default_rng(0).normal(0, 0.1, sliding.hop * FRAME_SAMPLES).astype(np.float32)
    samples: list[float] = []
    with no_garbage_collection():
        for turn in range(MIN_HOPS + 3):
            before = time.perf_counter()
            (window,) = stream.windows.push(audio)
            stream.decode(window, scorer([window.samples])[0])
            if turn >= 3:  # the first calls take longer
                samples.append(time.perf_counter() - before)
    return tuple(samples)


def find_capacity(
    run: Callable[[int], StreamLoad], limit: float, *, guess: int = 1, progress: Progress | None = None
) -> tuple[StreamLoad | None, StreamLoad]:
    """The most streams that keep the limit, and the fewest that were run and do not.

    Every number that is tried is run. From the guess, it is doubled or halved until one keeps the limit and
    one does not; then what lies between is halved.

    Args:
        run: runs so many streams.
        limit: seconds, for 99 % of the hops.
        guess: where to begin.
        progress: gets a line for each number.

    Returns:
        What is carried, ``None`` where not even one stream is; and what is not.

    Raises:
        UsageError: a limit that is no time.
        EffbenchError: no end in sight.
    """
    if not 0 < limit < float("inf"):
        raise UsageError(f"the limit is a time above 0 s, not {limit:g} s")
    good: StreamLoad | None = None
    bad: StreamLoad | None = None
    streams: int | None = max(1, guess)
    while streams is not None:
        if streams > _MOST:
            raise EffbenchError(f"{_MOST:,} streams keep the limit: give a shorter one, or a shorter hop")
        load = run(streams)
        kept = load.keeps(limit)
        if progress is not None:
            progress(f"{streams:,} streams: {load.verdict(limit)}")
        if kept:
            good = load
        else:
            bad = load
        streams = _next(good, bad)
    assert bad is not None
    return good, bad


def _next(good: StreamLoad | None, bad: StreamLoad | None) -> int | None:
    """The number to run next; ``None`` where the search is over."""
    if bad is None:
        return 2 * good.streams if good else 1
    if good is None:
        return bad.streams // 2 or None
    over = bad.streams - good.streams <= max(1, good.streams // _CLOSE)
    return None if over else (good.streams + bad.streams) // 2
