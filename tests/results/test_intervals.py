"""The bootstrap against resampling draw by draw, closed forms and properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from effbench.results.intervals import Estimate, bootstrap

finite = st.floats(-1e6, 1e6)
sample_sets = arrays(np.float64, st.integers(1, 60), elements=finite)


@pytest.mark.parametrize(("count", "percent"), [(9, 50), (10, 50), (25, 90), (40, 99), (7, 10)])
def test_bootstrap_has_the_distribution_of_resampling_draw_by_draw(count: int, percent: float) -> None:
    generator = np.random.default_rng(3)
    samples = generator.lognormal(size=count)
    draws = generator.choice(samples, size=(200_000, count))
    expected = np.percentile(np.percentile(draws, percent, axis=1), [2.5, 97.5])
    interval = bootstrap(samples, percent, resamples=200_000)
    spread = np.ptp(samples)
    assert interval.value == pytest.approx(np.percentile(samples, percent))
    assert [interval.low, interval.high] == pytest.approx(expected, abs=0.02 * spread)


def test_interval_of_a_median_covers_the_true_median_about_as_often_as_it_says() -> None:
    generator = np.random.default_rng(0)
    runs = generator.exponential(size=(600, 31))
    covered = [i.low <= np.log(2) <= i.high for i in map(bootstrap, runs)]
    assert 0.90 <= np.mean(covered) <= 0.985


def test_interval_narrows_with_the_square_root_of_the_number_of_samples() -> None:
    generator = np.random.default_rng(1)
    narrow, wide = (
        np.mean([bootstrap(generator.normal(10, 1, n)).relative_width for _ in range(40)])
        for n in (1600, 100)
    )
    assert wide / narrow == pytest.approx(4, rel=0.25)


@given(sample_sets, st.floats(0, 100))
def test_an_estimate_lies_in_its_interval_and_that_in_the_samples(
    samples: np.ndarray, percent: float
) -> None:
    estimate = bootstrap(samples, percent, resamples=50)
    slack = 1e-9 * (1 + np.abs(samples).max())
    assert estimate.low <= estimate.value <= estimate.high
    assert samples.min() - slack <= estimate.low
    assert estimate.high <= samples.max() + slack


@given(sample_sets, st.floats(0.01, 1000))
def test_scaling_the_samples_scales_the_interval(samples: np.ndarray, scale: float) -> None:
    one, other = bootstrap(list(samples)), bootstrap(list(samples * scale))
    tolerance = 1e-9 * scale * (1 + np.abs(samples).max())
    assert [other.value, other.low, other.high] == pytest.approx(
        [one.value * scale, one.low * scale, one.high * scale], abs=tolerance
    )


def test_one_sample_and_equal_samples_have_an_interval_without_width() -> None:
    assert bootstrap([2.5]) == Estimate(2.5, 2.5, 2.5)
    assert bootstrap([3.0] * 17) == Estimate(3.0, 3.0, 3.0)


def test_same_samples_in_any_order_give_the_same_interval() -> None:
    samples = np.random.default_rng(5).normal(size=101)
    assert bootstrap(samples) == bootstrap(samples[::-1])
    assert bootstrap(samples) != bootstrap(samples[:-1])


def test_percentiles_interpolate_between_neighbours() -> None:
    samples = [float(value) for value in range(1, 101)]
    values = [bootstrap(samples, percent).value for percent in (0, 50, 90, 100)]
    assert values == pytest.approx([1, 50.5, 90.1, 100])


def test_a_falling_function_swaps_the_ends_of_an_estimate() -> None:
    assert Estimate(4.0, 2.0, 8.0).map(lambda seconds: 16 / seconds) == Estimate(4.0, 2.0, 8.0)
    assert Estimate(4.0, 2.0, 8.0).map(lambda seconds: 2 * seconds) == Estimate(8.0, 4.0, 16.0)


@pytest.mark.parametrize("samples", [[], [1.0, float("nan")], [float("inf")]])
def test_samples_that_mean_nothing_are_refused(samples: list[float]) -> None:
    with pytest.raises(ValueError, match="sample"):
        bootstrap(samples)


@pytest.mark.parametrize("percent", [101, -1])
def test_impossible_percentiles_are_refused(percent: float) -> None:
    with pytest.raises(ValueError, match=r"in the range \[0, 100\]"):
        bootstrap([1.0, 2.0], percent)
