import json
from dataclasses import replace

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from effbench.data.datasets import open_dataset
from effbench.data.labels import Event, encode_events
from effbench.data.synth import synthesise
from effbench.data.vocabulary import strong_classes
from effbench.errors import AudioError, DataError, UsageError
from effbench.grid import FRAME_SAMPLES
from effbench.train.feed.pieces import TrainingItems, ValidationItems
from effbench.train.feed.samplers import Draw

h5py = pytest.importorskip("h5py")

RATE = 16_000
CLASSES = ("bump", "click")


def write_hear(folder, clips, form="wav", rate=RATE):
    """A HEAR task of clips (name, samples at ``rate``, events in ms)."""
    (folder / "16000" / "train").mkdir(parents=True)
    (folder / "labelvocabulary.csv").write_text("idx,label\n0,bump\n1,click\n")
    labels = {}
    for name, samples, events in clips:
        soundfile.write(folder / "16000" / "train" / f"{name}.{form}", samples, rate)
        labels[f"{name}.{form}"] = [dict(zip(("label", "start", "end"), e, strict=True)) for e in events]
    (folder / "train.json").write_text(json.dumps(labels))
    return open_dataset(folder)


def clicks(seconds, frames):
    """Silence with a frame of full scale wherever a click is, and its events."""
    samples = np.zeros(round(seconds * RATE), np.float32)
    for frame in frames:
        samples[frame * FRAME_SAMPLES : (frame + 1) * FRAME_SAMPLES] = 0.5
    return samples, [("click", 40 * frame, 40 * (frame + 1)) for frame in frames]


@pytest.fixture(scope="module")
def clicking(tmp_path_factory):
    """One clip of 60 s with clicks at random frames."""
    frames = np.flatnonzero(np.random.default_rng(0).random(1500) < 0.2).tolist()
    samples, events = clicks(60, frames)
    return write_hear(tmp_path_factory.mktemp("clicking"), [("a", samples, events)])


@pytest.fixture(scope="module")
def synthetic(tmp_path_factory):
    folder = tmp_path_factory.mktemp("set")
    synthesise(folder, clips=5, eval_clips=2, seconds=10)
    return open_dataset(folder, split="train")


def heard(waveform):
    """Frames of a piece that have a click."""
    return np.abs(waveform.reshape(-1, FRAME_SAMPLES)).mean(axis=1) > 0.25


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**63 - 1), st.integers(1, 400), st.sampled_from(["cover", "centre"]))
def test_audio_and_labels_of_a_random_cut_agree_in_every_frame(clicking, seed, frames, rule):
    items = TrainingItems(clicking, classes=CLASSES, seconds=frames / 25, rule=rule)
    item = items[Draw(0, seed)]
    assert 0 <= item.start <= 1500 - frames
    assert item.frames == frames
    np.testing.assert_array_equal(heard(item.waveform), item.labels[1].astype(bool))
    assert not item.labels[0].any()


@pytest.mark.parametrize(("form", "rate"), [("mp3", 32_000), ("flac", 48_000), ("ogg", 16_000)])
def test_labels_follow_the_audio_of_other_formats_and_rates(tmp_path, form, rate):
    samples = np.zeros(30 * rate, np.float32)
    time = np.arange(2 * rate) / rate
    samples[17 * rate : 19 * rate] = 0.5 * np.sin(2 * np.pi * 1000 * time)
    dataset = write_hear(tmp_path, [("a", samples, [("click", 17_000, 19_000)])], form, rate)
    items = TrainingItems(dataset, classes=CLASSES)
    for seed in range(8):
        item = items[Draw(0, seed)]
        loud = np.abs(item.waveform.reshape(-1, FRAME_SAMPLES)).mean(axis=1) > 0.15
        assert np.abs(loud.astype(int) - item.labels[1]).sum() <= 2


def test_all_positions_of_a_cut_occur_and_none_beyond(tmp_path):
    dataset = write_hear(tmp_path, [("a", *clicks(1.2, [3]))])
    items = TrainingItems(dataset, classes=CLASSES, seconds=1.0)
    assert {items[Draw(0, seed)].start for seed in range(200)} == set(range(6))


def test_a_cut_depends_on_the_seed_alone(clicking):
    items = TrainingItems(clicking, classes=CLASSES)
    assert len(items) == 6
    np.testing.assert_array_equal(items.clips, np.zeros(6))
    one, same, other = items[Draw(0, 7)], items[Draw(5, 7)], items[Draw(0, 8)]
    assert one.start == same.start != other.start
    np.testing.assert_array_equal(one.waveform, same.waveform)


@pytest.mark.parametrize("length", [0.5, 9.99, 10.0, 10.03, 10.05])
def test_what_fits_into_a_piece_is_taken_from_its_start_and_filled_with_silence(tmp_path, length):
    samples = np.full(round(length * RATE), 0.25, np.float32)
    dataset = write_hear(tmp_path, [("a", samples, [("bump", 0, 1000 * length)])])
    items = TrainingItems(dataset, classes=CLASSES)
    assert len(items) == 1
    for seed in range(5):
        item = items[Draw(0, seed)]
        assert (item.start, item.waveform.shape) == (0, (160_000,))
        assert item.frames == min(250, int(np.ceil(round(length * 25, 6))))
        kept = min(len(samples), 160_000)
        assert (item.waveform[:kept] == 0.25).all()
        assert not item.waveform[kept:].any()
        assert item.labels[0].sum() == min(250, np.ceil(round(length * 25, 6)))


def test_short_pieces_of_ten_second_clips(synthetic):
    items = TrainingItems(synthetic, classes=synthetic.classes.names, seconds=5.0)
    assert len(items) == 10
    whole = TrainingItems(synthetic, classes=synthetic.classes.names)
    for index in range(10):
        item = items[Draw(index, index)]
        full = whole[Draw(index // 2, 0)]
        assert item.clip == full.clip
        start = item.start * FRAME_SAMPLES
        np.testing.assert_array_equal(item.waveform, full.waveform[start : start + 80_000])
        np.testing.assert_array_equal(item.labels, full.labels[:, item.start : item.start + 125])


def test_labels_are_those_of_the_events(synthetic):
    items = TrainingItems(synthetic, classes=strong_classes().names)
    item = items[Draw(3, 0)]
    expected = encode_events(synthetic[3].events, strong_classes().names)
    np.testing.assert_array_equal(item.labels, expected)
    assert item.labels.dtype == np.uint8
    assert item.weak is None
    assert item.pseudo is None


def test_hear_clips_of_two_minutes(tmp_path):
    synthesise(tmp_path / "hear", layout="hear", clips=1, eval_clips=1, classes=["Bell", "Rain"])
    dataset = open_dataset(tmp_path / "hear", split="train")
    items = TrainingItems(dataset, classes=("Bell", "Rain"), rule="centre")
    assert len(items) == 12
    clip = dataset[0]
    whole = encode_events(clip.events, ("Bell", "Rain"), frames=3000, rule="centre")
    audio = clip.waveform()
    for seed in range(4):
        item = items[Draw(seed, seed)]
        np.testing.assert_array_equal(item.labels, whole[:, item.start : item.start + 250])
        np.testing.assert_array_equal(item.waveform, audio[item.start * 640 :][:160_000])
    items = ValidationItems(dataset, classes=("Bell", "Rain"), rule="centre", overlap=False)
    pieces = items.pieces(Draw(0, 0))
    assert (len(items), len(pieces), items.mean_windows) == (1, 12, 12)
    np.testing.assert_array_equal(np.concatenate([piece.waveform for piece in pieces]), audio)
    np.testing.assert_array_equal(np.concatenate([piece.labels for piece in pieces], axis=1), whole)
    assert [piece.start for piece in pieces] == list(range(0, 3000, 250))


@pytest.mark.parametrize(
    ("length", "tail", "expected"),
    [
        (25.0, 0.05, [250, 250, 125]),
        (20.04, 0.05, [250, 250]),
        (20.04, 0.0, [250, 250, 1]),
        (20.1, 0.05, [250, 250, 3]),
        (3.0, 0.05, [250]),
    ],
)
def test_windows_follow_each_other_and_the_last_is_filled(tmp_path, length, tail, expected):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, round(length * RATE)).astype(np.float32)
    dataset = write_hear(tmp_path, [("a", samples, [("bump", 0, 1000)]), ("b", samples, [])])
    items = ValidationItems(dataset, classes=CLASSES, overlap=False, tail_seconds=tail)
    for number, clip in enumerate("ab"):
        pieces = items.pieces(Draw(number, 1))
        assert [(piece.clip, piece.frames) for piece in pieces] == [(clip, frames) for frames in expected]
    joined = np.concatenate([piece.waveform for piece in pieces])
    kept = min(len(samples), len(joined))
    np.testing.assert_array_equal(joined[:kept], dataset[1].waveform()[:kept])
    assert not joined[kept:].any()


def test_overlapping_windows_end_with_the_audio_and_have_the_labels_of_their_frames(clicking):
    pieces = ValidationItems(clicking, classes=CLASSES).pieces(Draw(0, 0))
    assert [piece.start for piece in pieces] == [0, 200, 400, 600, 800, 1000, 1200, 1250]
    for piece in pieces:
        np.testing.assert_array_equal(heard(piece.waveform), piece.labels[1].astype(bool))


def with_pseudo(dataset, path, classes=2, frames=1500, names=None):
    logits = np.random.default_rng(0).normal(size=(len(dataset), classes, frames)).astype(np.float16)
    with h5py.File(path, "w") as file:
        file["filenames"] = [f"{name}.wav".encode() for name in (names or dataset.ids)]
        file["strong_logits"] = logits
    return open_dataset(dataset.path, pseudo_labels=path), logits


def test_pseudo_labels_are_cut_with_the_audio(clicking, tmp_path):
    dataset, logits = with_pseudo(clicking, tmp_path / "pseudo.hdf5")
    items = TrainingItems(dataset, classes=CLASSES)
    for seed in range(5):
        item = items[Draw(0, seed)]
        assert item.pseudo.dtype == np.float16
        np.testing.assert_array_equal(item.pseudo, logits[0, :, item.start : item.start + 250])


def test_pseudo_labels_end_with_their_file(tmp_path):
    dataset = write_hear(tmp_path, [("a", *clicks(10.0, [3]))])
    dataset, logits = with_pseudo(dataset, tmp_path / "pseudo.hdf5", frames=250)
    item = TrainingItems(dataset, classes=CLASSES, seconds=12.0)[Draw(0, 0)]
    np.testing.assert_array_equal(item.pseudo[:, :250], logits[0])
    assert (item.pseudo[:, 250:] == -np.inf).all()


def test_pseudo_labels_in_memory(clicking):
    probabilities = np.random.default_rng(0).random((2, 1500)).astype(np.float32)
    items = TrainingItems(replace(clicking, pseudo=lambda clip: probabilities), classes=CLASSES)
    item = items[Draw(0, 3)]
    expected = probabilities[:, item.start : item.start + 250]
    np.testing.assert_allclose(1 / (1 + np.exp(-item.pseudo)), expected, rtol=1e-5)


def test_pseudo_labels_that_do_not_fit_are_refused_before_training(tmp_path):
    clips = [(name, *clicks(11.0, [3])) for name in "abc"]
    dataset = write_hear(tmp_path, clips)
    lacking, _ = with_pseudo(dataset, tmp_path / "some.hdf5", names=["a", "x", "y"])
    with pytest.raises(DataError, match=r"some\.hdf5: no pseudo labels for 2 of 3 clips, first 'b'"):
        TrainingItems(lacking, classes=CLASSES)
    other, _ = with_pseudo(dataset, tmp_path / "other.hdf5", classes=447)
    with pytest.raises(DataError, match="pseudo labels of 447 classes; the model has 2"):
        TrainingItems(other, classes=CLASSES)
    short, _ = with_pseudo(dataset, tmp_path / "short.hdf5", frames=250)
    with pytest.raises(
        DataError, match=r"250 frames \(10 s\); 3 of 3 clips are longer, first 'a' with 11\.00 s"
    ):
        TrainingItems(short, classes=CLASSES)


def test_labels_that_the_model_lacks_are_left_out(synthetic):
    kept = synthetic[0].events[0].label
    items = TrainingItems(synthetic, classes=("Speech", kept))
    item = items[Draw(0, 0)]
    assert not item.labels[0].any()
    assert item.labels[1].any()
    assert item.labels.shape == (2, 250)


def test_a_data_set_without_any_class_of_the_model_is_refused(synthetic):
    with pytest.raises(DataError, match=r"none of its events \('train'\) is of a class that the model has"):
        TrainingItems(synthetic, classes=("Speech", "Dog"))


def test_weak_labels_come_from_the_tables_or_from_the_events_that_are_heard(tmp_path):
    (tmp_path / "weak.tsv").write_text("filename\tevent_labels\na.wav\tSpeech,Dog\n")
    (tmp_path / "weak").mkdir()
    soundfile.write(tmp_path / "weak" / "a.wav", np.zeros(RATE), RATE)
    weak = open_dataset(tmp_path)
    item = TrainingItems(weak, classes=("Speech",))[Draw(0, 0)]
    assert item.labels is None
    np.testing.assert_array_equal(item.weak, [1, 1])
    chosen = TrainingItems(weak, classes=("Speech",), weak_classes=("Cat", "Speech"))
    np.testing.assert_array_equal(chosen[Draw(0, 0)].weak, [0, 1])
    with pytest.raises(DataError, match="none of its weak labels"):
        TrainingItems(weak, classes=("Speech",), weak_classes=("Cat",))
    strong = write_hear(tmp_path / "strong", [("a", *clicks(20, [10]))])
    items = TrainingItems(strong, classes=CLASSES, seconds=1.0, weak_classes=CLASSES)
    for seed in range(40):
        item = items[Draw(0, seed)]
        np.testing.assert_array_equal(item.weak, item.labels.any(axis=1))


def test_clips_that_cannot_be_decoded_are_named(synthetic, tmp_path):
    dataset = write_hear(tmp_path, [("a", *clicks(1, [3])), ("broken", *clicks(1, [3]))])
    path = tmp_path / "16000" / "train" / "broken.wav"
    items = TrainingItems(dataset, classes=CLASSES)
    path.write_bytes(b"no audio")
    with pytest.raises(AudioError, match=r"broken\.wav: no audio that can be decoded"):
        items[Draw(1, 0)]
    with pytest.raises(AudioError, match=r"broken\.wav: no audio that can be decoded"):
        TrainingItems(dataset, classes=CLASSES)


def test_pieces_behind_the_end_of_the_audio_are_errors(tmp_path):
    (tmp_path / "train.tsv").write_text("filename\tonset\toffset\tevent_label\na.wav\t0\t1\tclick\n")
    (tmp_path / "train_durations.tsv").write_text("filename\tduration\na.wav\t100\n")
    (tmp_path / "train").mkdir()
    soundfile.write(tmp_path / "train" / "a.wav", np.zeros(5 * RATE), RATE)
    dataset = open_dataset(tmp_path)
    items = TrainingItems(dataset, classes=("click",))
    with pytest.raises(DataError, match=r"a\.wav: the audio ends before \d+"):
        [items[Draw(0, seed)] for seed in range(20)]


@pytest.mark.parametrize("seconds", [0.0, -1.0, 0.05, 1.001])
def test_impossible_lengths_are_refused(clicking, seconds):
    with pytest.raises(UsageError, match="must be a multiple of 40 ms"):
        TrainingItems(clicking, classes=CLASSES, seconds=seconds)


def test_float32_times_reach_the_labels(synthetic):
    event = Event(0.12, 0.28, "click")
    assert encode_events([event], ("click",), float32_times=True)[0, 2:8].all()
    items = TrainingItems(synthetic, classes=strong_classes().names, float32_times=True)
    expected = encode_events(synthetic[0].events, strong_classes().names, float32_times=True)
    np.testing.assert_array_equal(items[Draw(0, 0)].labels, expected)
