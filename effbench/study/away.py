"""One run of a job, here or in a process of its own, whose rows come back to the driver."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from effbench.errors import EffbenchError, Stopped
from effbench.results.exchange import Row, decode
from effbench.results.measurement import Measurement
from effbench.study.job import Follower, Job
from effbench.study.job_record import Running, forget

#: Seconds between two times that a running job says how far it is.
BEAT = 1.0


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    Attributes:
        rows: its measurements, as files have them, where they are not in the store yet.
        error: why it failed, if it did.
        stopped: it was interrupted, and can be resumed.
        lines: what it had to say, where nobody followed it.
        seconds: how long all of it took, where it was done at one go.
        device: name of what it ran on.
    """

    rows: Sequence[Row] = ()
    error: str | None = None
    stopped: bool = False
    lines: tuple[str, ...] = ()
    seconds: float | None = None
    device: str | None = None

    @property
    def measurements(self) -> list[Measurement]:
        """The rows, decoded."""
        return [decode(row) for row in self.rows]


class Listener(Follower):
    """Notes what a job says."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def line(self, text: str) -> None:
        self.lines.append(text)


class _Beating(Follower):
    """Passes on what a job says, and keeps in the work folder that it runs and how far it is."""

    def __init__(self, job: Job, follower: Follower) -> None:
        self.follower, self.folder = follower, job.place.folder
        self.running = Running.here(job.key)
        self.running.write(self.folder)

    def line(self, text: str) -> None:
        self.follower.line(text)
        self._beat(text)

    def part(self, done: int, total: int, text: str) -> None:
        self.follower.part(done, total, text)
        self._beat(f"{done:,} of {total:,} {text}")

    def _beat(self, text: str) -> None:
        if time.time() - self.running.heard >= BEAT:
            self.running = replace(self.running, heard=time.time(), progress=text)
            self.running.write(self.folder)


def attempt(job: Job, follower: Follower) -> Outcome:
    """Run a job in this process; that it failed or was stopped is an outcome like another."""
    whole, began = not job.is_begun, time.monotonic()
    try:
        job.run(_Beating(job, follower))
    except Stopped as reason:
        return Outcome(error=str(reason), stopped=True)
    except EffbenchError as reason:
        return Outcome(error=str(reason))
    finally:
        forget(job.place.folder, job.key)
    seconds = round(time.monotonic() - began, 3)
    return Outcome(seconds=seconds if whole else None, device=device_of(job))


def device_of(job: Job) -> str | None:
    """Name of the device of this machine that a job would run on; none where it has no such device."""
    from effbench.machine.devices import resolve_device
    from effbench.machine.environment import device_name

    try:
        return device_name(str(resolve_device(job.device)))
    except EffbenchError:
        return None


def run_away(job: Job, folder: Path, follower: Follower | None = None) -> Outcome:
    """Run a job, as if in ``folder``, into a store of its own, and bring its rows along.

    Its data sets and runs are where its workplace says: a folder that every machine of a cluster must see.
    """
    from effbench.results.store import Store

    os.chdir(folder)
    listener = Listener()
    with tempfile.TemporaryDirectory(prefix="effbench-") as temporary:
        store = Path(temporary) / "rows.sqlite"
        outcome = attempt(job.at(replace(job.place, store=store)), follower or listener)
        rows: Sequence[Row] = ()
        if store.exists() and outcome.error is None:
            with Store(store) as results:
                rows = results.rows()
    return replace(outcome, rows=rows, lines=tuple(listener.lines))
