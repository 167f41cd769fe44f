"""How much memory this process holds, and held at most."""

from __future__ import annotations

import ctypes
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil

from effbench.machine.cgroup import read_text

_SAMPLE_SECONDS = 0.002
_LARGEST_HEAP_BLOCK = 32 * 2**20 - 64 * 2**10


def resident_bytes() -> int:
    """Bytes of this process in memory (resident set)."""
    return int(psutil.Process().memory_info().rss)


def release_free_memory() -> None:
    """Gives the C library's free heap back to the system, where it can (glibc)."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL("libc.so.6").malloc_trim(0)


def settle_allocator() -> None:
    """Brings the C library's allocator into the state that a long-running process ends in (glibc).

    Freeing a large block raises, up to 32 MiB, the size from which blocks are handed back to the system, and
    taken from it again with a page fault for each 4 KiB. That limit depends on what a process did
    before, and changes the speed of a small network by a factor of two; so it is raised to its end.
    """
    bytearray(_LARGEST_HEAP_BLOCK)


class ResidentPeak:
    """Highest resident set of this process while the context is open, in ``peak`` after its end.

    Linux keeps the exact peak and lets it be reset; elsewhere, or where that is forbidden, a thread looks
    every 2 ms.
    """

    peak: int

    def __enter__(self) -> Self:
        self._exact = _reset_high_water_mark()
        self.peak = resident_bytes()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        if not self._exact:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._exact:
            self.peak = max(self.peak, _high_water_mark())
        else:
            self._stop.set()
            self._thread.join()

    def _watch(self) -> None:
        process = psutil.Process()
        while not self._stop.wait(_SAMPLE_SECONDS):
            self.peak = max(self.peak, process.memory_info().rss)


def _reset_high_water_mark() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    except OSError:
        return False
    return _high_water_mark() > 0


def _high_water_mark() -> int:
    for line in read_text(Path("/proc/self/status")).splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return 0
