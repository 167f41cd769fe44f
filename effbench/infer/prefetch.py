"""Work of one thread ahead of another."""

from __future__ import annotations

import threading
from collections.abc import Generator, Iterable
from queue import Empty, Full, Queue
from typing import TypeVar

Item = TypeVar("Item")

_PATIENCE = 0.1


class _End:
    def __init__(self, error: BaseException | None) -> None:
        self.error = error


def prefetch(items: Iterable[Item], ahead: int) -> Generator[Item, None, None]:
    """The same items, made in a thread that is at most ``ahead`` items in front.

    An exception arrives where the item would have. Closing the iterator ends the thread.
    """
    queue: Queue[Item | _End] = Queue(maxsize=ahead)
    stopped = threading.Event()

    def put(item: Item | _End) -> bool:
        while not stopped.is_set():
            try:
                queue.put(item, timeout=_PATIENCE)
            except Full:
                continue
            return True
        return False

    def work() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                if not put(item):
                    break
        except BaseException as raised:
            error = raised
        put(_End(error))

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while True:
            item = queue.get()
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        stopped.set()
        while thread.is_alive():
            try:
                queue.get_nowait()
            except Empty:
                thread.join(_PATIENCE)
