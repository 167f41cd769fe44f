"""Runs jobs, each when those that it needs are done and what it demands is free."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Protocol

from effbench.errors import EffbenchError, Stopped
from effbench.identity import digest
from effbench.study.away import Outcome, attempt
from effbench.study.job import Follower, Job
from effbench.study.job_record import Ended, now


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


class InThisProcess:
    """One job after the other, here."""

    def __init__(self) -> None:
        self.job: Job | None = None

    def fits(self, job: Job) -> bool:
        return self.job is None

    def begin(self, job: Job) -> None:
        self.job = job

    def finished(self, follower: Follower) -> list[tuple[Job, Outcome]]:
        job, self.job = self.job, None
        return [] if job is None else [(job, attempt(job, follower))]

    def stop(self) -> list[tuple[Job, Outcome]]:
        return []


def run_jobs(
    jobs: Iterable[Job],
    follower: Follower,
    executor: Executor | None = None,
    *,
    seconds: float | None = None,
) -> dict[str, str | None]:
    """Run jobs by an executor, in this process by default; one that fails stops only those that need it.

    Rows are kept here as soon as their job is done. None begins when so many ``seconds`` have passed; those
    that run then go on to their end. Returns why each failed or was skipped, by its key; ``None`` where it is
    done, nothing where it was not begun.

    Raises:
        Stopped: a job was interrupted, or this process was; what was done is kept.
    """
    executor = executor or InThisProcess()
    until = time.monotonic() + (float("inf") if seconds is None else seconds)
    waiting, running = {job.key: job for job in jobs}, set[str]()
    errors: dict[str, str | None] = {}

    def say(job: Job, text: str) -> None:
        follower.line(text if isinstance(executor, InThisProcess) else f"{job.key}: {text}")

    try:
        while running or (waiting and time.monotonic() < until):
            _skip(waiting, errors, follower)
            for job in [job for job in waiting.values() if not set(job.needs) & (waiting.keys() | running)]:
                if time.monotonic() >= until:
                    break
                try:
                    begins = executor.fits(job)
                except EffbenchError as error:
                    follower.start(job.key)
                    _keep(waiting.pop(job.key), Outcome(error=str(error)), errors, say)
                    continue
                if begins:
                    follower.start(job.key)
                    executor.begin(waiting.pop(job.key))
                    running.add(job.key)
            for job, outcome in executor.finished(follower) if running else ():
                running.discard(job.key)
                _keep(job, outcome, errors, say)
    except (KeyboardInterrupt, Stopped):
        for job, outcome in executor.stop():
            if not outcome.stopped:
                _keep(job, outcome, errors, say)
        raise
    return errors


def _skip(waiting: dict[str, Job], errors: dict[str, str | None], follower: Follower) -> None:
    """Leave out those that need what failed."""
    for job in list(waiting.values()):
        if failed := next((key for key in job.needs if errors.get(key)), None):
            errors[job.key] = f"skipped: it needs '{failed}', which failed"
            follower.start(job.key)
            follower.line(str(errors[job.key]))
            _note(job, Outcome(error=errors[job.key]))
            del waiting[job.key]


def _keep(job: Job, outcome: Outcome, errors: dict[str, str | None], say: Callable[[Job, str], None]) -> None:
    for line in outcome.lines:
        say(job, line)
    if outcome.stopped:
        raise Stopped(outcome.error or "interrupted")
    if outcome.error is None:
        job.place.keep(outcome.measurements)
    say(job, "done" if outcome.error is None else f"failed: {outcome.error}")
    errors[job.key] = outcome.error
    _note(job, outcome)


def _note(job: Job, outcome: Outcome) -> None:
    before = job.place.ended().get(job.key)
    about = (outcome.device, None if job.spec is None else str(job.spec), digest([job.task, job.likeness]))
    ended = Ended(outcome.error, outcome.seconds, *about, now())
    if before is not None and outcome.seconds is None and (before.spec, before.likeness) == about[1:]:
        ended = replace(ended, seconds=before.seconds, device=before.device)
    job.place.note(job.key, ended)
