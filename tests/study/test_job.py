"""Jobs run in order; one that fails stops those that need it, and no others."""

import pytest

from effbench.errors import EffbenchError
from effbench.study.definition import Study
from effbench.study.graph import jobs
from effbench.study.job import Follower, Workplace, pending
from effbench.study.scheduling import run_jobs


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


def test_a_failed_job_does_not_stop_the_others_but_those_that_need_it(place, study):
    told = Told()
    outcomes = run_jobs(study, told)
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
    assert [line.partition(":")[0] for line in told.lines] == ["failed", "done", "failed", "skipped"]


def test_failures_are_noted_until_the_job_is_done(place, study):
    run_jobs(study, Told())
    assert list(place.failures()) == ["ATST-F complexity", "data toys", "fmn01 evaluate"]
    assert "10 s" in place.failures()["ATST-F complexity"]
    assert [job.key for job in pending(study, place.measured())] == list(place.failures())
    (place.folder / "data" / "toys" / "letter.txt").unlink()
    run_jobs(pending(study, place.measured()), Told())
    assert list(place.failures()) == ["ATST-F complexity"]
    assert [job.key for job in pending(study, place.measured())] == ["ATST-F complexity"]


def test_a_record_of_failures_that_is_damaged_is_said_to_be(place):
    place.folder.mkdir()
    (place.folder / "jobs.json").write_text("{")
    with pytest.raises(EffbenchError, match=r"jobs\.json is not readable JSON"):
        place.failures()
