"""Two processes on the CPU, started by the real command."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from effbench import build_model
from effbench.data.synth import synthesise
from effbench.models.checkpoints import read_checkpoint, read_content, save_checkpoint
from effbench.train.runs import Run

pytest.importorskip("lightning")

EFFBENCH = Path(sys.executable).with_name("effbench")
SMALL = [
    *("--model", "fmn01", "--recipe", "synthetic-cpu", "--no-store", "--logger", "none"),
    *("--set", "data.crop_seconds=1", "--set", "batch.size=2", "--set", "batch.effective=8"),
    *("--set", "validation.every=1", "--set", "epochs=1", "--set", "validation.batch_size=1"),
]
TWO = ("--device", "cpu", "--devices", "2")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return synthesise(tmp_path_factory.mktemp("two") / "set", clips=9, eval_clips=5, seconds=2)


def started(folder, *arguments):
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.Popen(
        [str(EFFBENCH), "train", *map(str, arguments)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def done(folder, *arguments, code=0):
    process = started(folder, *arguments)
    out, err = process.communicate(timeout=240)
    assert process.returncode == code, err
    assert "Traceback" not in err
    return out, err


@pytest.mark.slow
def test_two_processes_validate_and_save_as_one_and_one_goes_on(data, tmp_path):
    # Weights that a step moves by less than their rounding, so that the scores are of the same ones.
    classes = sorted({event.label for event in _events(data)})
    detector = build_model("fmn01", n_classes=len(classes), seed=3)
    save_checkpoint(detector, tmp_path / "start.pt", "fmn01", classes=classes)
    still = (
        "--set",
        "initialise=start.pt",
        "--set",
        "optimizer.lr=1e-30",
        "--set",
        "optimizer.sequence_lr=1e-30",
        "--data",
        data,
    )
    out, err = done(tmp_path, *SMALL, *still, *TWO, "--name", "two")
    assert out.count("best of 1 epochs") == 1
    assert len(err.splitlines()) == 2, err
    run = Run.open(tmp_path / "runs" / "two")
    assert {path.name for path in run.folder.iterdir()} == {
        "recipe.yaml", "run.json", "metrics.csv", "best.pt", "last.pt", "curves.png",
    }  # fmt: skip
    position = read_content(run.last)["training"]["position"]
    # 18 items, batches of two or less on each of two processes.
    assert position["batches"] == 5
    assert position["loss_count"] == 0
    (row,) = run.rows()

    # Batch statistics move with the clips: the weights that were scored are scored again by one process.
    again = (
        "--set",
        f"initialise={run.best}",
        "--set",
        "frozen=true",
        "--set",
        "optimizer.sequence_lr=1e-30",
    )
    done(tmp_path, *SMALL, *again, "--data", data, "--device", "cpu", "--name", "one")
    (alone,) = Run.open(tmp_path / "runs" / "one").rows()
    assert alone["psds1"] == row["psds1"]
    assert alone["pauroc"] == row["pauroc"]
    assert alone["validation_loss"] == pytest.approx(row["validation_loss"], rel=1e-6)

    recipe = run.folder / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("epochs: 1", "epochs: 2"))
    done(tmp_path, "--resume", run.folder, "--no-store", "--logger", "none", "--device", "cpu")
    assert [row["epoch"] for row in run.rows()] == [1, 2]


def _events(data):
    from effbench.data.datasets import open_dataset

    return [event for clip in open_dataset(data, split="train") for event in clip.events]


@pytest.mark.slow
def test_an_interrupt_stops_both_at_the_same_step_and_both_go_on(data, tmp_path):
    endless = ("--set", "epochs=10000", "--set", "validation.every=10000", "--set", "data.epoch_items=4000")
    process = started(tmp_path, *SMALL, *endless, "--data", data, *TWO, "--name", "a")
    line = process.stderr.readline()
    assert line.startswith("step "), line
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.count("stopping after this step") == 1
    (step,) = re.findall(r"error: stopped after step ([\d,]+) of", err)
    last = tmp_path / "runs" / "a" / "last.pt"
    position = read_content(last)["training"]["position"]
    assert position["step"] == int(step.replace(",", ""))
    weights = read_checkpoint(last).state
    assert all(torch.isfinite(value).all() for value in weights.values())

    process = started(tmp_path, "--resume", "runs/a", "--no-store", "--logger", "none", *TWO)
    assert process.stderr.readline() == f"going on after step {step} of 5,000,000\n"
    # The death of the other one ends this one, too.
    (child,) = _children(process.pid)
    os.kill(child, signal.SIGKILL)
    _, err = process.communicate(timeout=60)
    assert process.returncode in (1, -signal.SIGKILL)
    assert "Traceback" not in err
    assert read_content(last)["training"]["position"] == position


def _children(pid):
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        found = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if found:
            return [int(child) for child in found]
        time.sleep(0.1)
    raise AssertionError("no process was started")


@pytest.mark.slow
def test_an_error_of_one_process_ends_both_and_is_told_once(data, tmp_path):
    copy = synthesise(tmp_path / "set", clips=9, eval_clips=5, seconds=2)
    (copy / "audio" / "train" / "Ytrain000004.flac").write_bytes(b"no audio")
    process = started(tmp_path, *SMALL, "--data", copy, *TWO, "--name", "a")
    _, err = process.communicate(timeout=100)
    assert process.returncode in (1, -signal.SIGKILL), err
    assert err.count("Ytrain000004.flac") == 1
    assert "Traceback" not in err
    assert not (tmp_path / "runs" / "a" / "last.pt").exists()
