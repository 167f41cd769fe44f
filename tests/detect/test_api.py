"""Detection from Python: what the command does, as one call."""

import warnings

import numpy as np
import pandas as pd
import pytest

from effbench.detect.api import detect
from effbench.errors import CheckpointError, EffbenchError, EffbenchWarning, UsageError
from tests.detect import heard

COLUMNS = ["filename", "onset", "offset", "label", "threshold", "score"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("audio")
    heard.write(folder / "a.wav", 12.3)
    heard.write(folder / "sub" / "b.flac", 3.2, seed=5)
    return folder


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return heard.weights(tmp_path_factory.mktemp("weights"))


def test_events_are_those_of_the_command(effbench, folder, weights, tmp_path):
    options = {"thresholds": (0.6, 0.9), "median_window": 5, "top": 4, "min_duration": 0.2}
    files = list(detect(folder, model="fmn04", checkpoint=weights, **options))
    assert [file.name for file in files] == ["a.wav", "sub/b.flac"]
    arguments = ("--threshold", 0.9, "--threshold", 0.6, "--median-window", 5, "--top", 4)
    command = ("detect", folder, "--model", "fmn04", "--checkpoint", weights, *arguments)
    done = effbench(*command, "--min-duration", 0.2, "--out", "events.csv")
    assert done.returncode == 0, done.stderr
    events = pd.concat([file.events for file in files], ignore_index=True)
    assert list(events) == COLUMNS
    pd.testing.assert_frame_equal(events, pd.read_csv(tmp_path / "events.csv"))


def test_a_file_shows_itself(folder, weights):
    (file,) = detect(folder / "a.wav", model="fmn04", checkpoint=weights, thresholds=0.9, top=2)
    assert repr(file) == f"<DetectedFile of 'a.wav', 12.30 s: {len(file)} events>"
    assert len(file) == len(file.events) == len(file.to_frame()) == len(list(file)) > 1
    assert file.to_dict()["events"][0]["label"] == next(iter(file)).label
    assert file.to_dict()["duration"] == file.duration == 12.3
    assert "<table>" in file._repr_html_()
    (silent,) = detect(
        folder / "a.wav", model="fmn04", checkpoint=weights, classes="Speech", thresholds=0.999
    )
    assert list(silent.events) == COLUMNS
    assert len(silent.events) == 0
    assert "no events" in silent._repr_html_()


def test_scores_are_kept_where_they_are_asked_for(folder, weights):
    options = {"model": "fmn04", "checkpoint": weights, "classes": ["*whistle*", "speech"]}
    for file in detect(folder, keep_scores=True, **options):
        assert file.scores.shape == (-(-file.samples // 640), len(file.labels))
        assert "Speech" in file.labels
        assert ((file.scores > 0) & (file.scores < 1)).all()
    (file,) = detect([folder / "a.wav"], **options)
    with pytest.raises(UsageError, match="keep_scores"):
        _ = file.scores


def test_scores_belong_to_their_file(folder, weights):
    options = {"model": "fmn04", "checkpoint": weights, "keep_scores": True, "classes": "Speech"}
    both = list(detect(folder, batch_size=8, **options))
    for file, path in zip(both, (folder / "a.wav", folder / "sub" / "b.flac"), strict=True):
        (alone,) = detect(path, **options)
        np.testing.assert_allclose(file.scores, alone.scores, atol=1e-5)


def test_a_detector_of_one_s_own(folder):
    with warnings.catch_warnings():
        warnings.simplefilter("error", EffbenchWarning)
        (file,) = detect(folder / "a.wav", model=heard.detector(), thresholds=0.9, top=1)
    assert set(file.events["label"]) <= set(file.labels)
    assert "Speech" in file.labels


def test_untrained_weights_are_warned_of(folder):
    with pytest.warns(EffbenchWarning, match="untrained"):
        detect(folder / "a.wav", model="fmn01")


def test_a_file_that_can_t_be_read_ends_it_or_is_left_out(folder, weights, tmp_path):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF not at all")
    paths = [folder / "a.wav", broken, folder / "sub" / "b.flac"]
    options = {"model": "fmn04", "checkpoint": weights, "keep_scores": True}
    running = detect(paths, **options)
    assert next(running).name == "a.wav"
    with pytest.raises(EffbenchError, match=r"broken\.wav"):
        next(running)
    with pytest.warns(EffbenchWarning, match=r"left out: .*broken\.wav"):
        files = list(detect(paths, errors="warn", **options))
    assert [file.name for file in files] == ["a.wav", "b.flac"]
    assert len(files[1].scores) == 80


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"paths": "nothing*.wav"}, UsageError),
        ({"thresholds": 1.5}, UsageError),
        ({"thresholds": ()}, UsageError),
        ({"median_window": 0}, UsageError),
        ({"classes": "Speach"}, UsageError),
        ({"top": 0}, UsageError),
        ({"batch_size": 0}, UsageError),
        ({"device": "tpu"}, UsageError),
        ({"errors": "ignore"}, UsageError),
        ({"model": "fmn1"}, UsageError),
        ({"checkpoint": "gone.pt"}, CheckpointError),
        ({"model": heard.detector, "checkpoint": "strong"}, UsageError),
    ],
)
def test_what_can_t_be_is_refused_before_any_audio_is_read(folder, options, error):
    options = {"paths": folder / "a.wav", "model": "fmn04", **options}
    options["model"] = options["model"]() if callable(options["model"]) else options["model"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", EffbenchWarning)
        with pytest.raises(error):
            detect(options.pop("paths"), **options)
