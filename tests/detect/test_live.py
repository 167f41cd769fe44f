"""Live detection: what is told while audio comes is what a whole file gives, as far as windows agree."""

import json
import os
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effbench.detect.event_decoding import Decoding
from effbench.detect.file_decoder import EventDecoder
from effbench.detect.inputs import Source
from effbench.detect.live import LiveDetector, LiveStream
from effbench.detect.live_sources import LiveFeed, RawPcm
from effbench.detect.run import detect_files
from effbench.errors import AudioError, UsageError
from effbench.evaluate.median import median_filter
from effbench.grid import FRAME_SAMPLES
from effbench.infer.scorer import FrameScorer
from effbench.infer.sliding import Sliding
from effbench.infer.windows import frames_of
from tests.detect import heard

NAMES = ("a", "b")


def levels(samples):
    """A model without surroundings: two scores of each frame, from that frame alone."""
    padded = np.pad(samples, (0, -len(samples) % FRAME_SAMPLES))
    peak = np.abs(padded.reshape(-1, FRAME_SAMPLES)).max(axis=1)
    return np.stack([peak, 1 - peak], axis=1).astype(np.float32)


def follow(stream, audio, blocks, newest_only=False):
    events, position = [], 0
    for length in blocks:
        for window in stream.windows.push(audio[position : position + length], newest_only=newest_only):
            events += stream.decode(window, levels(window.samples))
        position += length
    if (last := stream.windows.finish()) is not None:
        events += stream.decode(last, levels(last.samples))
    return events + stream.finish()


def whole(audio, decoding):
    events = EventDecoder(decoding.thresholds)
    events.add(median_filter(levels(audio), decoding.median_window))
    return events.finish()


@settings(max_examples=60, deadline=None)
@given(
    data=st.data(), samples=st.integers(1, 40 * 16_000), hop=st.integers(1, 120), ahead=st.integers(0, 130)
)
def test_where_surroundings_do_not_matter_a_stream_has_the_events_of_the_whole(data, samples, hop, ahead):
    rng = np.random.default_rng(samples)
    audio = np.repeat(rng.random(frames_of(samples) // 5 + 1), 5 * FRAME_SAMPLES)[:samples].astype(np.float32)
    decoding = Decoding((0.3, 0.6), data.draw(st.sampled_from([1, 4, 9])), names=NAMES, min_duration=0.3)
    blocks, left = [], samples
    while left > 0:
        blocks.append(data.draw(st.integers(1, max(left, 1))) if len(blocks) < 8 else left)
        left -= blocks[-1]
    told = follow(LiveStream(decoding, Sliding(hop, ahead)), audio, blocks)
    wanted = [
        (onset / 25, min(offset / 25, samples / 16_000), NAMES[label], decoding.thresholds[threshold])
        for onset, offset, label, threshold, _ in whole(audio, decoding).tolist()
        if (offset - onset) / 25 >= 0.3 - 1e-9
    ]
    ends = [(e.onset, e.offset, e.label, e.threshold) for e in told if e.state == "end"]
    assert sorted(ends) == sorted(wanted)
    begun = set()
    for event in told:  # each start once, before its end
        key = event.onset, event.label, event.threshold
        assert (key in begun) == (event.state == "end")
        begun.add(key)
    assert len(begun) == len(wanted)


def test_events_are_told_within_the_stated_delay():
    audio = np.zeros(20 * 16_000, np.float32)
    audio[int(5.2 * 16_000) : 8 * 16_000] = 1
    live = LiveDetector(FrameScorer(heard.detector()), Decoding(classes=["Speech"]), Sliding(25, 25))
    assert live.delay == pytest.approx(2.16)
    stream, told = LiveStream(Decoding(names=NAMES, classes=["a"]), Sliding(25, 25)), {}
    for position in range(0, len(audio), FRAME_SAMPLES):
        for window in stream.windows.push(audio[position : position + FRAME_SAMPLES]):
            for event in stream.decode(window, levels(window.samples)[:, :1]):
                told[event.state] = (event.time, position / 16_000 + 0.04)
    assert told["start"][0] == pytest.approx(5.2)
    assert told["end"][0] == pytest.approx(8.0)
    for happened, known in told.values():
        assert happened < known <= happened + live.delay + 0.04


def test_skipped_windows_cost_nothing_within_ten_seconds_and_beyond_that_are_counted():
    audio = np.full(40 * 16_000, 0.9, np.float32)
    decoding = Decoding(names=NAMES, classes=["a"], median_window=1)
    late = LiveStream(decoding, Sliding(25, 25))
    (start, end) = [e for e in follow(late, audio, [5 * 16_000] * 8, newest_only=True) if e.label == "a"]
    assert (start.onset, end.offset) == (0, 40)
    assert late.windows.skipped > 0
    assert late.windows.lost == 0
    gone = LiveStream(decoding, Sliding(25, 25))
    ends = [e for e in follow(gone, audio, [20 * 16_000] * 2, newest_only=True) if e.state == "end"]
    # Windows 10–20 s and 30–40 s: the second decides from 30 s on, the first up to 19 s.
    assert [(e.onset, e.offset) for e in ends] == [(10, 19), (30, 40)]
    assert gone.windows.lost == (10 + 11) * 25


def test_the_end_of_a_stream_decides_what_an_interrupt_left_unscored():
    audio = np.full(5 * 16_000, 0.9, np.float32)
    stream = LiveStream(Decoding(names=NAMES, classes=["a"]), Sliding(25, 25))
    first, *_ = stream.windows.push(audio)  # the others are lost with the interrupt
    told = stream.decode(first, levels(first.samples)[:, :1])
    last = stream.last_window()
    told += [*stream.decode(last, levels(last.samples)[:, :1]), *stream.finish()]
    assert [(event.onset, event.offset) for event in told] == [(0, None), (0, 5)]


def test_a_window_that_holds_the_whole_file_gives_its_events_to_the_last_bit(tmp_path):
    path = heard.write(tmp_path / "x.wav", 9.3)
    scorer = FrameScorer(heard.detector(), probabilities=True)
    decoding = Decoding((0.3, 0.5))
    (file,) = detect_files([Source("x", path)], scorer, decoding)
    pcm = np.frombuffer(path.read_bytes()[-round(9.3 * 16_000) * 2 :], "<i2") / np.float32(2**15)
    live = LiveDetector(scorer, decoding, Sliding(250, 0))
    ends = [e for e in [*live.push(pcm.astype(np.float32)), *live.finish()] if e.state == "end"]
    key = ("onset", "offset", "label", "threshold", "score")
    assert len(file) > 3
    assert sorted(tuple(getattr(e, k) for k in key) for e in ends) == sorted(
        tuple(getattr(e, k) for k in key) for e in file
    )


@pytest.mark.parametrize(
    ("hop", "ahead", "words"),
    [(0, 1, "not by 0 s"), (float("nan"), 1, "not by nan"), (1, -1, "not negative"), (6, 5, "do not fit")],
)
def test_impossible_windows_are_refused(hop, ahead, words):
    with pytest.raises(UsageError, match=words):
        Sliding.of_seconds(hop, ahead)


def pipe(content):
    out, into = os.pipe()
    with os.fdopen(into, "wb") as end:
        end.write(content)
    return out


@pytest.mark.parametrize(
    ("name", "kind", "scale"), [("s16", "<i2", 2**15), ("s32", "<i4", 2**31), ("f64", "<f8", 1)]
)
def test_raw_samples_are_read_and_channels_averaged(name, kind, scale):
    values = np.array([[0.5, 0.25], [-1, 0]])
    content = (values * scale).astype(kind).tobytes()
    (samples,) = RawPcm(channels=2, sample_format=name).read(pipe(content))
    np.testing.assert_array_equal(samples, np.float32([0.375, -0.5]))


def test_other_rates_are_resampled_while_they_come():
    tone = np.sin(2 * np.pi * 440 * np.arange(4_800) / 48_000).astype("<f4")
    samples = np.concatenate(list(RawPcm(48_000, 1, "f32").read(pipe(tone.tobytes()))))
    wanted = np.sin(2 * np.pi * 440 * np.arange(1_600) / 16_000)
    assert len(samples) == 1_600
    np.testing.assert_allclose(samples[200:-200], wanted[200:-200], atol=1e-3)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no audio"),
        (b"RIFF" + bytes(100), "is a WAV file"),
        (bytes(101), "1 bytes are too many"),
    ],
)
def test_what_is_no_raw_audio_is_said(content, words):
    with pytest.raises(AudioError, match=words):
        list(RawPcm().read(pipe(content)))


def test_samples_that_are_no_numbers_are_refused():
    with pytest.raises(AudioError, match="not finite"):
        list(RawPcm(sample_format="f32").read(pipe(np.float32([0, np.nan]).tobytes())))


def test_a_source_that_is_faster_than_real_time_is_never_called_late():
    blocks = [np.full(8_000, k, np.float32) for k in range(200)]
    taken = list(LiveFeed(iter(blocks)))
    assert not any(paced for _, paced in taken)
    np.testing.assert_array_equal(np.concatenate([samples for samples, _ in taken]), np.concatenate(blocks))


def test_a_source_with_a_pace_of_its_own_is_handed_out_at_once():
    import time

    def blocks():
        for _ in range(20):
            time.sleep(0.02)
            yield np.zeros(160, np.float32)  # 10 ms

    lengths = []
    for samples, paced in LiveFeed(blocks()):
        assert paced
        lengths.append(len(samples))
        time.sleep(0.1)
    assert sum(lengths) == 20 * 160
    assert max(lengths) > 160


@pytest.fixture
def hear(effbench, monkeypatch, tmp_path):
    def run(content, *options):
        (tmp_path / "x.pcm").write_bytes(content)
        with (tmp_path / "x.pcm").open() as file:
            monkeypatch.setattr(sys, "stdin", file)
            return effbench("detect", "-", "--live", "--model", "fmn01", *options)

    return run


def test_the_command_prints_events_as_lines_or_json(hear):
    audio = (heard.audio(11) * 2**15).clip(-(2**15), 2**15 - 1).astype("<i2").tobytes()
    done = hear(audio, "--threshold", "0.4", "--classes", "Speech", "--format", "json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert [event["state"] for event in events].count("start") == len(events) / 2 > 0
    assert "2.16 s" in done.stderr
    assert "11.00 s heard; 11 windows scored, 0 skipped" in done.stderr


def test_events_before_a_broken_end_are_printed(hear):
    done = hear(bytes(2 * 16_000 + 1), "--threshold", "0")
    assert done.returncode == 1
    states = [line.split()[1] for line in done.stdout.splitlines()]
    assert states.count("start") == states.count("end") == 447
    assert "ends within a sample" in done.stderr


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["-", "--live", "--top", "3"], "--top is for files"),
        (["-", "--live", "--format", "csv"], "--format csv is for files"),
        (["x.wav", "--live"], "files are detected in without it"),
        (["x.wav", "--hop", "1"], "--hop goes with --live"),
        (["-", "--live", "--sample-format", "s17"], "did you mean 's16'"),
        (["--live", "--rate", "8000"], "give -"),
        ([], "give AUDIO"),
    ],
)
def test_options_that_do_not_go_together_are_refused(effbench, options, words):
    done = effbench("detect", "--model", "fmn01", *options)
    assert done.returncode == 2
    assert words in done.stderr


def test_a_missing_microphone_is_said_in_words(effbench):
    done = effbench("detect", "--live", "--model", "fmn01", "--input-device", "no such microphone")
    assert done.returncode == 1
    assert "microphone" in done.stderr
