"""Two processes on the CPU, started by the real command."""

import json
import os
import re
import signal
import sys
import time
from pathlib import Path

import pytest
import torch

from effbench.data.datasets import open_dataset
from effbench.data.synth import synthesise
from effbench.models.checkpoints import read_checkpoint, read_content
from effbench.train.runs import Run
from tests.command import started
from tests.train.small import TALKATIVE, finished, trained

pytest.importorskip("lightning")

SMALL = [
    *("train", "--model", "fmn01", "--recipe", "synthetic-cpu", "--no-store", "--logger", "none"),
    *("--set", "data.crop_seconds=1", "--set", "batch.size=2", "--set", "batch.effective=8"),
    *("--set", "validation.every=1", "--set", "epochs=1", "--set", "validation.batch_size=1"),
]
TWO = ("--device", "cpu", "--devices", "2")

#: Few clips, to learn and to score.
EVALUATION = ("data.train_split=eval", "validation.batch_size=1")
#: Steps that move weights by less than their rounding, so that scores are of the same ones.
STILL = ("optimizer.lr=1e-30", "optimizer.sequence_lr=1e-30")

#: The command, with every clip noted that a process trains on.
NOTING = """
import json
import os

os.environ["TORCH_CPP_LOG_LEVEL"] = "ERROR"  # as the command sets it before it loads torch

from effbench.cli import main
from effbench.train.fit import Fit

take_step = Fit.take_step


def noted(fit, window):
    rank = fit.fabric.global_rank
    with open(f"seen-{rank}", "a") as file:
        for batches in window:
            for clip in batches[0].clips:
                print(json.dumps([fit.position.epoch, rank, clip]), file=file)
    take_step(fit, window)


Fit.take_step = noted
main()
"""


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return synthesise(tmp_path_factory.mktemp("two") / "set", clips=9, eval_clips=5, seconds=2)


@pytest.fixture(scope="module")
def learnt(data):
    """Weights that know some of the events of the set's evaluation clips."""
    overrides = ("data.crop_seconds=2", "batch.size=5", "batch.effective=5", "epochs=20")
    recipe = (*EVALUATION, *overrides, "validation.every=20", "optimizer.lr=1e-2", "batch_norm_momentum=0.3")
    return trained(data.parent / "learnt", "synthetic-cpu", data, *recipe).run


@pytest.fixture(scope="module")
def two(data, learnt):
    """Run of two epochs of two processes, whose steps change nothing but the batch norms' statistics."""
    script = data.parent / "noting.py"
    script.write_text(NOTING)
    options = (f"initialise={learnt.folder}", *EVALUATION, *STILL, "epochs=2", "validation.every=2")
    changes = [part for option in ("data.crop_seconds=2", *options) for part in ("--set", option)]
    arguments = (*SMALL, *changes, "--data", data, *TWO, "--name", "two")
    process = started(data.parent, *arguments, program=(sys.executable, script))
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert out.count("best of 2 epochs") == 1
    assert err.count("epoch 2: psds1") == 1, err
    return Run.open(data.parent / "runs" / "two")


@pytest.mark.slow
def test_two_processes_see_each_clip_once_an_epoch(data, two):
    seen = [json.loads(line) for path in data.parent.glob("seen-*") for line in path.read_text().splitlines()]
    clips = sorted(open_dataset(data, split="eval").ids)
    for epoch in (0, 1):
        ranks = [rank for at, rank, _ in seen if at == epoch]
        assert (ranks.count(0), ranks.count(1)) == (2, 3)
        assert sorted(clip for at, _, clip in seen if at == epoch) == clips


@pytest.mark.slow
def test_two_processes_validate_and_save_as_one_and_one_goes_on(data, two, tmp_path):
    assert {path.name for path in two.folder.iterdir()} == {
        "recipe.yaml", "run.json", "metrics.csv", "best.pt", "last.pt", "curves.png", ".lock",
    }  # fmt: skip
    position = read_content(two.last)["training"]["position"]
    # 5 items, batches of two or less on each of two processes.
    assert position["batches"] == 2
    assert position["loss_count"] == 0
    *_, row = two.rows()
    assert 20 < row["psds1"] < 100

    # Batch statistics move with the clips: the weights that were scored are scored again by one process.
    plan = ("data.crop_seconds=2", *EVALUATION, *STILL, "frozen=true", f"initialise={two.folder}")
    (alone,) = trained(tmp_path / "one", "synthetic-cpu", data, *plan).run.rows()
    scores = [name for name in alone if name.startswith(("psds1", "pauroc"))]
    assert len(scores) > 5
    assert {name: row[name] for name in scores} == pytest.approx(
        {name: alone[name] for name in scores}, abs=1e-6
    )
    assert alone["validation_loss"] == pytest.approx(row["validation_loss"], rel=1e-6)

    recipe = two.folder / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("epochs: 2", "epochs: 3"))
    run = Run.open(two.folder)
    finished(run)
    assert [row["epoch"] for row in run.rows()] == [1, 2, 3]


@pytest.mark.slow
def test_an_interrupt_stops_both_at_the_same_step_and_both_go_on(data, tmp_path):
    endless = ("--set", "epochs=10000", "--set", "validation.every=10000", "--set", "data.epoch_items=4000")
    script = tmp_path / "talkative.py"
    script.write_text(TALKATIVE)
    talkative = (sys.executable, script)
    process = started(tmp_path, *SMALL, *endless, "--data", data, *TWO, "--name", "a", program=talkative)
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

    process = started(tmp_path, "train", "--resume", "runs/a", "--no-store", "--logger", "none", *TWO)
    assert process.stderr.readline() == f"resuming after step {step} of 5,000,000\n"
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
