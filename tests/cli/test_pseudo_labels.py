"""``effbench pseudo-labels`` on a synthetic data set."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from effbench.data.datasets import open_dataset
from effbench.data.pseudo_label_files import PseudoLabelWriter
from effbench.data.synth import synthesise
from effbench.infer.dataset import computed_with
from effbench.infer.scorer import Inference
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
    assert "labels.h5 belongs to other logits (models" in again.stderr
    once_more = effbench(*arguments, *(part for model in MODELS for part in ("--model", model)))
    assert once_more.returncode == 0
    assert "5 of 5 clips done before" in once_more.stderr


def begun(dataset, path, value):
    """An unfinished file of two clips' rows, all of one logit, as an interrupted run leaves it."""
    opened = open_dataset(dataset, split="eval")
    made_by = {"models": [choose_model("fmn04").record()], **computed_with(Inference())}
    with PseudoLabelWriter(path, [f"{name}.mp3" for name in opened.ids], 447, made_by) as file:
        for row in (0, 3):
            file.add(row, np.full((250, 447), value, np.float32), opened[row].audio_identity())


def test_interrupted_run_goes_on_and_other_models_and_options_are_refused(effbench, dataset, tmp_path):
    begun(dataset, tmp_path / "labels.h5", 7.0)
    arguments = ["pseudo-labels", "--data", dataset, "--split", "eval", "--out", "labels.h5"]
    other = effbench(*arguments, "--model", "fmn06")
    assert other.returncode == 1
    assert "labels.h5.part belongs to other logits (models" in other.stderr
    other = effbench(*arguments, "--model", "fmn04", "--precision", "bf16")
    assert "other logits (precision 'fp32', now 'bf16'): remove it, or write another file" in other.stderr
    other = effbench(*arguments, "--model", "fmn04", "--suffix", ".wav")
    assert "belongs to other clips" in other.stderr
    done = effbench(*arguments, "--model", "fmn04")
    assert done.returncode == 0, done.stderr
    labelled = open_dataset(dataset, split="eval", pseudo_labels=tmp_path / "labels.h5")
    for row in range(5):
        kept = np.allclose(labelled[row].pseudo(), 1 / (1 + np.exp(-7)), rtol=1e-3)
        assert kept == (row in (0, 3))
    with h5py.File(tmp_path / "labels.h5") as file:
        assert [audio.decode() for audio in file["audio"]] == list(labelled.audio_identities().values())
        assert json.loads(file.attrs["made_by"])["models"][0]["model"] == "fmn04"


def test_clips_whose_audio_has_changed_are_labelled_again(effbench, dataset, tmp_path):
    copy = Path(shutil.copytree(dataset, tmp_path / "copy"))
    begun(copy, tmp_path / "labels.h5", 7.0)
    first, second, *_ = open_dataset(copy, split="eval")
    shutil.copy(second.audio.path, first.audio.path)
    done = effbench(
        *("pseudo-labels", "--data", copy, "--split", "eval", "--out", "labels.h5", "--model", "fmn04")
    )
    assert done.returncode == 0, done.stderr
    labelled = open_dataset(copy, split="eval", pseudo_labels=tmp_path / "labels.h5")
    np.testing.assert_allclose(labelled[0].pseudo(), labelled[1].pseudo(), atol=1e-3)
    np.testing.assert_allclose(labelled[3].pseudo(), 1 / (1 + np.exp(-7)), rtol=1e-3)


def test_a_file_whose_writer_was_killed_has_its_saved_rows(tmp_path):
    script = (
        "import os, signal, sys, numpy as np\n"
        "from pathlib import Path\n"
        "from effbench.data.pseudo_label_files import PseudoLabelWriter\n"
        "file = PseudoLabelWriter(Path(sys.argv[1]), [str(row) for row in range(200)], 3, {})\n"
        "for row in range(100):\n"
        "    file.add(row, np.full((250, 3), row, np.float32), f'{row:016}')\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    path = tmp_path / "labels.h5"
    assert subprocess.run([sys.executable, "-c", script, path], check=False).returncode == -signal.SIGKILL
    with PseudoLabelWriter(path, [str(row) for row in range(200)], 3, {}) as file:
        todo = file.keep_only(lambda row, audio: audio == f"{row:016}")
    assert 0 < 200 - len(todo) <= 100
    with h5py.File(tmp_path / "labels.h5.part") as kept:
        for row in sorted(set(range(200)) - set(todo)):
            assert (kept["strong_logits"][row] == row).all()


def test_checkpoints_must_match_models(effbench, dataset):
    done = effbench(
        *("pseudo-labels", "--data", dataset, "--split", "eval", "--out", "x.h5"),
        *("--model", "fmn04", "--model", "fmn06", "--checkpoint", "strong"),
    )
    assert done.returncode == 2
    assert "one for each" in done.stderr
