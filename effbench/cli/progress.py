"""Progress of long commands, on stderr."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class Status:
    """A bar over the jobs; every finished measurement is a line above it.

    Without a terminal the lines come alone, so that logs stay readable.
    """

    def __init__(self, total: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        console = Console(stderr=True)
        self.bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.task = self.bar.add_task("", total=total)
        self.total, self.started = total, 0
        self.name = ""

    def start(self, name: str) -> None:
        """The next job begins."""
        self.name = name
        self.bar.update(self.task, completed=self.started, description=name)
        self.started += 1
        if self.bar.disable:
            print(f"[{self.started}/{self.total}] {name}", file=sys.stderr)

    def advance(self, count: int = 1) -> None:
        """So many small jobs are done; without a terminal, a line for each tenth of all."""
        before, self.started = self.started, self.started + count
        self.bar.update(self.task, completed=self.started)
        if self.bar.disable and 10 * before // self.total != 10 * self.started // self.total:
            print(f"{self.started} of {self.total}", file=sys.stderr)

    def line(self, text: str) -> None:
        """One finished measurement of the current job."""
        if self.bar.disable:
            print(f"  {text}", file=sys.stderr)
        else:
            self.bar.console.print(f"{self.name}: {text}", markup=False, highlight=False)


@contextmanager
def status(total: int) -> Iterator[Status]:
    """A running ``Status`` over ``total`` jobs."""
    running = Status(total)
    with running.bar:
        yield running
