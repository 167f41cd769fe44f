"""What can't work is one readable error of ``effbench train``, before there is a run."""

import subprocess
import sys

import numpy as np
import pytest

from effbench.data.datasets import open_dataset
from effbench.data.pseudo_label_files import PseudoLabelWriter
from effbench.data.synth import synthesise
from effbench.train.feed.training_data import open_data
from tests.train.small import COMMAND, planned

pytest.importorskip("lightning")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return synthesise(tmp_path_factory.mktemp("cli") / "set", clips=4, eval_clips=2, seconds=2)


@pytest.mark.parametrize(
    ("options", "message", "expected"),
    [
        (["--data", "nowhere"], "nowhere: no such file or folder", 2),
        (["--set", "data.train_split=other"], "other", 2),
        (["--set", "distillation=0.5"], "give --pseudo-labels FILE", 2),
        (["--set", "initialise=missing.pt"], "no checkpoint file at 'missing.pt'", 1),
        (["--set", "optimizer.lr=-1"], "optimizer.lr: -1", 2),
        (["--strategy", "fsdp"], "the strategy fsdp needs GPUs", 2),
        (["--nodes", "3"], "3 processes with batches of 4 can't make optimiser steps of 8 items", 2),
        (["--strategy", "other"], "unknown strategy 'other'", 2),
        (["--devices", "3"], "Change the recipe with --set KEY=VALUE.", 2),
        (["--logger", "other"], "unknown logger 'other'", 2),
        (["--set", "gradient_checkpointing=true"], "gradient_checkpointing is for transformers", 2),
    ],
)
def test_what_can_not_work_is_one_readable_error_and_leaves_no_run(
    effbench, data, tmp_path, options, message, expected
):
    data_too = [] if "--data" in options else ["--data", data]
    code, out, err = effbench("train", *COMMAND, *data_too, "--no-store", *options)
    assert (code, out) == (expected, "")
    assert message in err
    assert not (tmp_path / "runs").exists()


@pytest.fixture
def distilled(effbench, data, tmp_path):
    """Runs a training on pseudo labels of some clips and a number of classes; returns its error."""

    def run(clips, n_classes):
        names = [f"{clip}.mp3" for clip in clips]
        with PseudoLabelWriter(tmp_path / "pseudo.h5", names, n_classes, {}) as file:
            for row in range(len(names)):
                file.add(row, np.zeros((250, n_classes), np.float32), "audio")
            file.finish()
        options = ("--pseudo-labels", "pseudo.h5", "--set", "distillation=0.5", "--name", "a", "--no-store")
        code, out, err = effbench("train", *COMMAND, "--data", data, *options)
        assert (code, out) == (1, "")
        assert not (tmp_path / "runs").exists()
        return err

    return run


def test_pseudo_labels_that_lack_clips_are_refused(distilled, data):
    classes = open_data(planned("synthetic-cpu", data)).classes
    *present, missing = open_dataset(data, split="train").ids
    err = distilled(present, len(classes))
    assert f"pseudo.h5: no pseudo labels for 1 of 4 clips, first '{missing}'" in err
    assert "Make them: effbench pseudo-labels --help" in err


def test_pseudo_labels_of_another_number_of_classes_are_refused(distilled, data):
    classes = open_data(planned("synthetic-cpu", data)).classes
    err = distilled(open_dataset(data, split="train").ids, len(classes) + 1)
    assert f"pseudo labels of {len(classes) + 1} classes; the model has {len(classes)}" in err


def test_data_that_shares_no_class_with_the_model_is_refused(effbench, data, tmp_path):
    # The classes are those of the training clips; all others are scored on another sound.
    copy = synthesise(tmp_path / "set", clips=2, eval_clips=1, seconds=2, classes=["Engine"])
    other = synthesise(tmp_path / "other", clips=1, eval_clips=1, seconds=2, classes=["Bell"])
    (table,) = other.glob("*eval*.tsv")
    (copy / table.name).write_text(table.read_text())
    code, out, err = effbench("train", *COMMAND, "--data", copy, "--name", "a", "--no-store")
    assert (code, out) == (1, "")
    assert f"error: {copy}: none of its events ('eval') is of a class that the model has" in err
    assert "Data: Bell\n" in err
    assert "Model: Engine\n" in err
    assert not (tmp_path / "runs").exists()


def test_a_set_without_events_is_refused(effbench, data, tmp_path):
    copy = synthesise(tmp_path / "silent", clips=4, eval_clips=2, seconds=2)
    table = next(copy.rglob("*eval*.tsv"))
    table.write_text(table.read_text().splitlines()[0] + "\n")
    code, _, err = effbench("train", *COMMAND, "--data", copy, "--name", "a", "--store", "s.sqlite")
    assert code == 1
    assert f"error: {copy}: 'eval' has no events" in err
    assert not (tmp_path / "runs").exists()


def test_without_lightning_the_command_says_what_to_install(data, tmp_path):
    # An interpreter that finds no such package, and lists recipes without it all the same.
    code = (
        "import sys\n"
        "sys.modules['lightning'] = None\n"
        "from effbench.cli import main\n"
        "sys.argv[0] = 'effbench'\n"
        "main()\n"
    )

    def run(*arguments):
        command = [sys.executable, "-c", code, "train", *map(str, arguments)]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    failed = run(*COMMAND, "--data", data)
    assert failed.returncode == 1
    assert failed.stderr == "error: training needs lightning: pip install 'effbench[train]'\n"
    assert run("--list").returncode == 0


@pytest.mark.parametrize("arguments", [("--help",), ("train", "--help"), ("train", "--list")])
def test_what_needs_no_training_loads_none_of_its_packages(arguments):
    code = (
        "import sys\n"
        "from effbench.cli import main\n"
        "sys.argv[0] = 'effbench'\n"
        "try:\n"
        "    main()\n"
        "finally:\n"
        "    print({'torch', 'lightning', 'pandas', 'h5py'} & set(sys.modules), file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "audioset" in done.stdout if "--list" in arguments else "train" in done.stdout
    assert done.stderr == "set()\n"
