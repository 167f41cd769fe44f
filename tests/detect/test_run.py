"""From files to events: what is streamed, batched and prefetched equals what is computed whole."""

import tempfile
import threading

import numpy as np
import pytest
import soundfile
import torch
from scipy import ndimage, special

from effbench.data.audio import read_audio
from effbench.detect.detected import RECORD, DetectedFile, Failure
from effbench.detect.event_decoding import Decoding
from effbench.detect.formats import EventFormat
from effbench.detect.inputs import Source
from effbench.detect.outputs import Destinations
from effbench.detect.run import detect_files
from effbench.errors import EffbenchError
from effbench.infer.backends.backend import Placement
from effbench.infer.backends.eager import arranged
from effbench.infer.batches import prefetch
from effbench.infer.scorer import FrameScorer, Inference
from effbench.infer.windows import Blend, cut
from effbench.machine.devices import Precision
from tests.detect import heard


class Collector:
    """Keeps all frames of a source, and how it ended."""

    def __init__(self):
        self.raw_blocks, self.filtered_blocks, self.ended = [], [], None

    def __enter__(self):
        return self

    def on_scores(self, scores):
        self.raw_blocks.append(scores.copy())

    def on_filtered(self, scores):
        self.filtered_blocks.append(scores.copy())

    def on_end(self, file):
        self.ended = "finished"

    def __exit__(self, kind, *_):
        if kind is not None:
            self.ended = "aborted"

    @property
    def scores(self):
        return np.concatenate(self.raw_blocks)

    @property
    def smooth(self):
        return np.concatenate(self.filtered_blocks)


def run(paths, decoding, **options):
    """Results and collectors of files."""
    collectors = {}

    def listen(source):
        collectors[source.name] = Collector()
        return [collectors[source.name]]

    sources = [Source(path.name, path) for path in paths]
    scorer = scorer_of(columns=decoding.columns, **options)
    return list(detect_files(sources, scorer, decoding, listen=listen)), collectors


def scorer_of(spec="fmn04", columns=None, **options):
    return FrameScorer(heard.detector(spec), Inference(**options), probabilities=True, columns=columns)


def whole(path, overlap):
    """Scores of a file at once: every window by itself, blended by sums of weights."""
    samples = read_audio(path)
    blend, blocks = Blend(), []
    network = arranged(scorer_of().optimized[0].detector, Placement(torch.device("cpu"), Precision.fp32))
    for window in cut([samples], overlap=overlap, min_samples=258):
        logits = heard.logits(network, window.samples)
        blocks.append(blend.add(window, special.expit(logits)))
    return np.concatenate(blocks)


# Windows by themselves are what ``whole`` computes; batches take other kernels, which round otherwise.
@pytest.mark.parametrize(("batch_size", "atol"), [(1, 1e-6), (3, 5e-4)])
@pytest.mark.parametrize("overlap", [True, False])
def test_batches_across_files_change_nothing(tmp_path, overlap, batch_size, atol):
    lengths = {"long.wav": 31.3, "ten.flac": 10.0, "short.wav": 1.234, "same.wav": 1.234, "tiny.wav": 0.001}
    paths = [heard.write(tmp_path / name, seconds) for name, seconds in lengths.items()]
    results, collected = run(paths, Decoding((0.5,)), overlap=overlap, batch_size=batch_size)
    assert [result.name for result in results] == list(lengths)
    for path, result in zip(paths, results, strict=True):
        scores = whole(path, overlap)
        frames = -(-result.samples // 640)
        np.testing.assert_allclose(collected[path.name].scores, scores[:frames], atol=atol)
        smooth = ndimage.median_filter(scores, size=(9, 1), mode="reflect")[:frames]
        np.testing.assert_allclose(collected[path.name].smooth, smooth, atol=atol)
        np.testing.assert_allclose(result.peaks, smooth.max(axis=0), atol=atol)
        assert result.duration == pytest.approx(lengths[path.name], abs=1e-6)
        assert all(0 <= e.onset < e.offset <= result.duration for e in result)
        assert collected[path.name].ended == "finished"


@pytest.mark.parametrize("seconds", [0.0001, 0.016, 0.04, 3.21, 9.99, 10.0, 10.04, 18.0, 26.0])
def test_frames_follow_the_audio(tmp_path, seconds):
    path = heard.write(tmp_path / "a.wav", max(seconds, 1 / 16_000))
    samples = len(read_audio(path))
    (result,), collected = run([path], Decoding())
    assert result.samples == samples
    assert len(collected["a.wav"].scores) == len(collected["a.wav"].smooth) == -(-samples // 640)


def test_an_event_across_a_border_is_one_event(tmp_path):
    class Steady:
        """Hears class 0 all the time, but not in the last half second of a window, and less at its start."""

        min_samples = 1

        def __init__(self, overlap):
            self.inference = Inference(overlap=overlap)

        def __call__(self, batch):
            scores = np.full((len(batch), -(-len(batch[0]) // 640), 447), 0.0, np.float32)
            scores[:, :-12, 0] = 0.9
            scores[:, :12, 0] = 0.2
            return scores

    path = heard.write(tmp_path / "a.wav", 60)
    source = Source("a", path)
    (cross_faded,) = detect_files([source], Steady(overlap=True), Decoding())
    (hard,) = detect_files([source], Steady(overlap=False), Decoding())
    assert len(cross_faded) == 1
    assert len(hard) == 6


def test_bad_file_fails_alone(tmp_path):
    good = heard.write(tmp_path / "good.wav", 12)
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"RIFF not at all")
    hostile = tmp_path / "nan.wav"
    samples = heard.audio(45).copy()
    samples[600_000] = np.nan
    soundfile.write(hostile, samples, 16_000, subtype="FLOAT")
    results, collected = run([bad, good, hostile, tmp_path / "gone.wav", good], Decoding(), batch_size=1)
    kinds = [type(result).__name__ for result in results]
    assert kinds == ["Failure", "DetectedFile", "Failure", "Failure", "DetectedFile"]
    assert "nan.wav" in str(results[2])
    assert "\n" not in str(results[2])
    assert collected["nan.wav"].ended == "aborted"
    assert isinstance(results[3], Failure)


def test_leaving_early_aborts_the_file_and_ends_the_thread(tmp_path):
    paths = [heard.write(tmp_path / f"{n}.wav", 45) for n in range(2)]
    collectors = []

    def listen(source):
        collectors.append(Collector())
        return collectors[-1:]

    before = threading.active_count()
    sources = [Source(path.name, path) for path in paths]
    running = detect_files(sources, scorer_of(batch_size=6), Decoding(), listen=listen)
    next(running)
    running.close()
    assert collectors[0].ended == "finished"
    assert {collector.ended for collector in collectors[1:]} <= {"aborted"}
    assert threading.active_count() == before


def test_selection_keeps_what_was_asked_for(tmp_path):
    path = heard.write(tmp_path / "a.wav", 20)
    (everything,), _ = run([path], Decoding((0.3, 0.6)))
    assert {event.threshold for event in everything} == {0.3, 0.6}
    (top,), _ = run([path], Decoding((0.3, 0.6), top=3))
    best = {everything.labels[i] for i in np.argsort(-everything.peaks, kind="stable")[:3]}
    assert set(top) == {event for event in everything if event.label in best}
    (lasting,), _ = run([path], Decoding((0.3, 0.6), min_duration=0.4))
    kept = {e for e in everything if round(e.offset - e.onset, 6) >= 0.4 or e.offset == 20.0}
    assert set(lasting) <= kept
    assert len(lasting) >= 0.95 * len(kept)
    name = everything.labels[7]
    (one,), _ = run([path], Decoding((0.3, 0.6), classes=(name,)))
    assert list(one) == [event for event in everything if event.label == name]


def test_peak_of_an_event_is_its_highest_filtered_score(tmp_path):
    path = heard.write(tmp_path / "a.wav", 33)
    (result,), collected = run([path], Decoding((0.5,)))
    smooth = collected["a.wav"].smooth
    for record in result.records[:: max(1, len(result) // 200)]:
        expected = smooth[record["onset"] : record["offset"], record["label"]].max()
        assert record["score"] == expected


def test_prefetch_hands_on_items_and_errors_in_order():
    def items():
        yield from range(5)
        raise ZeroDivisionError

    ahead = prefetch(items(), 2)
    assert [next(ahead) for _ in range(5)] == list(range(5))
    with pytest.raises(ZeroDivisionError):
        next(ahead)
    ahead = prefetch(iter(range(100)), 1)
    assert next(ahead) == 0
    ahead.close()


def test_events_are_not_lost_where_their_file_can_t_be_written(tmp_path, monkeypatch):
    folder, spare = tmp_path / "full", tmp_path / "spare"
    folder.mkdir()
    spare.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spare))
    places = Destinations(1, EventFormat.csv, folder / "events.csv")
    records = np.array([(25, 50, 1, 0, 0.75)], RECORD)
    with places.open({}, ["Bell", "Rain"], overwrite=False) as outputs:
        outputs.keep(DetectedFile("a.wav", 48_000, records, np.ones(2), ("Bell", "Rain"), (0.5,)))
        folder.rmdir()
        with pytest.raises(EffbenchError, match=r"events\.csv' can't be written.*\n.*spare") as caught:
            outputs.finish([])
    (kept,) = spare.iterdir()
    assert f"The events are in '{kept}'." in str(caught.value)
    assert "a.wav,1.0,2.0,Rain" in kept.read_text()
