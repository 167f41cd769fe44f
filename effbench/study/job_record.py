"""How the jobs of a study ended, and which of them run now: files in its work folder, written whole."""

from __future__ import annotations

import json
import os
import platform
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from effbench.errors import EffbenchError
from effbench.files import replacing
from effbench.identity import digest

_JOBS = "jobs.json"
_RUNNING = "running"

#: Seconds after which a job of another machine, whose process can't be seen, is not believed to run any more.
SILENCE = 600.0


@dataclass(frozen=True)
class Ended:
    """How a job ended.

    Attributes:
        error: why it failed or was skipped, if it was.
        seconds: how long all of it took, where it was done at one go.
        device: name of what it ran on.
        spec: its model.
        likeness: digest of what, beside model and device, decides how long it takes.
        when: date, in UTC.
    """

    error: str | None = None
    seconds: float | None = None
    device: str | None = None
    spec: str | None = None
    likeness: str | None = None
    when: str = ""


def now() -> str:
    """This second in UTC, as files have it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def noted(folder: Path) -> dict[str, Ended]:
    """How jobs ended when they ran last, by their keys.

    Raises:
        EffbenchError: the file is damaged.
    """
    from effbench.data.tables import read_json

    path = folder / _JOBS
    if not path.exists():
        return {}
    try:
        jobs: Any = read_json(path)
        return {key: Ended(**about) for key, about in jobs.items()}
    except (AttributeError, TypeError):
        raise EffbenchError(f"{path} is no record of a study's jobs: delete it") from None


def note(folder: Path, key: str, ended: Ended) -> None:
    """Note how a job ended."""
    jobs = {name: asdict(about) for name, about in {**noted(folder), key: ended}.items()}
    with replacing(folder / _JOBS, make_folder=True) as temporary:
        temporary.write_text(json.dumps(jobs, indent=2) + "\n", encoding="utf-8")


@dataclass(frozen=True)
class Running:
    """A job that runs, as its process says.

    Attributes:
        key: of the job.
        host, process: where; ``born`` is when that process began, which tells it from later ones.
        since, heard: when the job began, and when its process last said how far it is; seconds of the epoch.
        progress: how far it is.
    """

    key: str
    host: str
    process: int
    born: float
    since: float
    heard: float
    progress: str = ""

    @classmethod
    def here(cls, key: str) -> Self:
        """A job that begins in this process."""
        import psutil

        born = psutil.Process().create_time()
        return cls(key, platform.node(), os.getpid(), born, time.time(), time.time())

    @property
    def is_alive(self) -> bool:
        """Whether its process still runs; of another machine, whether it was heard of lately."""
        import psutil

        if self.host != platform.node():
            return time.time() - self.heard < SILENCE
        with suppress(psutil.Error):
            process = psutil.Process(self.process)
            return abs(process.create_time() - self.born) < 1 and process.status() != psutil.STATUS_ZOMBIE
        return False

    def write(self, folder: Path) -> None:
        """Say so in the work folder; that this can't be written stops no job."""
        with suppress(EffbenchError), replacing(_place(folder, self.key), make_folder=True) as temporary:
            temporary.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")


def forget(folder: Path, key: str) -> None:
    """A job runs no longer."""
    with suppress(OSError):
        _place(folder, key).unlink(missing_ok=True)


def running(folder: Path) -> dict[str, Running]:
    """Jobs that run now, by their keys; those of processes that died are not among them."""
    found = {}
    for path in sorted((folder / _RUNNING).glob("[!.]*.json")):
        with suppress(OSError, ValueError, TypeError):  # it has ended meanwhile, or is of a newer effbench
            job = Running(**json.loads(path.read_text(encoding="utf-8")))
            if job.is_alive:
                found[job.key] = job
    return found


def _place(folder: Path, key: str) -> Path:
    return folder / _RUNNING / f"{digest(key)}.json"
