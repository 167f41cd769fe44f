"""Run folders: never overwritten, tidied, and owned by one process."""

import os

import pytest

from effbench.errors import EffbenchError, UsageError
from effbench.train.plan import Plan, Sources
from effbench.train.recipe.library import load_recipe
from effbench.train.runs import Origin, Run

HERE = Origin(None, {"device": "cpu"}, {"training": "0123", "validation": "4567"})


@pytest.fixture
def plan():
    return Plan("fmn04", "synthetic-cpu", load_recipe("synthetic-cpu"), Sources("/data", weak_data="/weak"))


@pytest.fixture
def run(plan, tmp_path):
    return Run.create(tmp_path / "runs" / "a", plan, HERE)


def test_a_run_opens_as_it_was_planned(run, plan):
    assert Run.open(run.folder).plan == plan
    assert run.origin() == HERE


def test_a_folder_that_holds_something_is_never_overwritten(run, plan, tmp_path):
    with pytest.raises(UsageError, match="resume that run"):
        Run.create(run.folder, plan, HERE)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    with pytest.raises(UsageError, match="is never overwritten: choose another name"):
        Run.create(tmp_path / "mine", plan, HERE)
    with pytest.raises(EffbenchError, match="can't be written"):
        Run.create(tmp_path / "mine" / "thesis.txt" / "run", plan, HERE)


def test_what_is_no_run_lists_those_that_are(run):
    with pytest.raises(UsageError, match=r"is not a run\nRuns in .*: a\."):
        Run.open(run.folder.with_name("b"))


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("run.json", b"{", "damaged run"),
        ("run.json", b"[]", "damaged run"),
        ("run.json", b"{}", "lacks commit, environment, recipe, sources, spec"),
        ("run.json", b"\x80", "damaged run"),
        ("recipe.yaml", b"epochs: many", "damaged run"),
        ("recipe.yaml", b"[", "damaged run"),
        ("recipe.yaml", b"", "damaged run"),
    ],
)
def test_damage_is_one_line(run, name, content, said):
    (run.folder / name).write_bytes(content)
    with pytest.raises(EffbenchError, match=said) as caught:
        Run.open(run.folder)
    assert len(str(caught.value).splitlines()) == 1


def test_metrics_come_back_as_they_were_written(run):
    rows = [{"epoch": 1, "loss": 0.123456789}, {"epoch": 2, "loss": float("nan"), "psds1": 3.5}]
    run.write_rows(rows)
    assert run.rows() == [
        {"epoch": 1.0, "loss": 0.12345679, "psds1": None},
        {"epoch": 2.0, "loss": None, "psds1": 3.5},
    ]
    run.metrics.write_text("epoch,loss\n1,x\n")
    with pytest.raises(EffbenchError, match=r"metrics\.csv is damaged"):
        run.rows()


def test_what_was_half_written_is_tidied_and_nothing_else(run):
    kept = {path.name for path in run.folder.iterdir()} | {".notes", "last.pt"}
    for name in (".notes", "last.pt", ".effbench-0.pt", ".effbench-00000000-1-0.csv"):
        (run.folder / name).write_text("x")
        os.utime(run.folder / name, (0, 0))
    (run.folder / ".validation-x").mkdir()
    (run.folder / ".validation-x" / "logits.npy").write_text("x")
    run.tidy()
    assert {path.name for path in run.folder.iterdir()} == kept


def test_a_run_is_of_one_process_at_a_time(run):
    with run.owned(), pytest.raises(UsageError, match="is being trained by another process"), run.owned():
        pass
    with run.owned():
        pass
