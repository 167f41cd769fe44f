"""Runs jobs on this machine, one after the other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from effbench.errors import EffbenchError, Stopped
from effbench.study.follower import Follower
from effbench.study.job import Job


@dataclass(frozen=True)
class Outcome:
    """How a job ended.

    Attributes:
        job: that was to be run.
        error: why it failed, or was left out; ``None`` if it is done.
    """

    job: Job
    error: str | None = None


def run_in_order(jobs: Iterable[Job], follower: Follower) -> list[Outcome]:
    """Run jobs in order; one that fails stops those that need it, and no others.

    Args:
        jobs: each after those of them that it needs; what else it needs is done.
        follower: is told how it goes.

    Raises:
        Stopped: a job was interrupted, and can go on.
    """
    outcomes: dict[str, Outcome] = {}
    for job in jobs:
        follower.start(job.key)
        failed = next((key for key in job.needs if key in outcomes and outcomes[key].error), None)
        error = f"left out: it needs '{failed}', which failed" if failed else _run(job, follower)
        if error:
            follower.line(f"failed: {error}" if not failed else error)
        job.place.note_failure(job.key, error)
        outcomes[job.key] = Outcome(job, error)
    return list(outcomes.values())


def _run(job: Job, follower: Follower) -> str | None:
    try:
        job.run(follower)
    except Stopped:
        raise
    except EffbenchError as error:
        return str(error)
    return None
