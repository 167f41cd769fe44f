"""Sampling weights of clips, from the tables alone."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effbench.data.clips import DataSet
from effbench.data.labels import Event, EventTable, encode_events
from effbench.data.vocabulary import ClassList
from effbench.train.feed.samplers import balanced_weights

CLASSES = ClassList(("bark", "rain", "speech"))


class Silent:
    """Audio that must not be read."""

    name = "none"

    def source(self):
        raise AssertionError("audio was read")


def dataset(clips, events=(), weak=None):
    table = EventTable.from_rows((clip, *event) for clip, event in events)
    audio = {name: Silent() for name in clips}
    return DataSet(Path("none"), "folder", "train", CLASSES, audio, table, weak or {})


def test_strong_weights_by_hand():
    data = dataset(
        ["a", "b", "c"],
        [
            ("a", Event(0.0, 0.4, "bark")),  # 10 frames
            ("a", Event(0.3, 0.6, "bark")),  # 5 more
            ("a", Event(0.0, 10.0, "cough")),  # no class
            ("b", Event(0.5, 0.51, "bark")),  # 1 frame
            ("b", Event(9.0, 12.0, "rain")),  # 25 frames in the clip's 10 s
            ("x", Event(0.0, 10.0, "rain")),  # no clip
        ],
    )
    bark, rain = 1000 / (30 + 16), 1000 / (30 + 25)
    expected = [15 * bark, 1 * bark + 25 * rain, 0]
    assert balanced_weights(data, "strong").tolist() == pytest.approx(expected)


def test_weak_weights_by_hand():
    weak = {"a": ("bark", "rain"), "b": ("rain", "cough", "rain"), "x": ("bark",)}
    data = dataset(["a", "b", "c"], weak=weak)
    bark, rain = 1000 / (100 + 1), 1000 / (100 + 2)
    assert balanced_weights(data, "weak").tolist() == pytest.approx([bark + rain, rain, 0])


TIMES = st.one_of(st.integers(0, 260).map(lambda k: k * 0.04), st.floats(0, 11))
EVENTS = st.lists(
    st.tuples(st.sampled_from("abc"), TIMES, TIMES, st.sampled_from(["bark", "rain", "speech", "cough"])),
    max_size=12,
)


@settings(max_examples=60, deadline=None)
@given(EVENTS)
def test_frames_are_those_of_the_training_labels(rows):
    events = [(clip, Event(min(s, t), max(s, t), label)) for clip, s, t, label in rows]
    data = dataset("abc", events)
    frames = np.stack([encode_events(clip.events, CLASSES.names).sum(1) for clip in data])
    expected = (frames * 1000 / (30 + frames.sum(0))).sum(1)
    np.testing.assert_allclose(balanced_weights(data, "strong"), expected, rtol=1e-6)


@pytest.mark.parametrize("labels", ["strong", "weak"])
def test_sets_without_labels_have_no_weight(labels):
    assert balanced_weights(dataset(["a", "b"]), labels).tolist() == [0, 0]


def test_many_clips_have_weights():
    rng = np.random.default_rng(0)
    n = 20_000
    clips = [f"{clip:06}" for clip in rng.integers(0, n, 9 * n)]
    onsets = rng.uniform(0, 10, 9 * n)
    labels = rng.choice(np.array([*CLASSES.names]), 9 * n)
    table = EventTable(clips, onsets, onsets + rng.exponential(1, 9 * n), labels)
    audio = dict.fromkeys((f"{clip:06}" for clip in range(n)), Silent())
    data = DataSet(Path("none"), "folder", "train", CLASSES, audio, table)
    assert (balanced_weights(data, "strong") > 0).mean() > 0.99
