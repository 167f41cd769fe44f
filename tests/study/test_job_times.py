"""How long jobs will take: as long as they did, or as their MACs say; never a guess from nothing."""

import pytest

from effbench.study.definition import Study
from effbench.study.graph import jobs
from effbench.study.job import Follower, Workplace
from effbench.study.job_times import estimates, macs, makespan
from effbench.study.scheduling import InThisProcess, run_jobs

MODELS = ("fmn04", "fmn06", "fmn10", "fmn20")


class Taking(InThisProcess):
    """Jobs that are done in so many seconds."""

    def __init__(self, seconds):
        super().__init__()
        self.seconds = seconds

    def finished(self, follower):
        from effbench.study.away import Outcome, device_of

        job, self.job = self.job, None
        return [(job, Outcome(seconds=self.seconds[job.key], device=device_of(job)))]


@pytest.fixture
def place(tmp_path):
    return Workplace(tmp_path / "studies" / "one", tmp_path / "store.sqlite")


def counting(place, *models, **options):
    return jobs(Study(title="x", models=models, tasks={"complexity": options}), place)


def took(place, **seconds):
    run_jobs(
        counting(place, *seconds), Follower(), Taking({f"{m} complexity": s for m, s in seconds.items()})
    )


def guesses(place, *models, **options):
    found = estimates(counting(place, *models, **options), place.measured())
    return {key.split()[0]: (guess.seconds, guess.basis) for key, guess in found.items()}


def test_nothing_is_known_of_what_never_ran(place):
    assert guesses(place, "fmn04") == {"fmn04": (None, "nothing like it ran before")}
    took(place, fmn04=3.0)
    assert guesses(place, "fmn04", seconds=5)["fmn04"] == (None, "nothing like it ran before")
    assert guesses(place, "fmn01")["fmn01"][0] is None  # nobody knows its MACs


def test_a_job_takes_as_long_as_it_did_and_others_by_their_macs(place):
    took(place, fmn04=3.0)
    counted = macs(place.measured())
    found = guesses(place, *MODELS)
    assert found["fmn04"] == (3.0, "the last time")
    assert found["fmn10"][0] == pytest.approx(3 * counted["fmn10"] / counted["fmn04"])
    assert found["fmn10"][1] == "1 job like it, by MACs"


def test_several_jobs_make_a_line_also_from_other_studies(place, tmp_path):
    counted = macs(place.measured())
    took(place, **{model: 2 + 1e-9 * counted[model] for model in ("fmn04", "fmn10", "fmn20")})
    other = Workplace(tmp_path / "studies" / "two", place.store)
    seconds, basis = guesses(other, "fmn06")["fmn06"]
    assert seconds == pytest.approx(2 + 1e-9 * counted["fmn06"])
    assert basis == "3 jobs like it, by MACs"


def test_what_is_timed_is_alone_and_what_is_needed_comes_first(place):
    tasks = {"complexity": {}, "throughput": {"models": ["fmn04"]}, "evaluate": {"data": "synthetic"}}
    found = jobs(Study(title="x", models=("fmn04", "fmn06"), tasks=tasks), place)
    seconds = {job.key: 1.0 for job in found}
    assert makespan(found, seconds, 1) == len(found) == 6
    # Both counts and the data; the timing; both scores.
    assert makespan(found, seconds, 9) == 3
    assert makespan(found, {**seconds, "data synthetic": 4.0}, 9) == 6
