"""Which batch sizes a sweep tries, and how it keeps out of a full memory."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from effbench.errors import EffbenchError, UsageError
from effbench.machine.resident import ResidentPeak, release_free_memory, resident_bytes
from effbench.measure.sweep import MAX_BATCH_SIZE, MemoryGuard, sweep

MIB = 2**20


def recorder(
    rate: Callable[[int], float], room: int = 10**9
) -> tuple[list[int], Callable[[int], float | None]]:
    """The sizes that were tried, and a machine that holds ``room`` clips and does ``rate(size)`` of them."""
    tried: list[int] = []

    def measure(size: int) -> float | None:
        tried.append(size)
        return rate(size) if size <= room else None

    return tried, measure


def test_default_sweep_doubles_until_two_sizes_in_a_row_bring_nothing() -> None:
    tried, measure = recorder(lambda size: min(size, 8))
    assert list(sweep(None, measure)) == tried == [1, 2, 4, 8, 16, 32]


def test_one_size_without_gain_does_not_end_the_sweep() -> None:
    rates = {1: 10, 2: 9, 4: 20, 8: 40, 16: 40.1, 32: 40.5}
    tried, measure = recorder(lambda size: rates[size])
    sweep(None, measure)
    assert tried == [1, 2, 4, 8, 16, 32]


def test_default_sweep_ends_at_the_largest_size_that_fits() -> None:
    tried, measure = recorder(float, room=20)
    assert list(sweep(None, measure)) == [1, 2, 4, 8, 16]
    assert tried == [1, 2, 4, 8, 16, 32]


def test_default_sweep_has_an_upper_end() -> None:
    _, measure = recorder(float)
    assert max(sweep(None, measure)) == MAX_BATCH_SIZE


def test_explicit_sizes_are_all_measured_even_where_nothing_rises() -> None:
    tried, measure = recorder(lambda size: 1.0)
    assert list(sweep([64, 1, 8, 8, 16, 2], measure)) == tried == [1, 2, 8, 16, 64]


def test_a_size_that_does_not_fit_is_halved_until_one_does() -> None:
    tried, measure = recorder(float, room=20)
    assert list(sweep([1, 100, 200], measure)) == [1, 12]
    assert tried == [1, 100, 50, 25, 12]


@given(st.lists(st.integers(1, 5000), min_size=1, max_size=8), st.integers(1, 5000))
def test_whatever_is_asked_for_something_that_fits_is_measured_and_nothing_twice(
    sizes: list[int], room: int
) -> None:
    tried, measure = recorder(float, room)
    measured = sweep(sizes, measure)
    assert measured
    assert all(size <= room for size in measured)
    assert len(tried) == len(set(tried))
    assert {size for size in sizes if size <= room} <= set(measured)


def test_a_memory_too_small_for_one_clip_is_an_error() -> None:
    _, measure = recorder(float, room=0)
    with pytest.raises(EffbenchError, match="not even a batch of one"):
        sweep([4], measure)


@pytest.mark.parametrize("sizes", [[], [0], [4, -1]])
def test_impossible_batch_sizes_are_refused(sizes: list[int]) -> None:
    with pytest.raises(UsageError, match="batch sizes"):
        sweep(sizes, recorder(float)[1])


def test_peak_of_the_resident_set_sees_memory_that_was_freed_again() -> None:
    release_free_memory()
    before = resident_bytes()
    with ResidentPeak() as resident:
        torch.ones(64 * MIB // 4)
    assert 60 * MIB < resident.peak - before < 90 * MIB
    release_free_memory()
    with ResidentPeak() as after:
        pass
    assert after.peak < resident.peak - 40 * MIB


def test_guard_refuses_a_batch_that_would_leave_too_little() -> None:
    guard = MemoryGuard(available=lambda: 2048 * MIB)
    assert guard.fits(10**6)  # nothing known yet
    with guard.watch(2):
        torch.ones(2 * 50 * MIB // 4)
    assert guard.bytes_per_clip == pytest.approx(50 * MIB, rel=0.1)
    assert guard.fits(16)  # 1.25 * 16 * 50 = 1000 MiB of the 1536 that may be used
    assert not guard.fits(32)


def test_memory_that_a_batch_left_behind_serves_the_next_one() -> None:
    guard = MemoryGuard(available=lambda: (512 + 900) * MIB)
    with guard.watch(1):
        held = torch.ones(200 * MIB // 4)
    assert guard.fits(
        4
    )  # 1.25 * 4 * 200 = 1000 MiB, of which 200 are held already, of the 900 that may be used
    del held
    assert not guard.fits(4)


def test_a_coarse_sweep_skips_sizes_and_looks_around_the_best() -> None:
    tried, measure = recorder(lambda size: 1000.0 * min(size, 8))
    assert sweep(None, measure, coarse=True) == {1: 1000, 4: 4000, 16: 8000, 64: 8000, 32: 8000}
    assert tried == [1, 4, 16, 64, 32]


@pytest.mark.parametrize(("rate_of_16", "between"), [(3.0, 2), (5.0, 8)])
def test_a_coarse_sweep_looks_between_the_best_and_the_next_best(rate_of_16: float, between: int) -> None:
    tried, measure = recorder(lambda size: {1: 400.0, 4: 600.0, 16: 100 * rate_of_16}.get(size, 500.0))
    sweep(None, measure, coarse=True)
    assert tried == [1, 4, 16, between]


def test_a_coarse_sweep_leaves_out_calls_of_more_than_a_second() -> None:
    tried, measure = recorder(lambda size: 2.5 + size / 100)
    sweep(None, measure, coarse=True)
    assert tried == [1, 2]


def test_a_coarse_sweep_tries_nothing_above_what_did_not_fit() -> None:
    tried, measure = recorder(lambda size: 1000.0 * size, room=20)
    assert list(sweep(None, measure, coarse=True)) == [1, 4, 16]
    assert tried == [1, 4, 16, 64, 32]
    with pytest.raises(EffbenchError, match="not even a batch of one"):
        sweep(None, lambda size: None, coarse=True)


@given(st.dictionaries(st.sampled_from([2**n for n in range(8)]), st.floats(1, 1e6)))
def test_a_coarse_sweep_measures_no_size_twice(rates: dict[int, float]) -> None:
    tried, measure = recorder(lambda size: rates.get(size, 100.0))
    sweep(None, measure, coarse=True)
    assert len(tried) == len(set(tried))
