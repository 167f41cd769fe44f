"""A study that makes its data, trains and scores: from nothing, again, interrupted, and changed."""

import os
import shutil
import signal
from dataclasses import replace

import pandas as pd
import pytest

from effbench.errors import Stopped
from effbench.models.build import build_model
from effbench.models.checkpoints import save_checkpoint
from effbench.results.exchange import decode
from effbench.results.store import Store
from effbench.study.definition import Study
from effbench.study.graph import jobs
from effbench.study.job import Follower, Workplace, pending
from effbench.study.scheduling import run_jobs
from tests.study.test_job import Told

CHANGES = ["epochs=2", "batch.size=4", "batch.effective=4", "data.crop_seconds=2", "validation.every=1"]
KEYS = ["data toys", "fmn01 train seed 0", "fmn01 evaluate seed 0"]


def study(place, *, clips=8, changes=(), **evaluate):
    content = {
        "title": "x",
        "models": ["fmn01"],
        "data": {"toys": {"clips": clips, "eval_clips": 3, "seconds": 2}},
        "tasks": {
            "train": {
                "recipe": "synthetic-cpu",
                "data": "toys",
                "changes": [*CHANGES, *changes],
                "device": "cpu",
                "threads": 1,
            },
            "evaluate": {"data": "toys", **evaluate},
        },
    }
    return jobs(Study.model_validate(content), place)


def todo(place, definition):
    return [job.key for job in pending(definition, place.measured())]


def run(place, definition, follower=None):
    errors = run_jobs(pending(definition, place.measured()), follower or Follower())
    assert set(errors.values()) <= {None}
    return list(errors)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A workplace where the study is done, and which nobody changes."""
    folder = tmp_path_factory.mktemp("study")
    place = Workplace(folder / "work", folder / "store.sqlite")
    assert todo(place, study(place)) == KEYS
    assert run(place, study(place)) == KEYS
    return place


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of it at the same path, which a run knows its data by; the original is put back afterwards."""
    kept = tmp_path / "kept"
    shutil.copytree(finished.folder.parent, kept)
    yield finished
    shutil.rmtree(finished.folder.parent)
    shutil.copytree(kept, finished.folder.parent)


def test_finished_jobs_are_not_repeated(finished):
    before = finished.measured()
    assert run(finished, study(finished)) == []
    pd.testing.assert_frame_equal(finished.measured(), before)


def test_the_trained_weights_are_scored_and_say_where_they_come_from(finished):
    rows = finished.measured()
    trained = ["epoch" in conditions for conditions in rows.conditions]
    validated, scored = rows[trained], rows[[not it for it in trained]]
    assert set(scored.quantity) == set(validated.quantity) == {"psds1", "psds1_penalised", "pauroc"}
    for row in scored.itertuples():
        (same,) = validated[validated.quantity == row.quantity].itertuples()
        assert row.value == pytest.approx(same.value, abs=1e-3)
        came_from = ("checkpoint", "recipe", "changes", "run", "seed", "data", "split", "protocol")
        for name in (*came_from, "median_window"):
            assert row.conditions[name] == same.conditions[name]
    assert row.conditions["data"] == "toys"
    assert row.conditions["recipe"] == "synthetic-cpu"
    assert "epochs=" in row.conditions["changes"]
    assert "seed" not in row.conditions["changes"]


def test_data_that_nobody_needs_any_more_is_not_made_again(copied):
    shutil.rmtree(copied.folder / "data")
    assert todo(copied, study(copied)) == []
    other = study(copied, metrics=["psds2"])
    assert todo(copied, other) == ["data toys", "fmn01 evaluate seed 0"]
    assert run(copied, other) == ["data toys", "fmn01 evaluate seed 0"]
    assert todo(copied, other) == todo(copied, study(copied)) == []


def test_another_split_is_scored_with_the_same_weights(copied):
    assert run(copied, study(copied, split="train")) == ["fmn01 evaluate seed 0"]
    rows = copied.measured()
    assert {c["split"] for c in rows.conditions} == {"train", "eval"}
    assert todo(copied, study(copied)) == []


def test_a_protocol_of_one_s_own_is_followed_and_stored_whole(copied, tmp_path):
    own = tmp_path / "mine.yaml"
    own.write_text("title: x\nmedian_window: 1\nmetrics: {segment: {seconds: 0.5}}\n")
    other = study(copied, protocol=str(own))
    assert run(copied, other) == ["fmn01 evaluate seed 0"]
    assert todo(copied, other) == todo(copied, study(copied)) == []
    rows = copied.measured()
    (scored,) = rows[rows.quantity == "segment_f1"].itertuples()
    assert scored.conditions["protocol"].startswith("mine-")
    assert scored.environment["protocol"]["metrics"] == {"segment": {"seconds": 0.5}}


@pytest.mark.parametrize(
    ("option", "stored"),
    [({"device": "GPU:1"}, {"scored_on": "cuda"}), ({"backend": "onnx-int8"}, {"backend": "onnx-int8"})],
)
def test_scores_of_another_device_or_in_eight_bits_are_others(copied, option, stored):
    assert todo(copied, study(copied, device="auto", backend="compiled")) == []
    other = study(copied, **option)
    assert todo(copied, other) == ["fmn01 evaluate seed 0"]
    with Store(copied.store) as store:
        rows = [decode(row) for row in store.rows(provenance="measured")]
    scores = [row for row in rows if "epoch" not in row.conditions]
    copied.keep(replace(row, conditions={**row.conditions, **stored}) for row in scores)
    assert todo(copied, other) == todo(copied, study(copied)) == []


def test_tasks_of_other_weights_are_done_each_for_itself(tmp_path):
    place = Workplace(tmp_path / "work", tmp_path / "store.sqlite")
    tasks = []
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        weights = build_model("fmn01", n_classes=2, seed=len(tasks))
        save_checkpoint(weights, tmp_path / name / "best.pt", "fmn01", classes=["Bell", "Engine"])
        tasks.append({"name": name, "data": "toys", "checkpoint": str(tmp_path / name / "best.pt")})
    sets = {"toys": {"clips": 1, "eval_clips": 3, "seconds": 2, "classes": ["Bell", "Engine"]}}
    content = {"title": "x", "models": ["fmn01"], "data": sets}

    def scoring(*tasks):
        return jobs(Study.model_validate({**content, "tasks": {"evaluate": list(tasks)}}), place)

    assert run(place, scoring(tasks[0])) == ["data toys", "fmn01 evaluate a"]
    assert run(place, scoring(*tasks)) == ["fmn01 evaluate b"]
    assert todo(place, scoring(*tasks)) == []
    shutil.copy(tmp_path / "a" / "best.pt", tmp_path / "b" / "best.pt")
    assert todo(place, scoring(*tasks)) == []


def test_a_run_of_another_recipe_is_not_taken_for_this_one(copied):
    other = study(copied, changes=["optimizer.lr=1e-3"])
    assert todo(copied, other) == KEYS[1:]
    errors = run_jobs(pending(other, copied.measured()), Told())
    assert "is of another recipe, or of other data: move or delete it" in errors["fmn01 train seed 0"]
    assert errors["fmn01 evaluate seed 0"] == "skipped: it needs 'fmn01 train seed 0', which failed"


def test_weights_that_are_gone_are_trained_anew_and_scored_anew(copied):
    shutil.rmtree(copied.folder / "runs")
    definition = study(copied, changes=["optimizer.lr=1e-3"])
    assert todo(copied, definition) == ["fmn01 train seed 0", "fmn01 evaluate seed 0"]
    before = len(copied.measured())
    assert run(copied, definition) == ["fmn01 train seed 0", "fmn01 evaluate seed 0"]
    assert len(copied.measured()) == before + 6
    assert todo(copied, definition) == []


def test_another_set_of_the_same_name_is_refused(copied):
    other = study(copied, clips=9, metrics=["psds2"])
    errors = run_jobs(pending(other, copied.measured()), Told())
    assert list(errors) == ["data toys", "fmn01 evaluate seed 0"]
    assert "holds a set made with other options" in errors["data toys"]


class InterruptAfter(Told):
    """Interrupts this process at the first step that it is told of, as Ctrl-C does."""

    def part(self, done, total, text):
        if "steps" in text:
            os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupted_training_goes_on_where_it_was(tmp_path):
    place = Workplace(tmp_path / "work", tmp_path / "store.sqlite")
    definition = study(place)
    with pytest.raises(Stopped):
        run_jobs(pending(definition, place.measured()), InterruptAfter())
    assert todo(place, definition) == KEYS[1:]
    told = Told()
    assert run(place, definition, told) == KEYS[1:]
    assert any(line.startswith("resuming after step ") for line in told.lines)
    assert todo(place, definition) == []
