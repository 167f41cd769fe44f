"""Windows, blending, filtering and decoding of a stream give what the whole file gives."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from effbench.detect.file_decoder import EventDecoder, StreamingMedian
from effbench.evaluate.median import median_filter
from effbench.grid import CLIP_FRAMES, CLIP_SAMPLES, FRAME_SAMPLES
from effbench.infer.windows import Blend, cut, frames_of

HOP_FRAMES = 200

lengths = st.one_of(
    st.integers(1, 3000),
    st.integers(CLIP_SAMPLES - 700, 5 * CLIP_SAMPLES),
    st.sampled_from(
        [CLIP_SAMPLES * k + HOP_FRAMES * FRAME_SAMPLES * j for k in (1, 2, 3) for j in (0, 1, 2)]
    ),
)


def pieces(array, seed, longest):
    """The array in pieces of random length, some of them empty."""
    rng = np.random.default_rng(seed)
    while len(array):
        step = int(rng.integers(0, longest + 1))
        yield array[:step]
        array = array[step:]


def reference_starts(frames, overlap):
    """First frames of all windows, from the length alone."""
    if not overlap:
        return list(range(0, frames, CLIP_FRAMES))
    if frames <= CLIP_FRAMES:
        return [0]
    return [*range(0, frames - CLIP_FRAMES, HOP_FRAMES), frames - CLIP_FRAMES]


@settings(max_examples=60, deadline=None)
@given(
    samples=lengths,
    seed=st.integers(0, 99),
    longest=st.sampled_from([977, 16_000, 200_000]),
    overlap=st.booleans(),
)
def test_windows_hold_the_right_samples_whatever_the_blocks(samples, seed, longest, overlap):
    audio = np.arange(1, samples + 1, dtype=np.float32)
    windows = list(cut(pieces(audio, seed, longest), overlap=overlap, min_samples=258))
    assert [window.start for window in windows] == reference_starts(frames_of(samples), overlap)
    assert [window.last for window in windows] == [False] * (len(windows) - 1) + [True]
    assert windows[-1].total_samples == samples
    for window in windows:
        part = audio[window.start * FRAME_SAMPLES :][:CLIP_SAMPLES]
        short = overlap and samples < CLIP_SAMPLES
        assert len(window.samples) == (max(samples, 258) if short else CLIP_SAMPLES)
        np.testing.assert_array_equal(window.samples[: len(part)], part)
        assert not window.samples[len(part) :].any()


@pytest.mark.parametrize(
    ("overlap", "starts"),
    [(True, [0, 8, 16, 24, 32, 37]), (False, [0, 10, 20, 30, 40])],
)
def test_windows_begin_every_eight_seconds_or_without_overlap_every_ten(overlap, starts):
    windows = cut([np.zeros(47 * 16_000, np.float32)], overlap=overlap)
    assert [window.start * 0.04 for window in windows] == pytest.approx(starts)


def test_no_audio_has_no_windows():
    assert list(cut([])) == []
    assert list(cut([np.empty(0, np.float32)])) == []


@pytest.mark.parametrize("minutes", [5, 10, 120])
def test_overlap_costs_at_most_thirty_percent(minutes):
    frames = minutes * 60 * 25
    assert len(reference_starts(frames, True)) <= 1.3 * len(reference_starts(frames, False))


@settings(max_examples=60, deadline=None)
@given(samples=lengths, overlap=st.booleans())
def test_windows_that_agree_are_blended_to_the_last_bit(samples, overlap):
    frames = frames_of(samples)
    truth = np.random.default_rng(samples).random((frames + CLIP_FRAMES, 2), np.float32)
    blend = Blend()
    out = []
    for window in cut([np.zeros(samples, np.float32)], overlap=overlap):
        count = frames_of(len(window.samples))
        out.append(blend.add(window, truth[window.start : window.start + count]))
    joined = np.concatenate(out)
    np.testing.assert_array_equal(joined, truth[: len(joined)])
    assert len(joined) == (frames if overlap else -(-frames // CLIP_FRAMES) * CLIP_FRAMES)


def test_one_window_fades_into_the_next():
    windows = list(cut([np.zeros(18 * 16_000, np.float32)]))
    blend = Blend()
    first = blend.add(windows[0], np.zeros((CLIP_FRAMES, 1), np.float32))
    rest = blend.add(windows[1], np.ones((CLIP_FRAMES, 1), np.float32))
    scores = np.concatenate([first, rest])[:, 0]
    assert len(scores) == 450
    assert not scores[:200].any()
    assert (scores[250:] == 1).all()
    np.testing.assert_allclose(scores[200:250], (np.arange(50) + 0.5) / 50, atol=1e-6)


@settings(max_examples=80, deadline=None)
@given(
    frames=st.integers(1, 120),
    window=st.integers(1, 40),
    seed=st.integers(0, 99),
    longest=st.integers(1, 60),
)
def test_streaming_median_equals_the_whole(frames, window, seed, longest):
    scores = np.random.default_rng(seed).random((frames, 3), np.float32).round(1)
    stream = StreamingMedian(window)
    out = [stream.add(piece) for piece in pieces(scores, seed, longest)]
    rest = stream.finish()
    out += [] if rest is None else [rest]
    np.testing.assert_array_equal(np.concatenate(out), median_filter(scores, window))
    # SciPy's own filter is unreliable where the window is longer than the data.
    if window <= frames:
        expected = ndimage.median_filter(scores, size=(window, 1), mode="reflect")
        np.testing.assert_array_equal(np.concatenate(out), expected)


def runs(scores, thresholds):
    """(onset, offset, class, threshold, peak) of contiguous frames above each threshold, by the letter."""
    found = []
    for index, threshold in enumerate(thresholds):
        for label, curve in enumerate(scores.T):
            onset = None
            for frame, value in enumerate([*curve.tolist(), -1.0]):
                if value > threshold and onset is None:
                    onset = frame
                elif value <= threshold and onset is not None:
                    peak = float(curve[onset:frame].max())
                    found.append((onset, frame, label, index, peak))
                    onset = None
    return sorted(found, key=lambda run: (run[0], run[2], run[3]))


@settings(max_examples=80, deadline=None)
@given(
    frames=st.integers(1, 80),
    classes=st.integers(1, 4),
    seed=st.integers(0, 999),
    longest=st.integers(1, 30),
    thresholds=st.lists(st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=3, unique=True),
)
def test_streaming_decoder_equals_the_whole(frames, classes, seed, longest, thresholds):
    steps = np.random.default_rng(seed).integers(0, 5, (frames, classes))
    scores = (steps / 4).astype(np.float32).repeat(2, axis=0)
    decoder = EventDecoder(thresholds)
    for piece in pieces(scores, seed, longest):
        decoder.add(piece)
    assert [tuple(event) for event in decoder.finish().tolist()] == runs(scores, thresholds)
