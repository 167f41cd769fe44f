"""Which batch sizes are tried, and how a sweep stays within the machine's memory."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol, TypeVar

from effbench.errors import EffbenchError, UsageError
from effbench.machine.cpu import available_memory
from effbench.machine.resident import ResidentPeak, release_free_memory, resident_bytes
from effbench.results.intervals import Estimate

MAX_BATCH_SIZE = 4096
RISE = 0.02  # that a larger batch must bring to be worth trying another
PATIENCE = 2  # sizes in a row that may bring less

_SAFETY = 1.25  # on the estimated growth of memory
_RESERVE_BYTES = 512 * 2**20  # that are left to the rest of the machine


class Rated(Protocol):
    """Anything with a rate; more is better."""

    @property
    def rate(self) -> Estimate:
        """Units of work per second."""


Result = TypeVar("Result", bound=Rated)


def sweep(batch_sizes: Sequence[int] | None, measure: Callable[[int], Result | None]) -> dict[int, Result]:
    """Measures batch sizes in rising order and returns what was measured, by batch size.

    By default powers of two, until two in a row bring less than 2 % more than the best before them. An
    explicit list is measured whole. A size that does not fit into memory ends the rise: it is halved until
    one fits that was not measured yet.

    Args:
        batch_sizes: sizes to try, or None for powers of two.
        measure: a batch size -> its result, or None where memory is too small for it.

    Raises:
        UsageError: an impossible batch size.
        EffbenchError: not even a batch of one fits into memory.
    """
    explicit = batch_sizes is not None
    pending = deque(_checked(batch_sizes) if batch_sizes is not None else _powers_of_two())
    results: dict[int, Result] = {}
    while pending:
        size = pending.popleft()
        result = measure(size)
        if result is not None:
            results[size] = result
            if not explicit and _flat([measured.rate.value for measured in results.values()]):
                break
        else:
            half = size // 2
            pending = deque([half] if half > max(results, default=0) else [])
    if not results:
        raise EffbenchError("not even a batch of one clip fits into the device's memory")
    return results


def _checked(batch_sizes: Sequence[int]) -> list[int]:
    if not batch_sizes or min(batch_sizes) < 1:
        raise UsageError(f"batch sizes are numbers from 1 on, not {list(batch_sizes)}")
    return sorted(set(batch_sizes))


def _powers_of_two() -> Iterator[int]:
    size = 1
    while size <= MAX_BATCH_SIZE:
        yield size
        size *= 2


def _flat(rates: Sequence[float]) -> bool:
    """Whether each of the newest rates brought less than ``RISE`` over the best before all of them."""
    if len(rates) <= PATIENCE:
        return False
    best = max(rates[:-PATIENCE])
    return max(rates[-PATIENCE:]) < (1 + RISE) * best


class MemoryGuard:
    """Predicts from the batches before whether one more fits into the machine's memory (CPU).

    A machine that runs out of memory swaps or kills, and raises no error that could be handled; so the
    growth of this process is watched while a batch runs, and a batch is refused where growth in proportion,
    with a quarter on top, would leave less than 512 MiB to the machine.

    Args:
        available: bytes that can still be taken; the machine's by default.
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
