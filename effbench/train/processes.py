"""The processes of one training: the first one tells, and they end together."""

from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from effbench.errors import EffbenchError, Stopped

if TYPE_CHECKING:
    from lightning.fabric import Fabric

#: Seconds that others have to end by themselves, and between two looks for the process that started this one.
PATIENCE, STOPPING, POLL = 3.0, 30.0, 1.0

_LOST = re.compile(r"gloo|nccl|connection|socket|store|peer", re.IGNORECASE)


def first_process() -> bool:
    """Whether this is the process that a person, or a launcher as the first of all, has started."""
    ranks = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")
    return all(os.environ.get(name, "0") == "0" for name in ranks)


def follow() -> None:
    """Make this process one that leaves talking to the first, and ends when the one that started it does.

    A process that waits for others on a GPU would not notice that they are gone.
    """
    warnings.simplefilter("ignore")
    # An interrupt from the keyboard reaches all processes: until the training begins, the first one acts.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(POLL)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def ending_together(fabric: Fabric) -> Iterator[None]:
    """If this process can't go on, nor can those that it has started.

    Raises:
        EffbenchError: another process has failed, which has said why.
    """
    for name in ("lightning.fabric", "lightning.pytorch"):
        logging.getLogger(name).setLevel(logging.WARNING)
    try:
        yield
    except BaseException as error:
        _end(fabric, STOPPING if isinstance(error, Stopped) else PATIENCE)
        if fabric.world_size > 1 and isinstance(error, RuntimeError) and _LOST.search(str(error)):
            if not first_process():
                os._exit(1)
            raise EffbenchError(
                "another process of this training has ended; why, it has said itself"
            ) from None
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
