"""What the loggers of ``effbench train`` leave, and where."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from effbench.data.synth import synthesise
from effbench.train.runs import Run
from tests.train.small import COMMAND

pytest.importorskip("lightning")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return synthesise(tmp_path_factory.mktemp("loggers") / "set", clips=4, eval_clips=2, seconds=2)


def test_tensorboard_has_the_scalars_of_the_run_s_table(effbench, data, tmp_path):
    events = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    options = ("--data", data, "--name", "a", "--no-store", "--logger", "tensorboard")
    assert effbench("train", *COMMAND, *options)[0] == 0
    run = Run.open(tmp_path / "runs" / "a")
    kept = events.EventAccumulator(str(run.folder / "tensorboard")).Reload()
    for name in ("loss", "validation_loss", "psds1", "lr"):
        found = [(scalar.step, scalar.value) for scalar in kept.Scalars(name)]
        assert found == [(row["step"], pytest.approx(row[name], rel=1e-6)) for row in run.rows()]


@pytest.mark.slow
def test_wandb_keeps_its_files_in_the_run_s_folder_without_a_network(data, tmp_path):
    pytest.importorskip("wandb")
    home, work = tmp_path / "home", tmp_path / "work"
    home.mkdir()
    work.mkdir()
    command = [Path(sys.executable).with_name("effbench"), "train", *COMMAND, "--set", "epochs=1"]
    done = subprocess.run(
        [*command, "--data", data, "--name", "a", "--no-store", "--logger", "wandb"],
        cwd=work,
        env={**os.environ, "HOME": str(home), "WANDB_MODE": "offline", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert [path.name for path in work.iterdir()] == ["runs"]
    assert [path.name for path in (work / "runs").iterdir()] == ["a"]
    (kept,) = (work / "runs" / "a" / "wandb").glob("offline-run-*/run-a.wandb")
    assert kept.stat().st_size > 0
    # What is not of this run alone.
    assert {path.name for path in home.iterdir()} <= {".cache", ".config"}
