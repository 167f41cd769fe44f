"""Jobs in processes of this machine: a device belongs to one job, and a timing has the machine to itself."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Sequence
from contextlib import suppress
from multiprocessing.connection import Connection, wait
from pathlib import Path

from effbench.study.away import Outcome, run_away
from effbench.study.job import Follower, Job


class LocalProcesses:
    """Up to so many jobs at a time, each in a process of its own.

    Args:
        workers: processes at a time.
        gpus: of this machine; a job that demands one sees no other.
    """

    def __init__(self, workers: int, gpus: int = 0) -> None:
        self.workers, self.free, self.stopping = workers, list(range(gpus)), False
        self.running: dict[Connection, tuple[Job, multiprocessing.process.BaseProcess, int | None]] = {}

    def fits(self, job: Job) -> bool:
        others = [other for other, *_ in self.running.values()]
        return fits_beside(job, others, self.workers, len(self.free))

    def begin(self, job: Job) -> None:
        gpu = self.free.pop(0) if job.demand.gpus and self.free else None
        here, there = multiprocessing.Pipe(duplex=False)
        context = multiprocessing.get_context("spawn")
        process = context.Process(target=_work, args=(job, Path.cwd(), there, gpu), name=job.key)
        process.start()
        there.close()
        self.running[here] = job, process, gpu

    def finished(self, follower: Follower) -> list[tuple[Job, Outcome]]:
        ended: list[tuple[Job, Outcome]] = []
        while not ended:
            for connection in wait(list(self.running)):
                assert isinstance(connection, Connection)
                outcome = self._heard(connection, follower)
                if outcome is not None:
                    ended.append((self._end(connection), outcome))
        return ended

    def _heard(self, connection: Connection, follower: Follower) -> Outcome | None:
        """What a job came to, if it has ended; a line of it is passed on."""
        job, process, _ = self.running[connection]
        try:
            message = connection.recv()
        except EOFError:
            process.join()
            error = f"its process ended early ({_ending(process.exitcode)})"
            return Outcome(error=error, stopped=self.stopping)  # an interrupt breaks whatever it meets
        if isinstance(message, Outcome):
            return message
        follower.line(f"{job.key}: {message}")
        return None

    def _end(self, connection: Connection) -> Job:
        job, process, gpu = self.running.pop(connection)
        process.join()
        connection.close()
        if gpu is not None:
            self.free.append(gpu)
        return job

    def stop(self) -> list[tuple[Job, Outcome]]:
        self.stopping = True
        for _, process, _ in self.running.values():
            if process.pid is not None and process.is_alive():
                os.kill(process.pid, signal.SIGINT)
        ended = []
        try:
            while self.running:
                ended += self.finished(Follower())
        except KeyboardInterrupt:  # asked twice
            for _, process, _ in self.running.values():
                process.kill()
            raise
        finally:
            self.stopping = False
        return ended


def fits_beside(job: Job, others: Sequence[Job], workers: int, gpus: int) -> bool:
    """Whether a job can begin on this machine beside those that run, with so many GPUs free."""
    if not others:
        return True
    alone = job.demand.alone or any(other.demand.alone for other in others)
    return len(others) < workers and not alone and (gpus > 0 or not job.demand.gpus)


class _Reporter(Follower):
    """Tells the process that started this one."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def line(self, text: str) -> None:
        self.connection.send(text)


def _work(job: Job, folder: Path, connection: Connection, gpu: int | None) -> None:
    """What a process does: the job, without outliving the process that wants it."""
    if gpu is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = str(gpu)
    os.setsid()  # a terminal's interrupt goes to the driver, which asks once
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        outcome = run_away(job, folder, _Reporter(connection))
    except KeyboardInterrupt:
        outcome = Outcome(error="interrupted", stopped=True)
    with suppress(OSError):  # nobody is there any more
        connection.send(outcome)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        os._exit(1)


def _ending(code: int | None) -> str:
    return f"exit code {code}" if code is None or code >= 0 else signal.Signals(-code).name
