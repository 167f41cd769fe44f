"""A folder like Linux's /sys/class/powercap, of a machine that takes so much idle, and more for its work."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

WRAPS = 1_000_000_000


def package(folder: Path, number: object, energy: int, *, name: str | None = None) -> Path:
    """A zone of powercap whose counter stands still, in µJ."""
    zone = folder / f"intel-rapl:{number}"
    zone.mkdir(parents=True)
    (zone / "name").write_text(f"{name or f'package-{number}'}\n")
    (zone / "energy_uj").write_text(f"{energy:012d}\n")
    (zone / "max_energy_range_uj").write_text(f"{WRAPS}\n")
    return zone


@contextmanager
def running(folder: Path, idle: float, work: Callable[[], float]) -> Iterator[None]:
    """A package whose counter rises by ``idle`` watts, and with the joules of ``work``.

    It wraps around soon after the start.
    """
    counter = os.open(package(folder, 0, 0) / "energy_uj", os.O_WRONLY)
    start, worked, done = time.perf_counter(), work(), threading.Event()

    def count() -> None:
        while not done.wait(0.002):
            joules = idle * (time.perf_counter() - start) + work() - worked
            os.pwrite(counter, b"%012d" % ((WRAPS - 1_000_000 + int(1e6 * joules)) % WRAPS), 0)

    thread = threading.Thread(target=count, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
        os.close(counter)
