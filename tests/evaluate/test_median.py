"""Median filter against SciPy."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from effbench.errors import UsageError
from effbench.evaluate.median import median_filter

shapes = st.tuples(st.integers(1, 60), st.integers(1, 4))


def noise(shape, seed=0, dtype=np.float32):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def plain_median(scores, window):
    """The middle of every window, sorted; SciPy goes wrong where the window is longer than the scores."""
    padded = np.pad(scores, ((window // 2, (window - 1) // 2), (0, 0)), mode="symmetric")
    windows = np.lib.stride_tricks.sliding_window_view(padded, window, axis=0)
    return np.sort(windows, axis=-1)[..., window // 2]


@pytest.mark.parametrize("window", range(1, 41))
@pytest.mark.parametrize("frames", [1, 5, 30])
def test_median_of_short_scores_is_the_plain_one(window, frames):
    scores = noise((frames, 7), window)
    np.testing.assert_array_equal(median_filter(scores, window), plain_median(scores, window))


@pytest.mark.parametrize("window", range(1, 41))
@pytest.mark.parametrize("frames", [41, 250])
def test_median_equals_scipy(window, frames):
    scores = noise((frames, 7), window)
    expected = ndimage.median_filter(scores, size=(window, 1), mode="reflect")
    assert median_filter(scores, window).tobytes() == expected.tobytes()


@given(
    arrays(np.float64, shapes, elements=st.sampled_from([-np.inf, -1.5, 0.0, 0.25, 1.0, np.inf])), st.data()
)
def test_median_of_tied_scores_is_the_plain_one(scores, data):
    window = data.draw(st.integers(1, 30))
    np.testing.assert_array_equal(median_filter(scores, window), plain_median(scores, window))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int32])
def test_median_keeps_the_type(dtype):
    scores = (10 * noise((100, 3))).astype(dtype)
    filtered = median_filter(scores, 9)
    assert filtered.dtype == dtype
    expected = ndimage.median_filter(scores.astype(np.float64), size=(9, 1), mode="reflect")
    np.testing.assert_array_equal(filtered.astype(np.float64), expected)


def test_each_class_may_have_its_own_window():
    scores, windows = noise((300, 5)), [1, 9, 5, 9, 31]
    filtered = median_filter(scores, windows)
    for column, window in enumerate(windows):
        np.testing.assert_array_equal(filtered[:, [column]], median_filter(scores[:, [column]], window))


def test_long_scores_are_filtered_in_parts_without_seams():
    scores = noise((5000, 447))
    expected = ndimage.median_filter(scores[:, :2], size=(9, 1), mode="reflect")
    np.testing.assert_array_equal(median_filter(scores, 9)[:, :2], expected)


def test_filtering_leaves_its_input_alone():
    scores = noise((50, 3))
    before = scores.copy()
    for window in (1, 4, 9, 31):
        median_filter(scores, window)[:] = 0
    np.testing.assert_array_equal(scores, before)


@pytest.mark.parametrize(
    ("window", "message"), [(0, "1 or more, not 0"), (2.5, "not 2.5"), ([9, 9], "2 median windows for 3")]
)
def test_impossible_windows_are_refused(window, message):
    with pytest.raises(UsageError, match=message):
        median_filter(noise((50, 3)), window)
