"""``effbench train`` on small real sets: what it says, what it leaves, and how it ends."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from effbench import build_model
from effbench.cli import main
from effbench.data.synth import synthesise
from effbench.models.checkpoints import read_checkpoint, read_content
from effbench.study.store import Store
from effbench.train.runs import Run

pytest.importorskip("lightning")

EFFBENCH = Path(sys.executable).with_name("effbench")
SMALL = [
    *("--model", "fmn01", "--recipe", "synthetic-cpu", "--device", "cpu", "--threads", "1"),
    *("--set", "data.crop_seconds=1", "--set", "batch.size=4", "--set", "batch.effective=8"),
    *("--set", "validation.every=1", "--set", "epochs=2"),
]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return synthesise(tmp_path_factory.mktemp("cli") / "set", clips=8, eval_clips=3, seconds=2)


@pytest.fixture
def effbench(tmp_path, monkeypatch, capsys):
    """Runs the entry point in an empty folder; returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["effbench", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run


def started(folder, *arguments):
    """A process of its own."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "COLUMNS": "200"}
    return subprocess.Popen(
        [str(EFFBENCH), "train", *map(str, arguments)],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


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
    code, out, err = effbench("train", *SMALL, "--data", data, "--name", "a", "--store", "s.sqlite")
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
    }
    frame = Store(tmp_path / "s.sqlite").read()
    assert set(frame["quantity"]) == {"psds1", "psds1_penalised", "pauroc"}

    before = (folder / "last.pt").read_bytes(), (folder / "metrics.csv").read_bytes()
    code, again, err = effbench("train", "--resume", "runs/a", "--store", "s.sqlite")
    assert (code, again) == (0, out)
    assert "finished already: 2 epochs" in err
    assert before == ((folder / "last.pt").read_bytes(), (folder / "metrics.csv").read_bytes())
    assert len(Store(tmp_path / "s.sqlite").read()) == len(frame)

    code, _, err = effbench("train", *SMALL, "--data", data, "--name", "a", "--no-store")
    assert code == 2
    assert "runs/a exists and is never overwritten: go on with --resume runs/a" in err
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
        "train", *SMALL, "--model", "fmn01+gru-8", "--data", data, "--name", "b", *options
    )
    assert code == 0
    assert "sequence, strong_head, weak_head not loaded" in err
    assert not (tmp_path / "runs" / "b" / "tensorboard").exists()


def test_a_dry_run_leaves_nothing_behind(effbench, data, tmp_path):
    code, out, _ = effbench("train", *SMALL, "--data", data, "--dry-run")
    assert code == 0
    assert "4 (2 an epoch)" in out
    assert "peak memory (cpu)" in out
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("options", "message", "expected"),
    [
        (["--data", "nowhere"], "nowhere: no such file or folder", 2),
        (["--set", "data.train_split=other"], "other", 2),
        (["--set", "distillation=0.5"], "give --pseudo-labels FILE", 2),
        (["--set", "initialise=missing.pt"], "no checkpoint file at 'missing.pt'", 1),
        (["--set", "optimizer.lr=-1"], "optimizer.lr: -1", 2),
        (["--strategy", "fsdp"], "the strategy fsdp needs GPUs", 2),
        (["--strategy", "other"], "unknown strategy 'other'", 2),
        (["--devices", "3"], "3 processes with batches of 4 can't make optimiser steps of 8 items", 2),
        (["--logger", "other"], "unknown logger 'other'", 2),
        (["--set", "gradient_checkpointing=true"], "gradient_checkpointing is for transformers", 2),
    ],
)
def test_what_can_not_work_is_one_readable_error_and_leaves_no_run(
    effbench, data, tmp_path, options, message, expected
):
    data_too = [] if "--data" in options else ["--data", data]
    code, out, err = effbench("train", *SMALL, *data_too, "--no-store", *options)
    assert (code, out) == (expected, "")
    assert message in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("damage", ["run.json", "recipe.yaml", "last.pt", "metrics.csv"])
def test_a_damaged_run_is_said_in_one_error(effbench, data, tmp_path, damage):
    folder = tmp_path / "runs" / "a"
    assert effbench("train", *SMALL, "--data", data, "--name", "a", "--no-store", "--set", "epochs=1")[0] == 0
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
    assert "nothing is no run" in err


def test_a_set_without_events_is_refused(effbench, data, tmp_path):
    copy = synthesise(tmp_path / "silent", clips=4, eval_clips=2, seconds=2)
    table = next(copy.rglob("*eval*.tsv"))
    table.write_text(table.read_text().splitlines()[0] + "\n")
    code, _, err = effbench("train", *SMALL, "--data", copy, "--name", "a", "--store", "s.sqlite")
    assert code == 1
    assert f"error: {copy}: 'eval' has no events" in err
    assert not (tmp_path / "runs").exists()


def test_a_killed_run_goes_on_to_the_same_weights(effbench, data, tmp_path):
    options = (*SMALL, "--data", data, "--set", "epochs=12", "--set", "validation.every=12", "--no-store")
    quick = ("--logger", "none", "--set", "data.epoch_items=96")
    assert effbench("train", *options, *quick, "--name", "whole")[0] == 0
    process = started(tmp_path, *options, *quick, "--name", "killed")
    folder = tmp_path / "runs" / "killed"
    wait_for((folder / "last.pt").is_file, process)
    first = (folder / "last.pt").stat().st_mtime_ns
    wait_for(lambda: (folder / "last.pt").stat().st_mtime_ns != first, process)
    process.kill()
    process.communicate()
    position = read_content(folder / "last.pt")["training"]["position"]
    assert 0 < position["epoch"] < 12
    # As if it had been killed while it wrote.
    (folder / ".last-0123456789ab.pt").write_bytes(b"half")
    (folder / ".validation-abc").mkdir()
    assert effbench("train", "--resume", folder, "--no-store", "--logger", "none")[0] == 0
    for name in ("last.pt", "best.pt"):
        assert_same_weights(weights(folder / name), weights(tmp_path / "runs" / "whole" / name))
    assert not list(folder.glob(".*"))
    losses = [[row["loss"] for row in Run.open(run).rows()] for run in (folder, folder.with_name("whole"))]
    assert losses[0] == losses[1]
    assert len(losses[0]) == 12


def test_an_interrupt_saves_and_says_how_to_go_on_and_runs_are_not_shared(effbench, data, tmp_path):
    options = (
        *SMALL,
        "--data",
        data,
        "--set",
        "epochs=100000",
        "--set",
        "validation.every=100000",
        "--no-store",
    )
    process = started(tmp_path, *options, "--set", "data.epoch_items=6400", "--name", "a", "--logger", "none")
    folder = tmp_path / "runs" / "a"
    # A line every ten seconds tells that steps are done.
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
    assert "Go on with: effbench train --resume runs/a" in err
    assert read_content(folder / "last.pt")["training"]["position"]["step"] > 0


def test_a_full_disk_is_an_error_and_the_earlier_checkpoint_stays(effbench, data, tmp_path):
    options = (*SMALL, "--data", data, "--name", "a", "--no-store", "--logger", "none")
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
    assert "File too large" in err or "can't write" in err
    assert f"Go on with: effbench train --resume {folder}" in err
    assert (folder / "last.pt").read_bytes() == before
    assert not list(folder.glob(".*"))
    assert effbench("train", "--resume", folder, "--no-store", "--logger", "none")[0] == 0
    assert len(Run.open(folder).rows()) == 4


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

    failed = run(*SMALL, "--data", data)
    assert failed.returncode == 1
    assert failed.stderr == "error: training needs lightning: pip install 'effbench[train]'\n"
    assert run("--list").returncode == 0
