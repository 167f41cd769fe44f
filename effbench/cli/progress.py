"""Progress of long commands, on stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Self

from effbench.cli.output import is_quiet, note
from effbench.errors import EffbenchError, Stopped, UsageError
from effbench.study.job import Follower
from effbench.train.progress import Progress

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from effbench.train.runs import Run
    from effbench.train.state import Position
    from effbench.train.validation import Scored


def _bar(*, remaining: bool = True, transient: bool = True) -> Bar:
    """A bar with the time that is left, or that has passed; silent where there is no terminal."""
    from rich import progress
    from rich.console import Console

    console = Console(stderr=True)
    clock = progress.TimeRemainingColumn() if remaining else progress.TimeElapsedColumn()
    columns = (
        progress.TextColumn("{task.description}", markup=False),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
    )
    disable = is_quiet() or not console.is_terminal
    return progress.Progress(*columns, clock, console=console, transient=transient, disable=disable)


#: Seconds between two lines about the steps of a job, where there is no terminal.
LINE_EVERY = 10.0


class Status(Follower):
    """A bar over the jobs; every finished measurement is a line above it.

    Without a terminal the lines come alone, so that logs stay readable.
    """

    def __init__(self, bar: Bar, total: int) -> None:
        self.bar, self.task, self.total = bar, bar.add_task("", total=total), total
        self.started, self.name, self.printed = 0, "", time.monotonic()
        self.began = time.monotonic()
        self.failures: list[EffbenchError] = []

    @contextmanager
    def job(self, name: str) -> Iterator[None]:
        """One of the jobs, whose failure is said and kept in ``failures``, and does not end the others."""
        self.start(name)
        try:
            yield
        except UsageError:
            raise
        except EffbenchError as error:
            self.failures.append(error)
            self.failed(f"{name}: {error}")

    def start(self, name: str) -> None:
        self.name, self.printed = name, time.monotonic()
        self.bar.update(self.task, completed=self.started, description=_brief(name))
        self.started += 1
        if self.bar.disable:
            note(f"[{self.started}/{self.total}] {name}")

    def part(self, done: int, total: int, text: str) -> None:
        text = f"{done:,} of {total:,} {text}"
        self.bar.update(self.task, description=f"{_brief(self.name)}: {text}")
        if self.bar.disable and time.monotonic() - self.printed > LINE_EVERY:
            self.printed = time.monotonic()
            note(f"  {text}")

    def within(self, text: str, fraction: float) -> None:
        """How far the current job is, in words and from 0 to 1; says how long all of them will still take."""
        done = self.started - 1 + min(fraction, 1.0)
        share = done / self.total
        seconds = time.monotonic() - self.began
        if share > 0 and seconds > 2:
            text += f", about {roughly(seconds * (1 - share) / share)} left"
        self.bar.update(self.task, completed=done, description=f"{_brief(self.name)} {text}")
        if self.bar.disable and time.monotonic() - self.printed > LINE_EVERY:
            self.printed = time.monotonic()
            note(f"  {_brief(self.name)} {text}")

    def failed(self, text: str) -> None:
        """One of the jobs failed; said however quiet the rest is."""
        if is_quiet():
            print(f"failed: {text}", file=sys.stderr)
        else:
            self.line(f"failed: {text}")

    def line(self, text: str) -> None:
        if self.bar.disable:
            note(f"  {text}")
        else:
            self.bar.console.print(f"{self.name}: {text}", markup=False, highlight=False)


def _brief(name: str) -> str:
    """A name that leaves room for more on a line of a terminal."""
    return name if len(name) <= 32 else f"{name[:15]}…{name[-16:]}"


def clock(seconds: float) -> str:
    """``2:05`` or ``1:02:05``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def roughly(seconds: float) -> str:
    """Roughly, as people say it: ``40 s``, ``3 min``, ``2.5 h``."""
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


@contextmanager
def status(total: int) -> Iterator[Status]:
    """A running ``Status`` over ``total`` jobs."""
    with _bar(remaining=False) as bar:
        yield Status(bar, total)


@contextmanager
def counting(unit: str, *, resumable: bool = False) -> Iterator[Callable[[int, int], None]]:
    """A bar on the terminal; without one, a line every ten seconds. What was done before is said.

    ``resumable``: an interrupt says that the same command goes on; raises ``Stopped`` then.
    """
    with _bar() as bar, _saying_how_to_go_on(resumable):
        task, first = bar.add_task(unit, total=None), -1
        began = printed = time.monotonic()

        def progress(done: int, total: int) -> None:
            nonlocal first, began, printed
            if first < 0:
                first, began = done, time.monotonic()
                if done:
                    note(f"{done:,} of {total:,} {unit} done before")
            bar.update(task, completed=done, total=total)
            now = time.monotonic()
            if bar.disable and now - printed >= LINE_EVERY and done > first:
                printed = now
                left = roughly((now - began) * (total - done) / (done - first))
                note(f"{done:,} of {total:,} {unit}, about {left} left")

        yield progress


@contextmanager
def _saying_how_to_go_on(resumable: bool) -> Iterator[None]:
    try:
        yield
    except KeyboardInterrupt:
        if not resumable:
            raise
        raise Stopped("interrupted: the same command goes on where it stopped") from None


class TrainingProgress(Progress):
    """A bar over the steps on a terminal, else a line now and then."""

    def __init__(self) -> None:
        self.bar = _bar(transient=False)
        self.printed = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def began(self, run: Run, position: Position, total: int) -> None:
        self.metric = run.plan.recipe.validation.metric
        self.bar.start()
        self.task = self.bar.add_task("starting", completed=position.step, total=total)
        epochs = run.plan.recipe.epochs
        if position.epoch >= epochs:
            note(f"{run.folder} is finished already: {epochs:,} epochs")
        elif position.step:
            note(f"resuming after step {position.step:,} of {total:,}")

    def stopping(self) -> None:
        note("stopping after this step; interrupt once more to end at once")

    def step(self, position: Position, loss: float, clips_per_second: float, total: int) -> None:
        text = f"epoch {position.epoch + 1}  loss {loss:.4f}  {clips_per_second:,.1f} clips/s"
        self.bar.update(self.task, completed=position.step, total=total, description=text)
        if self.bar.disable and time.monotonic() - self.printed > LINE_EVERY:
            self.printed = time.monotonic()
            note(f"step {position.step:,} of {total:,}: {text}")

    def validated(self, position: Position, scored: Scored, *, best: bool) -> None:
        value = scored.value(self.metric)
        text = f"epoch {position.epoch}: {self.metric} {value:.2f} %, validation loss {scored.loss:.4f}"
        text += ", the best so far" if best else ""
        if self.bar.disable:
            note(text)
        else:
            self.bar.console.print(text, highlight=False)


@contextmanager
def showing_downloads() -> Iterator[None]:
    """Inside the block, every file that is downloaded has a bar."""
    from effbench.models.download import watching_downloads

    bars: dict[str, Bar] = {}

    def show(name: str, done: int, total: int | None) -> None:
        if is_quiet():
            return
        if name not in bars:
            bars[name] = _download_bar(name)
        bars[name].update(bars[name].task_ids[0], completed=done, total=total)
        if done == total:
            bars.pop(name).stop()

    try:
        with watching_downloads(show):
            yield
    finally:
        for bar in bars.values():
            bar.stop()


def _download_bar(name: str) -> Bar:
    from rich import progress
    from rich.console import Console

    columns = (progress.BarColumn(), progress.DownloadColumn(), progress.TransferSpeedColumn())
    remaining, console = progress.TimeRemainingColumn(), Console(stderr=True)
    bar = progress.Progress(progress.TextColumn(name), *columns, remaining, console=console)
    bar.add_task(name, total=None)
    bar.start()
    return bar
