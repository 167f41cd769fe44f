"""The jobs that a study consists of: plain data with stable keys; their workplace and follower."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Self

from effbench.spec import ModelSpec
from effbench.study.job_record import Ended, note, noted

if TYPE_CHECKING:
    import pandas as pd

    from effbench.results.measurement import Measurement


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
        """The measurements in the store but for those of other machines; none where there is no store yet."""
        from effbench.results.exchange import to_frame
        from effbench.results.store import Store  # heavy, and every command imports this module

        if not self.store.exists():
            return to_frame(())
        with Store(self.store) as store:
            return store.read(provenance="measured", imported=False)

    def keep(self, measurements: Iterable[Measurement]) -> None:
        """Add measurements to the store, all or none."""
        from effbench.results.store import Store

        with Store(self.store, create=True) as store:
            store.add(measurements)

    def ended(self) -> dict[str, Ended]:
        """How jobs ended when they ran last, by their keys."""
        return noted(self.folder)

    def failures(self) -> dict[str, str]:
        """Why jobs failed when they ran last, by their keys."""
        return {key: ended.error for key, ended in self.ended().items() if ended.error is not None}

    def note(self, key: str, ended: Ended) -> None:
        """Note how a job ended."""
        note(self.folder, key, ended)


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

    @property
    def likeness(self) -> dict[str, object]:
        """What, beside its model and device, decides how long it takes."""
        return {}

    @property
    def device(self) -> str:
        """The device that it wants: ``cpu``, ``cuda``, ``auto``."""
        return "cpu"

    @property
    def is_begun(self) -> bool:
        """Whether an interrupted run has done a part of it, so that the rest takes less than the whole."""
        return False

    def at(self, place: Workplace) -> Self:
        """The same job in another workplace."""
        return replace(self, place=place)

    def settled(self) -> Self:
        """The same job with what it takes from this process by default, for a worker that differs in it."""
        return self

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
