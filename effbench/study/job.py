"""The jobs that a study consists of: plain data with stable keys; their workplace, follower and order."""

from __future__ import annotations

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from effbench.errors import EffbenchError, Stopped
from effbench.files import replacing
from effbench.spec import ModelSpec

if TYPE_CHECKING:
    import pandas as pd

    from effbench.results.measurement import Measurement
    from effbench.results.store import Store


class Follower:
    """Follows a running study. Every method may be overridden; none of them does anything here."""

    def start(self, name: str) -> None:
        """A job begins."""

    def line(self, text: str) -> None:
        """Something of the running job is finished."""

    def part(self, done: int, total: int, text: str) -> None:
        """So much of the running job is done; ``text`` says of what."""


@dataclass(frozen=True)
class Workplace:
    """Folder of a study's data sets, runs and frame scores, and its results store."""

    folder: Path
    store: Path

    def measured(self) -> pd.DataFrame:
        """The measurements in the store but for those of other machines; a missing store is made."""
        with self._results() as store:
            return store.read(provenance="measured", imported=False)

    def keep(self, measurements: Iterable[Measurement]) -> None:
        """Add measurements to the store, all or none."""
        with self._results() as store:
            store.add(measurements)

    def _results(self) -> Store:
        from effbench.results.store import Store  # heavy, and every command imports this module

        return Store(self.store, create=True)

    def failures(self) -> dict[str, str]:
        """Why jobs failed when they ran last, by their keys."""
        return {key: str(reason) for key, reason in self._noted("failures").items()}

    def seconds(self) -> dict[str, float]:
        """How long jobs took when they were done last, by their keys."""
        return {key: float(str(seconds)) for key, seconds in self._noted("seconds").items()}

    def note(self, key: str, failure: str | None, seconds: float | None = None) -> None:
        """Note why a job failed, or that it did not, and how long it took."""
        self._note("failures", key, failure)
        if failure is None and seconds is not None:
            self._note("seconds", key, round(seconds, 3))

    def _noted(self, what: str) -> dict[str, object]:
        from effbench.data.tables import read_json

        path = self.folder / f"{what}.json"
        return dict(read_json(path)) if path.exists() else {}

    def _note(self, what: str, key: str, value: object) -> None:
        before = self._noted(what)
        now = {name: noted for name, noted in {**before, key: value}.items() if noted is not None}
        if now != before:
            with replacing(self.folder / f"{what}.json", make_folder=True) as temporary:
                temporary.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Demand:
    """What a job takes of a machine.

    Attributes:
        cpus, gpus: so many.
        alone: nothing else may run on its device meanwhile, because it is timed.
        hardware: name of a device that only some machines of a cluster have, as Ray's resources name it.
    """

    cpus: int = 1
    gpus: int = 0
    alone: bool = False
    hardware: str | None = None


@dataclass(frozen=True)
class Job(ABC):
    """One piece of work of a study.

    Attributes:
        place: where it finds and leaves what it works with.
        spec: the model, if it is about one.
        needs: keys of the jobs that must be done before.
    """

    place: Workplace
    spec: ModelSpec | None
    needs: tuple[str, ...] = field(default=(), kw_only=True)

    #: Name of what is done.
    task: ClassVar[str]

    #: Whether its result is of use to other jobs only.
    auxiliary: ClassVar[bool] = False

    @property
    def variant(self) -> dict[str, str | int]:
        """What tells jobs of one task and model apart, e.g. ``{"precision": "fp32"}``."""
        return {}

    @property
    def key(self) -> str:
        """Unique and stable name within a study: ``fmn04 throughput fp32``."""
        values = (f"{name} {value}" if name == "seed" else value for name, value in self.variant.items())
        return " ".join(str(part) for part in (self.spec, self.task, *values) if part is not None)

    @property
    def demand(self) -> Demand:
        """What it takes of a machine."""
        return Demand()

    def at(self, place: Workplace) -> Self:
        """The same job in another workplace."""
        return replace(self, place=place)

    @abstractmethod
    def is_done(self, measured: pd.DataFrame) -> bool:
        """Whether nothing is left to do, given the measurements in the store."""

    @abstractmethod
    def run(self, follower: Follower) -> None:
        """Do the work, or the rest of it, and keep the result.

        Raises:
            EffbenchError: it can't be done.
            Stopped: it was interrupted and can be resumed.
        """


def pending(jobs: Iterable[Job], measured: pd.DataFrame) -> list[Job]:
    """Jobs that are not done, or that build on one that is not, in the order of ``jobs``.

    Auxiliary ones count only where one of these needs them.
    """
    todo: dict[str, Job] = {}
    for job in jobs:
        outdated = any(key in todo and not todo[key].auxiliary for key in job.needs)
        if outdated or not job.is_done(measured):
            todo[job.key] = job
    needed = {key for job in todo.values() for key in job.needs}
    return [job for job in todo.values() if not job.auxiliary or job.key in needed]


def run_in_order(jobs: Iterable[Job], follower: Follower) -> dict[str, str | None]:
    """Run jobs on this machine, one after the other; one that fails stops only those that need it.

    Each job comes after those that it needs. Returns why it failed or was skipped, by its key; ``None`` where
    it is done. Raises ``Stopped`` where a job was interrupted and can be resumed.
    """
    errors: dict[str, str | None] = {}
    for job in jobs:
        follower.start(job.key)
        error, began = None, time.monotonic()
        if failed := next((key for key in job.needs if errors.get(key)), None):
            error = f"skipped: it needs '{failed}', which failed"
            follower.line(error)
        else:
            try:
                job.run(follower)
            except Stopped:
                raise
            except EffbenchError as reason:
                error = str(reason)
                follower.line(f"failed: {error}")
        job.place.note(job.key, error, time.monotonic() - began)
        errors[job.key] = error
    return errors
