"""Median filter against SciPy; decoding against encoding; gaps and minimum durations."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import ndimage

from effbench.data.labels import Event, encode_events
from effbench.errors import UsageError
from effbench.evaluate.median import decode_events, drop_short, median_filter, merge_gaps

CLASSES = ["Bark", "Siren", "Speech"]
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


@given(arrays(np.bool_, st.tuples(st.integers(1, 40), st.just(3))))
def test_encoding_decoded_events_gives_the_frames_back(active):
    events = decode_events(active.astype(np.float32), 0.5, classes=CLASSES)
    again = encode_events(events, CLASSES, frames=len(active))
    np.testing.assert_array_equal(again.T.astype(bool), active)


@given(st.data())
def test_decoding_encoded_events_gives_the_events_back(data):
    events = []
    for label in CLASSES:
        edges = sorted(data.draw(st.sets(st.integers(0, 250), max_size=8).filter(lambda s: len(s) % 2 == 0)))
        spans = zip(edges[::2], edges[1::2], strict=True)
        events += [Event(round(a * 0.04, 6), round(b * 0.04, 6), label) for a, b in spans]
    frames = encode_events(events, CLASSES)
    assert decode_events(frames.T, 0.5, classes=CLASSES) == sorted(events)


def test_a_score_equal_to_the_threshold_is_not_above_it():
    scores = np.array([[0.4], [0.5], [0.6], [0.6], [0.5]])
    assert decode_events(scores, 0.5, classes=["Bark"]) == [(0.08, 0.16, "Bark")]


def test_each_class_may_have_its_own_threshold():
    scores = np.full((4, 2), 0.5)
    assert decode_events(scores, [0.4, 0.6], classes=["Bark", "Siren"]) == [(0.0, 0.16, "Bark")]


def test_frames_may_have_times_of_their_own():
    scores = np.array([[0.0], [1.0], [1.0]])
    assert decode_events(scores, 0.5, classes=["Bark"], timestamps=[0, 0.5, 1.0, 1.2]) == [(0.5, 1.2, "Bark")]


def test_short_gaps_are_closed_within_a_class():
    events = [
        Event(0.0, 0.4, "Bark"),
        Event(0.4, 0.5, "Siren"),
        Event(0.48, 0.8, "Bark"),
        Event(1.0, 2.0, "Bark"),
    ]
    closed = [Event(0.0, 0.8, "Bark"), Event(0.4, 0.5, "Siren"), Event(1.0, 2.0, "Bark")]
    assert merge_gaps(reversed(events), 0.2) == closed
    assert merge_gaps(events, 0.08) == sorted(events)


def test_touching_events_are_joined_without_any_gap():
    assert merge_gaps([Event(0.0, 0.4, "Bark"), Event(0.4, 0.5, "Bark")], 0.0) == [(0.0, 0.5, "Bark")]


def test_events_of_exactly_the_minimum_duration_stay():
    events = [Event(0.12, 0.24, "Bark"), Event(0.0, 0.08, "Bark")]
    assert drop_short(events, 0.12) == events[:1]
    assert drop_short(events, 0.0) == events


@settings(max_examples=50)
@given(arrays(np.bool_, st.tuples(st.integers(1, 60), st.just(1))), st.floats(0, 1))
def test_merged_events_lie_at_least_the_gap_apart(active, gap):
    merged = merge_gaps(decode_events(active, 0.5, classes=["Bark"]), gap)
    spans = [later.onset - earlier.offset for earlier, later in pairwise(merged)]
    assert all(span >= gap - 1e-6 for span in spans)
