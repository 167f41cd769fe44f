"""The processes of one training: the first one reports, and they end together."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from effbench.data.pool import end_with_parent
from effbench.errors import EffbenchError, Stopped

if TYPE_CHECKING:
    from lightning.fabric import Fabric

#: Seconds that the others have to end by themselves: after an error, and after a request to stop.
AFTER_ERROR, AFTER_REQUEST = 3.0, 30.0

_LOST = re.compile(r"gloo|nccl|connection|socket|store|peer", re.IGNORECASE)


def first_process() -> bool:
    """Whether this is the process that a person, or a launcher before all others, has started."""
    ranks = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
    return all(os.environ.get(name, "0") == "0" for name in ranks)


def follow() -> None:
    """Leave all output to the first process, and end when the one that started this one does.

    A process that waits for others on a GPU would not notice that they are gone.
    """
    warnings.simplefilter("ignore")
    # An interrupt from the keyboard reaches all processes: until the training begins, the first one acts.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent()


@contextmanager
def stop_requests(tell: Callable[[], None]) -> Iterator[Callable[[], bool]]:
    """Whether an interrupt has come: the first one calls ``tell``, the second interrupts at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked.is_set
        return

    def note_it(*_: object) -> None:
        asked.set()
        restore()
        tell()

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    before = {number: signal.signal(number, note_it) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked.is_set
    finally:
        restore()


@contextmanager
def ending_together(fabric: Fabric) -> Iterator[None]:
    """If this process can't go on, nor can those that it has started.

    Raises:
        EffbenchError: another process has failed, and has printed why.
    """
    for name in ("lightning.fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        yield
    except BaseException as error:
        _end(fabric, AFTER_REQUEST if isinstance(error, Stopped) else AFTER_ERROR)
        if fabric.world_size > 1 and isinstance(error, RuntimeError) and _LOST.search(str(error)):
            if not first_process():
                os._exit(1)
            raise EffbenchError("another process of this training has failed, and has printed why") from None
        raise


def _end(fabric: Fabric, patience: float) -> None:
    """Wait for the processes that this one has started, and kill those that do not end."""
    started: list[subprocess.Popen[bytes]] = getattr(fabric.strategy.launcher, "procs", [])
    # Lightning watches the same list, and would kill this process before it can tell what happened.
    processes, started[:] = list(started), []
    deadline = time.monotonic() + patience
    for process in processes:
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
