"""Work shared out to processes, which end when their parent does."""

from __future__ import annotations

import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import TypeVar

import psutil

from effbench.errors import EffbenchError

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_batches(
    work: Callable[[Sequence[Item]], Result], items: Sequence[Item], *, size: int, processes: int
) -> Iterator[Result]:
    """Results of ``work`` on batches of ``items``, in order; with one process here, item by item.

    ``work`` and the items must be picklable. ``EffbenchError`` if a process was killed.
    """
    batches = [items[start : start + size] for start in range(0, len(items), size)]
    if processes < 2 or len(batches) < 2:
        for item in items:
            yield work([item])
        return
    # Not forked: the caller may hold threads and locks.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(processes, len(batches)), context, end_with_parent) as pool:
        try:
            yield from pool.map(work, batches)
        except BrokenProcessPool as error:
            raise EffbenchError(
                "a worker process was killed (out of memory?); try fewer processes"
            ) from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def end_with_parent() -> None:
    """End this process when the one that started it ends; else it would wait for ever."""
    parent, started_by = multiprocessing.parent_process(), os.getppid()

    def watch() -> None:
        if parent is not None:
            parent.join()
        while parent is None and os.getppid() == started_by and psutil.pid_exists(started_by):
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
