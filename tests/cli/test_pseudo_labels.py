"""``effbench pseudo-labels`` on a synthetic data set."""

import numpy as np
import pytest

from effbench.data.datasets import open_dataset
from effbench.data.synth import synthesise
from effbench.models.chosen import choose_model

MODELS = ("fmn04", "fmn04+gru-104")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return synthesise(tmp_path_factory.mktemp("data") / "set", clips=2, eval_clips=5)


def expected(dataset, clip):
    """Mean probabilities' logits of both models, one clip at a time."""
    import torch

    waveform = torch.from_numpy(open_dataset(dataset, split="eval").clip(clip).waveform())[None]
    with torch.inference_mode():
        logits = [(d := choose_model(m, None).detector)(d.frontend(waveform)).strong[0] for m in MODELS]
    return torch.stack(logits).mean(0).numpy()


def test_mean_logits_of_two_models_reach_the_reader(effbench, dataset, tmp_path):
    arguments = ["pseudo-labels", "--data", dataset, "--split", "eval", "--out", "labels.h5"]
    done = effbench(*arguments, *(part for model in MODELS for part in ("--model", model)))
    assert done.returncode == 0, done.stderr
    assert "untrained" in done.stderr
    assert sorted(path.name for path in tmp_path.glob("labels*")) == ["labels.h5"]
    labelled = open_dataset(dataset, split="eval", pseudo_labels=tmp_path / "labels.h5")
    assert len(labelled) == 5
    clip = labelled[2]
    logits = expected(dataset, clip.id)
    np.testing.assert_allclose(clip.pseudo(), 1 / (1 + np.exp(-logits)), atol=2e-3)
    again = effbench(*arguments, "--model", "fmn04")
    assert again.returncode == 1
    assert "exists: remove it" in again.stderr


def test_interrupted_run_goes_on_and_other_models_are_refused(effbench, dataset, tmp_path):
    from effbench.data.pseudo_label_files import PseudoLabelWriter

    names = [f"{name}.mp3" for name in open_dataset(dataset, split="eval").ids]
    with PseudoLabelWriter(tmp_path / "labels.h5", names, 447, "fmn04 untrained") as file:
        file.add(np.full((250, 447), 7.0, np.float32))
    arguments = ["pseudo-labels", "--data", dataset, "--split", "eval", "--out", "labels.h5"]
    other = effbench(*arguments, "--model", "fmn06")
    assert other.returncode == 1
    assert "belongs to other clips or models" in other.stderr
    done = effbench(*arguments, "--model", "fmn04")
    assert done.returncode == 0, done.stderr
    labelled = open_dataset(dataset, split="eval", pseudo_labels=tmp_path / "labels.h5")
    np.testing.assert_allclose(labelled[0].pseudo(), 1 / (1 + np.exp(-7)), rtol=1e-3)
    assert (labelled[1].pseudo() < 0.99).all()


def test_checkpoints_must_match_models(effbench, dataset):
    done = effbench(
        *("pseudo-labels", "--data", dataset, "--split", "eval", "--out", "x.h5"),
        *("--model", "fmn04", "--model", "fmn06", "--checkpoint", "strong"),
    )
    assert done.returncode == 2
    assert "one for each" in done.stderr
