"""Jobs run in order; one that fails stops those that need it, and no others."""

import pytest

from effbench.errors import EffbenchError
from effbench.study.definition import Study
from effbench.study.graph import jobs
from effbench.study.job import Follower, Workplace, pending, run_in_order


class Told(Follower):
    """Notes what it is told."""

    def __init__(self):
        self.started, self.lines = [], []

    def start(self, name):
        self.started.append(name)

    def line(self, text):
        self.lines.append(text)


@pytest.fixture
def place(tmp_path):
    return Workplace(tmp_path / "work", tmp_path / "store.sqlite")


@pytest.fixture
def study(place):
    """Two models to count and to score: the data set of the scores can't be made, where something else is."""
    (place.folder / "data" / "toys").mkdir(parents=True)
    (place.folder / "data" / "toys" / "letter.txt").write_text("hello")
    content = {
        "title": "x",
        "models": ["ATST-F", "fmn01"],
        "data": {"toys": {"clips": 1, "eval_clips": 1}},
        "tasks": {"complexity": {"seconds": 20}, "evaluate": {"models": ["fmn01"], "data": "toys"}},
    }
    return jobs(Study.model_validate(content), place)


def test_how_long_jobs_took_is_noted_and_listed_before_they_run(effbench, tmp_path):
    tasks = "tasks: {complexity: {}, throughput: {device: cpu}}"
    (tmp_path / "s.yaml").write_text(f"title: x\nmodels: [fmn01, fmn02]\n{tasks}\n")
    first = effbench("study", "run", "s.yaml", "--dry-run")
    assert [line.split()[:2] for line in first.stdout.splitlines() if "fmn0" in line] == [
        ["fmn01", "complexity"],
        ["fmn02", "complexity"],
        ["fmn01", "throughput"],
        ["fmn02", "throughput"],
    ]
    assert "4 jobs to run; 4 never ran here" in first.stderr
    (tmp_path / "c.yaml").write_text("title: x\nmodels: [fmn01]\ntasks: {complexity: {}}\n")
    assert effbench("study", "run", "c.yaml").returncode == 0
    again = effbench("study", "run", "c.yaml", "--fresh", "--dry-run")
    assert "1 job to run, " in again.stderr
    assert "h one after the other for those that ran before; 0 never ran here" in again.stderr


def test_a_failed_job_does_not_stop_the_others_but_those_that_need_it(place, study):
    told = Told()
    outcomes = run_in_order(study, told)
    assert (
        list(outcomes)
        == told.started
        == [
            "ATST-F complexity",  # which takes at most 10 s
            "fmn01 complexity",
            "data toys",
            "fmn01 evaluate",
        ]
    )
    assert outcomes["fmn01 complexity"] is None
    assert "toys is neither empty nor a synthetic set" in outcomes["data toys"]
    assert outcomes["fmn01 evaluate"] == "skipped: it needs 'data toys', which failed"
    assert [line.partition(":")[0] for line in told.lines] == ["failed", "failed", "skipped"]


def test_failures_are_noted_until_the_job_is_done(place, study):
    run_in_order(study, Told())
    assert list(place.failures()) == ["ATST-F complexity", "data toys", "fmn01 evaluate"]
    assert "10 s" in place.failures()["ATST-F complexity"]
    assert [job.key for job in pending(study, place.measured())] == list(place.failures())
    (place.folder / "data" / "toys" / "letter.txt").unlink()
    run_in_order(pending(study, place.measured()), Told())
    assert list(place.failures()) == ["ATST-F complexity"]
    assert [job.key for job in pending(study, place.measured())] == ["ATST-F complexity"]


def test_a_record_of_failures_that_is_damaged_is_said_to_be(place):
    place.folder.mkdir()
    (place.folder / "failures.json").write_text("{")
    with pytest.raises(EffbenchError, match=r"failures\.json is not readable JSON"):
        place.failures()
