"""Which batch sizes are tried, and how a sweep stays within the machine's memory."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from effbench.errors import EffbenchError, UsageError
from effbench.machine.cpu import available_memory
from effbench.machine.resident import ResidentPeak, release_free_memory, resident_bytes

MAX_BATCH_SIZE = 4096
RISE = 0.02  # of the rate, that makes a larger batch worth trying
PATIENCE = 2  # sizes in a row without it

_COARSE_STEP = 4
_LONGEST_CALL = 1.0  # seconds
_NO_ROOM = "not even a batch of one clip fits into the device's memory"
_SAFETY = 1.25  # on the estimated growth of memory
_RESERVE_BYTES = 512 * 2**20  # left to the rest of the machine


def check_batch_sizes(batch_sizes: Sequence[int] | None) -> None:
    """Refuse what is no list of batch sizes with a ``UsageError``."""
    if batch_sizes is None:
        return
    if not batch_sizes or not all(isinstance(size, int) and size >= 1 for size in batch_sizes):
        raise UsageError(f"batch sizes are numbers from 1 on, not {list(batch_sizes)}")


def sweep(
    batch_sizes: Sequence[int] | None, measure: Callable[[int], float | None], *, coarse: bool = False
) -> dict[int, float]:
    """Measures batch sizes in rising order; their rates, by batch size.

    By default powers of two, until two in a row bring less than 2 % more than the best before them. An
    explicit list is measured whole. A size that does not fit into memory ends the rise: it is halved until
    one fits that was not measured yet. A coarse sweep takes every other power of two, for as long as they
    rise and a call takes no more than a second, and then the one between the best and the better of the
    sizes next to it.

    Args:
        batch_sizes: sizes to try, or None for powers of two.
        measure: a batch size -> clips per second, or None where memory is too small for it.
        coarse: measure fewer of the default sizes.

    Raises:
        UsageError: an impossible batch size.
        EffbenchError: not even a batch of one fits into memory.
    """
    check_batch_sizes(batch_sizes)
    if coarse and batch_sizes is None:
        return _coarse(measure)
    powers = [2**exponent for exponent in range(MAX_BATCH_SIZE.bit_length())]
    pending = deque(powers if batch_sizes is None else sorted(set(batch_sizes)))
    rates: dict[int, float] = {}
    while pending:
        size = pending.popleft()
        rate = measure(size)
        if rate is not None:
            rates[size] = rate
            if batch_sizes is None and _is_flat([*rates.values()]):
                break
        else:
            half = size // 2
            pending = deque([half] if half > max(rates, default=0) else [])
    if not rates:
        raise EffbenchError(_NO_ROOM)
    return rates


def _coarse(measure: Callable[[int], float | None]) -> dict[int, float]:
    rates: dict[int, float] = {}
    size, limit = 1, MAX_BATCH_SIZE  # the largest size that may fit and be done soon enough
    while size <= limit:
        rate = measure(size)
        if rate is None:
            limit = size // 2
            break
        rising = rate >= (1 + RISE) * max(rates.values(), default=0.0)
        rates[size] = rate
        limit = min(limit, int(_LONGEST_CALL * rate))
        if not rising:
            break
        size *= _COARSE_STEP
    if not rates:
        raise EffbenchError(_NO_ROOM)
    best = max(rates, key=lambda tried: rates[tried])
    below, above = rates.get(best // _COARSE_STEP, 0.0), rates.get(best * _COARSE_STEP, math.inf)
    between = best * 2 if above >= below and best * 2 <= limit else best // 2
    if between not in (0, *rates) and (rate := measure(between)) is not None:
        rates[between] = rate
    return rates


def _is_flat(rates: Sequence[float]) -> bool:
    """Whether each of the newest rates is less than ``RISE`` above the best before all of them."""
    if len(rates) <= PATIENCE:
        return False
    best = max(rates[:-PATIENCE])
    return max(rates[-PATIENCE:]) < (1 + RISE) * best


class MemoryGuard:
    """Predicts from previous batches whether another fits into the machine's memory (CPU).

    A machine that runs out of memory swaps or kills, without an error that could be handled; so the growth
    of this process is watched while a batch runs, and a batch is refused if proportional growth, with a
    quarter on top, would leave less than 512 MiB of the bytes that are ``available``.
    """

    def __init__(self, available: Callable[[], int] = available_memory) -> None:
        release_free_memory()
        self._available = available
        self._baseline = resident_bytes()
        self.bytes_per_clip: float | None = None

    def fits(self, batch_size: int) -> bool:
        """Whether a batch is likely to fit; True while nothing is known."""
        if self.bytes_per_clip is None:
            return True
        release_free_memory()
        held = resident_bytes() - self._baseline
        growth = _SAFETY * self.bytes_per_clip * batch_size - held
        return growth <= self._available() - _RESERVE_BYTES

    @contextmanager
    def watch(self, batch_size: int) -> Iterator[None]:
        """Learns from the batch that runs inside."""
        with ResidentPeak() as resident:
            yield
        self.bytes_per_clip = max(0, resident.peak - self._baseline) / batch_size
