"""A job that runs in a process of its own, here or on another machine; its rows come back to the driver."""

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


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    Attributes:
        rows: its measurements, as files have them.
        error: why it failed, if it did.
        stopped: it was interrupted, and can be resumed.
        lines: what it had to say, where nobody followed it.
        seconds: how long it took.
    """

    rows: Sequence[Row] = ()
    error: str | None = None
    stopped: bool = False
    lines: tuple[str, ...] = ()
    seconds: float | None = None

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


def run_away(job: Job, folder: Path, follower: Follower | None = None) -> Outcome:
    """Run a job, as if in ``folder``, into a store of its own, and bring its rows along.

    Its data sets and runs are where its workplace says: a folder that every machine of a cluster must see.
    """
    from effbench.results.store import Store

    os.chdir(folder)
    listener, began = Listener(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="effbench-") as temporary:
        store = Path(temporary) / "rows.sqlite"
        error, stopped = None, False
        try:
            job.at(replace(job.place, store=store)).run(follower or listener)
        except Stopped as reason:
            error, stopped = str(reason), True
        except EffbenchError as reason:
            error = str(reason)
        rows: Sequence[Row] = ()
        if store.exists() and error is None:
            with Store(store) as results:
                rows = results.rows()
    return Outcome(rows, error, stopped, tuple(listener.lines), time.monotonic() - began)
