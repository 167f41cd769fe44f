"""Jobs: what a study consists of. Plain data with stable keys, so that any executor can run them."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from effbench.errors import EffbenchError
from effbench.files import replacing
from effbench.results.store import Store
from effbench.spec import ModelSpec
from effbench.study.follower import Follower

if TYPE_CHECKING:
    import pandas as pd

    from effbench.results.measurement import Measurement


@dataclass(frozen=True)
class Workplace:
    """Where a study keeps what it makes.

    Attributes:
        folder: of its data sets, runs and frame scores.
        store: results store.
    """

    folder: Path
    store: Path

    def measured(self) -> pd.DataFrame:
        """What the store holds of measurements; a store that is not there is made."""
        with Store(self.store, create=True) as store:
            return store.read(provenance="measured")

    def failures(self) -> dict[str, str]:
        """Why jobs failed when they ran last, by their keys."""
        try:
            noted = json.loads(self._failures.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise EffbenchError(f"{self._failures} can't be read: {error}") from error
        return {str(key): str(reason) for key, reason in noted.items()}

    def note_failure(self, key: str, reason: str | None) -> None:
        """Note why a job failed, or that it did not."""
        before = self.failures()
        now = {name: text for name, text in {**before, key: reason}.items() if text is not None}
        if now != before:
            with replacing(self._failures, make_folder=True) as temporary:
                temporary.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")

    @property
    def _failures(self) -> Path:
        return self.folder / "failures.json"

    def keep(self, measurements: Iterable[Measurement]) -> None:
        """Add measurements to the store, all or none."""
        with Store(self.store, create=True) as store:
            store.add(measurements)


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

    #: What is done.
    task: ClassVar[str]

    #: Whether what it makes is of use to other jobs alone.
    auxiliary: ClassVar[bool] = False

    @property
    def variant(self) -> dict[str, str | int]:
        """What tells jobs of one task and model apart, e.g. ``{"precision": "fp32"}``."""
        return {}

    @property
    def key(self) -> str:
        """Name that no other job of a study has, and that stays the same: ``fmn04 throughput fp32``."""
        values = (f"{name} {value}" if name == "seed" else value for name, value in self.variant.items())
        return " ".join(str(part) for part in (self.spec, self.task, *values) if part is not None)

    def __str__(self) -> str:
        return self.key

    @abstractmethod
    def is_done(self, measured: pd.DataFrame) -> bool:
        """Whether there is nothing left to do, as the measurements of the store and the folders say."""

    @abstractmethod
    def run(self, follower: Follower) -> None:
        """Do the work, or the rest of it, and keep what comes of it.

        Raises:
            EffbenchError: it can't be done.
            Stopped: it was interrupted, and can go on.
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
