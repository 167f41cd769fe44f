"""Work in other threads is counted, too: threads that are started, and tasks that are handed to a pool."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any
from unittest.mock import patch

from effbench.measure.macs.tally import Tally


@contextmanager
def followed(tally: Tally, interception: Callable[[], ExitStack], *, meta: bool) -> Iterator[None]:
    """Inside, what a counted thread starts or hands to a pool runs under ``interception``, too.

    It belongs to the modules that ran when it was started.
    """
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        running, muted = list(tally.thread.running), tally.thread.muted

        def run(*args: Any, **kwargs: Any) -> Any:
            if tally.thread.known:
                return function(*args, **kwargs)
            tally.thread.running, tally.thread.muted = list(running), muted
            try:
                with interception():
                    return function(*args, **kwargs)
            except Exception as error:
                tally.raised.append(error)
                raise
            finally:
                tally.thread.running, tally.thread.muted = [], 0

        return run

    def start_counted(thread: threading.Thread) -> None:
        if tally.thread.known:
            thread.run = (quiet if meta else counted)(thread.run)  # type: ignore[method-assign]
        start(thread)

    def quiet(function: Callable[..., Any]) -> Callable[..., Any]:
        """Shapes that won't do are no error to print: the count starts anew."""
        run = counted(function)

        def silently(*args: Any, **kwargs: Any) -> None:
            with suppress(Exception):
                run(*args, **kwargs)

        return silently

    def submit_counted(
        pool: ThreadPoolExecutor, function: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Future[Any]:
        if not tally.thread.known:
            return submit(pool, function, *args, **kwargs)
        task = counted(function)
        tally.thread.known = False  # a thread of the pool outlives its task
        try:
            return submit(pool, task, *args, **kwargs)
        finally:
            tally.thread.known = True

    with (
        patch.object(threading.Thread, "start", start_counted),
        patch.object(ThreadPoolExecutor, "submit", submit_counted),
    ):
        yield
