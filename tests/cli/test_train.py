"""``effbench train`` on small real sets: what it says, what it leaves, and how it ends."""

import os
import resource
import signal
import sys
import time

import pytest
import torch

from effbench import build_model
from effbench.cli.progress import TrainingProgress
from effbench.data.synth import synthesise
from effbench.models.checkpoints import read_checkpoint, read_content
from effbench.results.store import Store
from effbench.train.runs import Run
from tests.command import started
from tests.train.small import COMMAND, TALKATIVE

pytest.importorskip("lightning")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return synthesise(tmp_path_factory.mktemp("cli") / "set", clips=8, eval_clips=3, seconds=2)


def wait_for(condition, process, seconds=60):
    deadline = time.monotonic() + seconds
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def weights(path):
    return read_checkpoint(path).state


def assert_same_weights(one, other):
    assert one.keys() == other.keys()
    assert all(torch.equal(one[key], other[key]) for key in one)


def test_a_training_leaves_everything_and_a_finished_one_is_not_repeated(effbench, data, tmp_path):
    code, out, err = effbench("train", *COMMAND, "--data", data, "--name", "a", "--store", "s.sqlite")
    assert code == 0
    assert "fmn01, best of 2 epochs" in out
    assert "psds1" in out
    assert "epoch 1: psds1" in err
    folder = tmp_path / "runs" / "a"
    left = {path.name for path in folder.iterdir()}
    assert left == {
        "recipe.yaml",
        "run.json",
        "metrics.csv",
        "best.pt",
        "last.pt",
        "curves.png",
        "tensorboard",
        ".lock",
    }
    frame = Store(tmp_path / "s.sqlite").read()
    assert set(frame["quantity"]) == {"psds1", "psds1_penalised", "pauroc"}

    before = (folder / "last.pt").read_bytes(), (folder / "metrics.csv").read_bytes()
    code, again, err = effbench("train", "--resume", "runs/a", "--store", "s.sqlite")
    assert (code, again) == (0, out)
    assert "finished already: 2 epochs" in err
    assert before == ((folder / "last.pt").read_bytes(), (folder / "metrics.csv").read_bytes())
    assert len(Store(tmp_path / "s.sqlite").read()) == len(frame)

    code, _, err = effbench("train", *COMMAND, "--data", data, "--name", "a", "--no-store")
    assert code == 2
    assert "runs/a exists and is never overwritten: resume that run, or choose another name" in err
    assert "Resume with: effbench train --resume runs/a" in err
    assert before[0] == (folder / "last.pt").read_bytes()

    # The run stands for its best weights wherever weights are asked for.
    detector = build_model(
        "fmn01", n_classes=len(read_checkpoint(folder / "best.pt").classes), checkpoint=folder
    )
    assert_same_weights(dict(detector.state_dict()), weights(folder / "best.pt"))
    clip = next((data / "audio" / "eval").glob("*.flac"))
    code, out, _ = effbench("detect", clip, "--model", "fmn01", "--checkpoint", folder, "--format", "json")
    assert code == 0
    code, out, _ = effbench(
        "evaluate",
        "--model",
        "fmn01",
        "--checkpoint",
        folder,
        "--data",
        data,
        "--split",
        "eval",
        "--no-store",
    )
    assert code == 0

    # Another model takes the backbone alone.
    options = ("--set", f"initialise={folder}", "--set", "epochs=1", "--no-store", "--logger", "none")
    code, _, err = effbench(
        "train", *COMMAND, "--model", "fmn01+gru-8", "--data", data, "--name", "b", *options
    )
    assert code == 0
    assert "sequence, strong_head, weak_head not loaded" in err
    assert not (tmp_path / "runs" / "b" / "tensorboard").exists()


def test_a_dry_run_leaves_nothing_behind(effbench, data, tmp_path):
    code, out, _ = effbench("train", *COMMAND, "--data", data, "--dry-run")
    assert code == 0
    assert "4 (2 an epoch)" in out
    assert "peak memory (cpu)" in out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("damage", ["run.json", "recipe.yaml", "last.pt", "metrics.csv"])
def test_a_damaged_run_is_said_in_one_error(effbench, data, tmp_path, damage):
    folder = tmp_path / "runs" / "a"
    assert (
        effbench("train", *COMMAND, "--data", data, "--name", "a", "--no-store", "--set", "epochs=1")[0] == 0
    )
    (folder / damage).write_bytes(b"{ no: [json, yaml \x80")
    code, _, err = effbench("train", "--resume", folder, "--no-store")
    assert code == 1
    first, *rest = err[err.index("error: ") :].splitlines()
    assert "damaged" in first
    if damage == "last.pt":
        assert "delete it, and --resume" in rest[0]


def test_what_is_no_run_can_not_be_resumed(effbench, tmp_path):
    code, _, err = effbench("train", "--resume", "nothing")
    assert code == 2
    assert "nothing is not a run" in err


def test_a_killed_run_goes_on_to_the_same_weights(effbench, data, tmp_path):
    options = (*COMMAND, "--data", data, "--set", "epochs=6", "--set", "validation.every=6", "--no-store")
    # Both processes round alike: another test may have left another number of threads.
    machine = ("--logger", "none", "--threads", "1")
    quick = (*machine, "--set", "data.epoch_items=64")
    assert effbench("train", *options, *quick, "--name", "whole")[0] == 0
    process = started(tmp_path, "train", *options, *quick, "--name", "killed")
    folder = tmp_path / "runs" / "killed"
    wait_for((folder / "last.pt").is_file, process)
    first = (folder / "last.pt").stat().st_mtime_ns
    wait_for(lambda: (folder / "last.pt").stat().st_mtime_ns != first, process)
    process.kill()
    process.communicate()
    position = read_content(folder / "last.pt")["training"]["position"]
    assert 0 < position["epoch"] < 6
    # As if it had been killed while it wrote.
    stray = folder / ".effbench-0123456789ab.pt"
    stray.write_bytes(b"half")
    os.utime(stray, (0, 0))
    (folder / ".validation-abc").mkdir()
    assert effbench("train", "--resume", folder, "--no-store", *machine)[0] == 0
    for name in ("last.pt", "best.pt"):
        assert_same_weights(weights(folder / name), weights(tmp_path / "runs" / "whole" / name))
    assert [path.name for path in folder.glob(".*")] == [".lock"]
    losses = [[row["loss"] for row in Run.open(run).rows()] for run in (folder, folder.with_name("whole"))]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 6


def test_an_interrupt_saves_and_says_how_to_go_on_and_runs_are_not_shared(effbench, data, tmp_path):
    options = (
        *COMMAND,
        "--data",
        data,
        "--set",
        "epochs=100000",
        "--set",
        "validation.every=100000",
        "--no-store",
    )
    script = tmp_path / "talkative.py"
    script.write_text(TALKATIVE)
    long = ("--set", "data.epoch_items=6400", "--name", "a", "--logger", "none")
    process = started(tmp_path, "train", *options, *long, program=(sys.executable, script))
    folder = tmp_path / "runs" / "a"
    # That steps are done.
    line = process.stderr.readline()
    assert line.startswith("step "), line
    code, _, err = effbench("train", "--resume", folder, "--no-store")
    assert code == 2
    assert "is being trained by another process" in err
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert not out
    assert "stopping after this step" in err
    assert "error: stopped after step" in err
    assert "Resume with: effbench train --resume runs/a" in err
    assert read_content(folder / "last.pt")["training"]["position"]["step"] > 0


def test_a_second_interrupt_ends_at_once(effbench, data, tmp_path, monkeypatch):
    def interrupted_twice(*_):
        # Returns when the handler has run: two signals on their way at once may arrive as one.
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        time.sleep(10)

    monkeypatch.setattr(TrainingProgress, "step", interrupted_twice)
    options = ("--data", data, "--name", "a", "--no-store", "--logger", "none")
    # A job in the background of a shell is started with interrupts ignored.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        code, out, err = effbench("train", *COMMAND, *options)
    finally:
        signal.signal(signal.SIGINT, before)
    assert (code, out) == (130, "")
    assert err == "stopping after this step; interrupt once more to end at once\n"
    assert not (tmp_path / "runs" / "a" / "last.pt").exists()


def test_a_full_disk_is_an_error_and_the_earlier_checkpoint_stays(effbench, data, tmp_path):
    options = (*COMMAND, "--data", data, "--name", "a", "--no-store", "--logger", "none")
    assert effbench("train", *options)[0] == 0
    folder = tmp_path / "runs" / "a"
    before = (folder / "last.pt").read_bytes()
    recipe = folder / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("epochs: 2", "epochs: 4"))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) // 2, limits[1]))
    try:
        code, _, err = effbench("train", "--resume", folder, "--no-store", "--logger", "none")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert code == 1
    assert "last.pt" in err
    assert "File too large" in err or "can't be written" in err
    assert f"Resume with: effbench train --resume {folder}" in err
    assert (folder / "last.pt").read_bytes() == before
    assert [path.name for path in folder.glob(".*")] == [".lock"]
    assert effbench("train", "--resume", folder, "--no-store", "--logger", "none")[0] == 0
    assert len(Run.open(folder).rows()) == 4
