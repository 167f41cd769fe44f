import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from effbench.data.labels import (
    Event,
    encode_events,
    event_frames,
    frame_bounds,
    merge_events,
)
from effbench.data.vocabulary import EVALUATION_ONLY, mid_names, strong_classes, weak_classes

CLASSES = ("Bell", "Rain", "Siren")


def test_class_lists_have_the_published_sizes_and_order():
    strong, weak = strong_classes(), weak_classes()
    assert (len(strong), len(strong.scored), len(weak)) == (447, 407, 527)
    assert list(strong.names) == sorted(strong.names)
    assert weak.names[:3] == ("Speech", "Male speech, man speaking", "Female speech, woman speaking")
    assert strong.index["Accelerating, revving, vroom"] == 0
    assert strong.by_mid["/m/03kmc9"] == mid_names()["/m/03kmc9"] == "Siren"
    assert mid_names()["/m/0chx_"] == "White noise, pink noise"
    assert not EVALUATION_ONLY & set(strong.names)


@pytest.mark.parametrize("frame", range(251))
@pytest.mark.parametrize("noise", [0, 1e-12, -1e-12])
def test_every_grid_time_is_its_own_frame(frame, noise):
    time = frame * 0.04 + noise
    assert frame_bounds(Event(time, time, "Bell")) == (frame, frame)


def test_onset_is_floored_offset_is_raised_both_are_clipped():
    assert frame_bounds(Event(0.079, 0.081, "Bell")) == (1, 3)
    assert frame_bounds(Event(-1.0, 99.0, "Bell")) == (0, 250)
    assert frame_bounds(Event(9.99, 12.0, "Bell")) == (249, 250)
    assert frame_bounds(Event(11.0, 12.0, "Bell")) == (250, 250)


def published(time):
    """The published encoder's arithmetic on a stored float32."""
    return np.clip(float(np.float32(time)) * 16_000 / 160 / 4, 0, 250)


@given(st.floats(0, 11), st.floats(0, 11))
def test_float32_times_reproduce_the_published_labels(onset, offset):
    bounds = frame_bounds(Event(onset, offset, "Bell"), float32_times=True)
    assert bounds == (int(np.floor(published(onset))), int(np.ceil(published(offset))))


def test_float32_times_move_half_of_the_onsets_on_the_grid():
    assert frame_bounds(Event(0.12, 0.28, "Bell")) == (3, 7)
    assert frame_bounds(Event(0.12, 0.28, "Bell"), float32_times=True) == (2, 8)
    times = [frame / 25 for frame in range(251)]
    exact = [frame_bounds(Event(time, time, "Bell"), float32_times=True) for time in times]
    assert sum(first != frame for frame, (first, _) in enumerate(exact)) == 122
    for frame, time in enumerate(times):
        expected = int(np.floor(published(time))), int(np.ceil(published(time)))
        assert exact[frame] == expected


@given(st.lists(st.builds(Event, st.floats(0, 9), st.floats(9, 10), st.sampled_from(CLASSES)), max_size=6))
def test_merging_changes_no_active_frame_and_is_idempotent(events):
    merged = merge_events(events)
    np.testing.assert_array_equal(encode_events(merged, CLASSES), encode_events(events, CLASSES))
    assert merge_events(merged) == merged


def test_touching_and_nested_events_of_a_class_become_one():
    events = [Event(1, 2, "Bell"), Event(2, 3, "Bell"), Event(0.5, 4, "Rain"), Event(1, 2, "Rain")]
    assert merge_events(events) == [Event(0.5, 4, "Rain"), Event(1, 3, "Bell")]


def test_events_of_other_classes_are_left_out():
    assert not encode_events([Event(0, 10, "Speech")], CLASSES).any()


def hear_frames(onset_ms, offset_ms, frames=250):
    """HEAR's rule, frame by frame, in milliseconds."""
    centres = 20 + 40 * np.arange(frames)
    return (onset_ms <= centres) & (centres < offset_ms + 0.0001)


MILLISECONDS = st.one_of(st.integers(0, 10_000), st.integers(0, 20_000).map(lambda tenths: tenths / 2))


@given(MILLISECONDS, MILLISECONDS)
def test_the_centre_rule_is_that_of_hear(first, second):
    onset, offset = sorted((first, second))
    labels = encode_events([Event(onset / 1000, offset / 1000, "Bell")], CLASSES, rule="centre")
    if onset < offset:
        np.testing.assert_array_equal(labels[0], hear_frames(onset, offset))


def test_the_centre_rule_includes_both_ends_and_leaves_out_what_is_between_two_centres():
    def bounds(onset, offset):
        return frame_bounds(Event(onset, offset, "Bell"), rule="centre")

    assert bounds(0.02, 0.06) == (0, 2)
    assert bounds(0.0201, 0.0599) == (1, 1)
    assert bounds(0.021, 0.0601) == (1, 2)
    assert bounds(-3.0, 99.0) == (0, 250)


STRETCH = st.builds(
    lambda first, length, label: Event(first / 1000, (first + length) / 1000, label),
    st.integers(0, 20_000),
    st.integers(1, 9_000),
    st.sampled_from(CLASSES),
)


@pytest.mark.parametrize("rule", ["cover", "centre"])
@given(st.lists(STRETCH, max_size=6), st.integers(0, 500), st.integers(1, 250))
def test_labels_of_a_piece_are_that_part_of_the_whole_and_those_of_the_moved_events(
    rule, events, first, frames
):
    whole = encode_events(events, CLASSES, frames=first + frames, rule=rule)
    piece = encode_events(events, CLASSES, frames=frames, first_frame=first, rule=rule)
    np.testing.assert_array_equal(piece, whole[:, first:])
    start = first * 0.04
    moved = [event._replace(onset=event.onset - start, offset=event.offset - start) for event in events]
    np.testing.assert_array_equal(piece, encode_events(moved, CLASSES, frames=frames, rule=rule))


def test_pieces_keep_float32_times_of_the_whole_clip():
    event = Event(10.12, 10.28, "Bell")
    whole = encode_events([event], CLASSES, frames=500, float32_times=True)
    piece = encode_events([event], CLASSES, first_frame=250, float32_times=True)
    np.testing.assert_array_equal(piece, whole[:, 250:])


def events_of(active):
    """Events on the frame grid, from active frames (frames, classes)."""
    runs = zip(*(part.tolist() for part in event_frames(active)), strict=True)
    return sorted(Event(start / 25, stop / 25, CLASSES[number]) for number, start, stop in runs)


@given(arrays(bool, st.tuples(st.integers(1, 250), st.just(3))))
def test_the_runs_of_active_frames_encode_to_the_same_frames(active):
    events = events_of(active)
    np.testing.assert_array_equal(encode_events(events, CLASSES, frames=len(active)).T, active)
    assert merge_events(events) == events


ON_GRID = st.builds(
    lambda first, length, label: Event(first / 25, (first + length) / 25, label),
    st.integers(0, 249),
    st.integers(1, 100),
    st.sampled_from(CLASSES),
)


@given(st.lists(ON_GRID, max_size=8))
def test_the_runs_of_encoded_events_are_the_merged_events(events):
    merged = sorted(event._replace(offset=min(event.offset, 10.0)) for event in merge_events(events))
    assert events_of(encode_events(events, CLASSES).T.astype(bool)) == merged


def test_runs_come_by_class_and_then_by_time():
    active = np.array([[1, 0], [0, 1], [1, 1]], bool)
    assert [part.tolist() for part in event_frames(active)] == [[0, 0, 1], [0, 2, 1], [1, 3, 3]]
