"""Runs jobs several at a time, each when those that it needs are done and what it demands is free."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from effbench.errors import EffbenchError, Stopped
from effbench.study.away import Outcome
from effbench.study.job import Follower, Job


class Executor(Protocol):
    """Where jobs run."""

    def fits(self, job: Job) -> bool:
        """Whether a job can begin now, beside those that run; ``EffbenchError`` if it never can."""

    def begin(self, job: Job) -> None:
        """Begin a job."""

    def finished(self, follower: Follower) -> list[tuple[Job, Outcome]]:
        """Wait until at least one of the jobs that run has ended; those that have."""

    def stop(self) -> list[tuple[Job, Outcome]]:
        """Ask what runs to stop, and wait for it: what came of each."""


def run_jobs(jobs: Iterable[Job], follower: Follower, executor: Executor) -> dict[str, str | None]:
    """Run jobs by an executor; one that fails stops only those that need it.

    Rows are kept here as soon as their job is done. Returns why each failed or was skipped, by its key;
    ``None`` where it is done.

    Raises:
        Stopped: a job was interrupted, or this process was; what was done is kept.
    """
    waiting, running = {job.key: job for job in jobs}, set[str]()
    errors: dict[str, str | None] = {}
    try:
        while waiting or running:
            _skip(waiting, errors, follower)
            for job in [job for job in waiting.values() if not set(job.needs) & (waiting.keys() | running)]:
                try:
                    begins = executor.fits(job)
                except EffbenchError as error:
                    follower.start(job.key)
                    _keep(waiting.pop(job.key), Outcome(error=str(error)), errors, follower)
                    continue
                if begins:
                    follower.start(job.key)
                    executor.begin(waiting.pop(job.key))
                    running.add(job.key)
            for job, outcome in executor.finished(follower) if running else ():
                running.discard(job.key)
                _keep(job, outcome, errors, follower)
    except (KeyboardInterrupt, Stopped):
        for job, outcome in executor.stop():
            if not outcome.stopped:
                _keep(job, outcome, errors, follower)
        raise
    return errors


def _skip(waiting: dict[str, Job], errors: dict[str, str | None], follower: Follower) -> None:
    """Leave out those that need what failed."""
    for job in list(waiting.values()):
        if failed := next((key for key in job.needs if errors.get(key)), None):
            errors[job.key] = f"skipped: it needs '{failed}', which failed"
            follower.start(job.key)
            follower.line(str(errors[job.key]))
            job.place.note(job.key, errors[job.key])
            del waiting[job.key]


def _keep(job: Job, outcome: Outcome, errors: dict[str, str | None], follower: Follower) -> None:
    for line in outcome.lines:
        follower.line(f"{job.key}: {line}")
    if outcome.stopped:
        raise Stopped(outcome.error or "interrupted")
    if outcome.error is None:
        job.place.keep(outcome.measurements)
        follower.line(f"{job.key}: done")
    else:
        follower.line(f"{job.key}: failed: {outcome.error}")
    errors[job.key] = outcome.error
    job.place.note(job.key, outcome.error, outcome.seconds)
