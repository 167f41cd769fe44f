"""How far a study is: which of its jobs are done, run, failed or wait."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from effbench.study.job import Job, Workplace, pending
from effbench.study.job_record import Ended, Running, running
from effbench.study.job_times import estimates

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class JobState:
    """How far a job is.

    Attributes:
        state: ``failed`` is one that failed when it ran last, or needs one that did.
        running: where and since when it runs, if it does.
        ended: how it ended when it ran last, if it did.
    """

    job: Job
    state: Literal["done", "running", "failed", "waiting"]
    running: Running | None = None
    ended: Ended | None = None

    def row(self) -> dict[str, object]:
        """The same as plain data; times in seconds."""
        now, running, ended = time.time(), self.running, self.ended
        failed = ended if self.state == "failed" else None
        return {
            "model": None if self.job.spec is None else str(self.job.spec),
            "task": self.job.task,
            **{name: self.job.variant.get(name) for name in ("precision", "seed", "set", "training", "name")},
            "state": self.state,
            "progress": (running and running.progress) or None,
            "for (s)": running and round(now - running.since),
            "where": running and f"{running.host}, process {running.process}",
            "failed": failed and failed.error and failed.error.splitlines()[0],
            "when": failed and failed.when,
            "took (s)": ended.seconds if ended is not None and self.state == "done" else None,
        }


def states(place: Workplace, jobs: Sequence[Job], measured: pd.DataFrame) -> list[JobState]:
    """How far each job of a study is, by its store and its work folder."""
    missing = {job.key for job in pending(jobs, measured)}
    ended, alive = place.ended(), running(place.folder)
    return [_state(job, missing, ended.get(job.key), alive.get(job.key)) for job in jobs]


def _state(job: Job, missing: set[str], ended: Ended | None, alive: Running | None) -> JobState:
    if alive is not None:
        return JobState(job, "running", alive, ended)
    if job.key not in missing:
        return JobState(job, "done", ended=ended)
    failed = ended is not None and ended.error is not None
    return JobState(job, "failed" if failed else "waiting", ended=ended)


def seconds_left(found: Sequence[JobState], measured: pd.DataFrame) -> tuple[float, int]:
    """Estimated seconds of what is not done, one after the other; and for how many jobs that is unknown."""
    todo = [state for state in found if state.state in ("running", "waiting")]
    guesses = estimates([state.job for state in todo], measured)
    left, unknown = 0.0, 0
    for state in todo:
        seconds = guesses[state.job.key].seconds
        if seconds is None:
            unknown += 1
        else:
            left += max(0.0, seconds - (time.time() - state.running.since if state.running else 0.0))
    return left, unknown
