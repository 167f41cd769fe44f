"""What the version before has left behind is read, and goes on."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from effbench.data.datasets import open_dataset
from effbench.data.pseudo_label_files import PseudoLabels
from effbench.data.synth import synthesise
from effbench.errors import EffbenchError
from effbench.infer.dataset import infer
from effbench.infer.pseudo_labels import write_pseudo_labels
from effbench.infer.score_files import read_scores
from effbench.infer.scorer import Inference
from effbench.models.chosen import choose_model

BEFORE = Path(__file__).parents[1] / "fixtures" / "before"
CLIPS = [f"Yeval000000{number}" for number in range(4)]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The data set that the scores are of; it is made from a seed."""
    return synthesise(tmp_path_factory.mktemp("data") / "set", clips=6, eval_clips=4)


@pytest.fixture
def model(monkeypatch):
    """The run that was scored; scores remember its path as it was given."""
    monkeypatch.chdir(BEFORE)
    return choose_model("fmn01", "runs/small")


def test_folder_of_logits_is_read_but_not_gone_on_with(data, model, tmp_path):
    """It does not say which audio, precision and windows its logits are of."""
    folder = tmp_path / "work"
    shutil.copytree(BEFORE / "work", folder)
    scores = read_scores(folder)
    assert list(scores.scores) == CLIPS
    assert scores.classes == model.classes
    dataset = open_dataset(data, split="eval")
    with pytest.raises(EffbenchError, match=r"work holds other scores .* give another folder"):
        infer(dataset, model, folder, Inference())
    again = infer(dataset, model, tmp_path / "again", Inference())
    for clip in CLIPS:
        np.testing.assert_allclose(again.scores[clip], scores.scores[clip], atol=1e-3)


def test_table_of_scores_is_read(model):
    table = read_scores(BEFORE / "scores.parquet")
    assert table.values is None
    assert table.classes == model.classes
    logits = np.load(BEFORE / "work" / f"{CLIPS[0]}.npy")
    np.testing.assert_allclose(table.scores[CLIPS[0]], 1 / (1 + np.exp(-logits)), atol=1e-5)


def test_pseudo_labels_are_read_and_made_alike(data, model, tmp_path):
    labels = PseudoLabels(BEFORE / "pseudo.hdf5")
    assert labels.shape == (10, 250)
    write_pseudo_labels(open_dataset(data, split="eval"), [model], tmp_path / "pseudo.hdf5")
    again = PseudoLabels(tmp_path / "pseudo.hdf5")
    for clip in CLIPS:
        # Half precision: neighbours of one another.
        np.testing.assert_allclose(again.logits(clip), labels.logits(clip), rtol=1e-3, atol=1e-5)


def test_folder_of_events_has_to_say_which_audio_they_are_of(effbench, data, model, tmp_path):
    events = tmp_path / "events"
    shutil.copytree(BEFORE / "events", events)
    audio = data / "audio" / "eval"
    arguments = ("detect", audio, "--model", "fmn01", "--checkpoint", "runs/small", "--out", events)
    refused = effbench(*arguments, "--threshold", 0.1, cwd=BEFORE)
    assert refused.returncode == 2
    assert "no record of the audio that its results are of" in refused.stderr
    assert "--overwrite" in refused.stderr
    other = effbench(*arguments, "--threshold", 0.2, cwd=BEFORE)
    assert "made in another way" in other.stderr
    made = effbench(*arguments, "--threshold", 0.1, "--overwrite", cwd=BEFORE)
    assert made.returncode == 0, made.stderr
    for clip in CLIPS:
        now, then = (pd.read_csv(folder / f"{clip}.flac.csv") for folder in (events, BEFORE / "events"))
        pd.testing.assert_frame_equal(now, then, atol=2e-6)
