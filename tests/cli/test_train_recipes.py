"""``effbench train`` with the shipped recipes, and ``evaluate`` on what comes out, as a user runs them."""

import json

import pytest
import yaml

from effbench.data.synth import synthesise
from effbench.train.recipe.library import recipe_names

# What a recipe for GPUs needs to be a matter of seconds here.
SMALL = [
    part
    for change in (
        "precision=fp32",
        "epochs=1",
        "batch.size=4",
        "batch.effective=4",
        "data.crop_seconds=2",
        "data.epoch_items=null",
    )
    for part in ("--set", change)
]


@pytest.fixture(scope="module")
def strong(tmp_path_factory):
    return synthesise(tmp_path_factory.mktemp("data") / "strong", clips=2, eval_clips=1)


@pytest.fixture(scope="module")
def hear(tmp_path_factory):
    return synthesise(
        tmp_path_factory.mktemp("data") / "hear", clips=1, eval_clips=1, layout="hear", seconds=20
    )


def test_every_recipe_is_listed_with_what_it_is_for(effbench):
    done = effbench("train", "--list", "--format", "json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)
    assert [row["recipe"] for row in rows] == recipe_names()
    assert all(row["description"] for row in rows)


@pytest.mark.parametrize("recipe", recipe_names())
def test_recipe_is_shown_as_it_would_be_followed(effbench, recipe):
    done = effbench(
        "train",
        "--model",
        "fmn10+gru-512",
        "--recipe",
        recipe,
        "--set",
        "optimizer.sequence_lr=5e-4",
        "--show",
    )
    assert done.returncode == 0, done.stderr
    optimizer = yaml.safe_load(done.stdout)["optimizer"]
    assert optimizer["sequence_lr"] == 5e-4
    if optimizer["card"] is not None:
        assert optimizer["lr"] == 3e-3


def test_fine_tuned_model_is_scored_on_the_test_split(effbench, strong, hear, tmp_path):
    base = effbench(
        "train", "--model", "fmn01", "--recipe", "audioset-strong", "--data", strong, *SMALL,
        "--set", "initialise=scratch", "--name", "base", "--no-store",
    )  # fmt: skip
    assert base.returncode == 0, base.stderr
    tuned = effbench(
        "train", "--model", "fmn01", "--recipe", "dcase2016-task2", "--data", hear, *SMALL,
        "--set", "initialise=runs/base", "--name", "tuned", "--no-store",
    )  # fmt: skip
    assert tuned.returncode == 0, tuned.stderr
    assert "strong_head, weak_head not loaded" in tuned.stderr
    arguments = ["evaluate", "--model", "fmn01", "--data", hear, "--split", "test", "--protocol", "dcase2016"]
    for checkpoint in ("runs/tuned", "runs/tuned/last.pt"):
        scored = effbench(*arguments, "--checkpoint", checkpoint, "--no-store", "--format", "json")
        assert scored.returncode == 0, scored.stderr
        found = json.loads(scored.stdout)
        assert found["clips"] == 1
        assert {"onset_f1", "onset_f1_50ms", "segment_error_rate"} <= set(found["values"])


def test_online_teacher_labels_strong_and_weak_clips(effbench, strong, tmp_path):
    teacher = effbench(
        "train", "--model", "fmn02", "--recipe", "audioset-strong", "--data", strong, *SMALL,
        "--set", "initialise=scratch", "--name", "teacher", "--no-store",
    )  # fmt: skip
    assert teacher.returncode == 0, teacher.stderr
    arguments = [
        "train", "--model", "fmn01", "--recipe", "audioset-advanced-kd", "--data", strong, *SMALL,
        "--set", "initialise=scratch", "--set", "teacher.model=fmn02",
        "--set", "teacher.checkpoint=runs/teacher", "--name", "student", "--no-store",
    ]  # fmt: skip
    alone = effbench(*arguments)
    assert (alone.returncode, alone.stdout) == (2, "")
    assert "--weak-data" in alone.stderr
    student = effbench(*arguments, "--weak-data", strong, "--set", "data.weak_split=train")
    assert student.returncode == 0, student.stderr
    assert (tmp_path / "runs" / "student" / "best.pt").is_file()


def test_a_teacher_that_can_not_be_had_leaves_no_run(effbench, strong, tmp_path):
    done = effbench(
        "train", "--model", "fmn01", "--recipe", "audioset-advanced-kd", "--data", strong, *SMALL,
        "--set", "initialise=scratch", "--set", "teacher.model=fmn02",
        "--set", "teacher.checkpoint=nowhere.pt",
        "--weak-data", strong, "--set", "data.weak_split=train", "--no-store",
    )  # fmt: skip
    assert done.returncode == 1
    assert "nowhere.pt" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_half_precision_is_refused_on_a_cpu_and_leaves_no_run(effbench, strong, tmp_path):
    arguments = ["--model", "fmn01", "--recipe", "audioset-strong", "--data", strong, "--device", "cpu"]
    done = effbench("train", *arguments, "--set", "initialise=scratch")
    assert (done.returncode, done.stdout) == (2, "")
    assert "fp16 needs a GPU: choose precision=fp32, or bf16" in done.stderr
    assert "Change the recipe with --set KEY=VALUE." in done.stderr
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["--recipe", "audioset-stronk"], 2, ["did you mean 'audioset-strong'?"]),
        (["--recipe", "audioset-strong", "--set", "optimizer.lrr=1"], 2, ["did you mean 'lr'?"]),
        (["--recipe", "audioset-strong", "--set", "optimizer.lr"], 2, ["section.key=value"]),
        (
            ["--recipe", "audioset-strong", "--set", "epochs=0", "--set", "augment.mixup.rate=2"],
            2,
            ["2 problems", "epochs: 0", "augment.mixup.rate: 2"],
        ),
        (["--recipe", "mine.yaml"], 1, ["2 problems", "sead: unknown key; did you mean 'seed'?", "batch"]),
        (["--recipe", "broken.yaml"], 1, ["broken.yaml can't be read"]),
        (["--recipe", "nowhere.yaml"], 2, ["nowhere.yaml can't be read: No such file"]),
        (
            ["--recipe", "own.yaml"],
            1,
            ["validation.protocol: protocol nowhere.yaml can't be read: No such file"],
        ),
        (
            ["--recipe", "synthetic-cpu", "--set", "validation.protocol=odd.yaml"],
            2,
            ["validation.protocol: protocol odd.yaml has 1 problem; metrics.psds3: unknown key; did"],
        ),
        (
            ["--recipe", "synthetic-cpu", "--set", "validation.protocol=maestro"],
            2,
            ["metric psds1: maestro has pauroc, segment_f1, segment_f1_macro, segment_f1_best"],
        ),
    ],
)
def test_what_can_not_be_followed_is_explained(effbench, tmp_path, arguments, code, said):
    (tmp_path / "mine.yaml").write_text("extends: synthetic-cpu\nsead: 1\nbatch: {size: 3, effective: 16}\n")
    (tmp_path / "broken.yaml").write_text("epochs: [1\n")
    (tmp_path / "own.yaml").write_text("extends: synthetic-cpu\nvalidation: {protocol: nowhere.yaml}\n")
    (tmp_path / "odd.yaml").write_text("title: odd\nmetrics: {psds3: {}}\n")
    done = effbench("train", "--model", "fmn04", "--show", *arguments)
    assert (done.returncode, done.stdout) == (code, "")
    assert done.stderr.startswith("error: ")
    assert "Traceback" not in done.stderr
    for part in said:
        assert part in done.stderr
