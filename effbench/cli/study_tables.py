"""What ``effbench study`` shows of a study: its plan before it runs, and how far it is."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from effbench.cli.output import Format, note, write
from effbench.cli.progress import roughly
from effbench.shown import Table, number_of, rendered
from effbench.study.job import Job, Workplace
from effbench.study.job_states import JobState, seconds_left, states
from effbench.study.job_times import estimates, makespan
from effbench.study.spending import Price

if TYPE_CHECKING:
    import pandas as pd

#: Seconds between two looks at a study.
_EVERY = 1.0
#: Lines about the table's rows: head, rule, summary and what is between, some of them wrapped.
_OTHER_LINES = 8


def write_plan(
    todo: Sequence[Job],
    measured: pd.DataFrame,
    form: Format,
    *,
    workers: int,
    ray: bool,
    price: Price | None,
    budget: float | None,
) -> None:
    """The jobs that would run, in order, with what they need and how long they will take; then the sums."""
    guesses = estimates(todo, measured)
    seconds = {key: guess.seconds for key, guess in guesses.items() if guess.seconds is not None}
    rows: list[dict[str, object]] = []
    for job in todo:
        time_of = seconds.get(job.key)
        row: dict[str, object] = {
            "job": job.key,
            "needs": ", ".join(job.needs),
            "processors": "all" if job.demand.alone and not job.demand.gpus else job.demand.cpus,
            "GPUs": job.demand.gpus,
            "alone": job.demand.alone,
            "estimate (s)": None if time_of is None else round(time_of, 1),
            "estimated from": guesses[job.key].basis,
        }
        if price is not None:
            row["cost"] = None if time_of is None else price.of(time_of)
        rows.append(row)
    write(rows, form)
    unknown = len(todo) - len(seconds)
    note(
        f"{number_of(len(todo), 'job')} to run" + (f", {unknown} of them unknown in time" if unknown else "")
    )
    if not seconds:
        if todo:
            note("estimate: unknown, as nothing like these jobs ran here before")
        return
    every = sum(seconds.values())
    least = "at least " if unknown else ""
    note(f"estimate: {least}{roughly(every)} one after the other")
    wall = every
    if workers > 1:
        wall = makespan(todo, seconds, workers)
        note(f"estimate: {least}{roughly(wall)} with {workers} at a time")
    if price is not None:
        whose = "each job on a machine of its own" if ray else "one machine"
        note(f"estimate: {least}{price.of(wall)}, {whose} at {price.of(3600)} an hour")
    if budget is not None:
        note(f"budget: no job begins after {roughly(budget)}")


def write_status(place: Workplace, jobs: Sequence[Job], form: Format) -> None:
    """How far each job is, and how far all of them are."""
    measured = place.measured()
    found = states(place, jobs, measured)
    write(_rows(found), form)
    note(_summary(found, measured))


def _rows(found: Sequence[JobState]) -> list[dict[str, object]]:
    """A row a job; columns that this study has no value for are left out."""
    always = ("model", "task", "state")
    rows = [state.row() for state in found]
    kept = [name for name in rows[0] if name in always or any(row[name] is not None for row in rows)]
    return [{name: row[name] for name in kept} for row in rows]


def _summary(found: Sequence[JobState], measured: pd.DataFrame) -> str:
    counts = Counter(state.state for state in found)
    text = f"{counts['done']} of {number_of(len(found), 'job')} done"
    text += "".join(f", {counts[name]} {name}" for name in ("running", "failed") if counts[name])
    left, unknown = seconds_left(found, measured)
    if left:
        text += f"; about {roughly(left)} left"
        text += f", and {number_of(unknown, 'job')} unknown in time" if unknown else ""
    return text


def watched(place: Workplace, jobs: Sequence[Job]) -> None:
    """The same on a terminal, again and again, until no job is left or the reader interrupts."""
    from rich.console import Console
    from rich.live import Live

    with Live(console=Console(), auto_refresh=False) as live, suppress(KeyboardInterrupt):
        while True:
            measured = place.measured()
            found = states(place, jobs, measured)
            ended = all(state.state in ("done", "failed") for state in found)
            fits = len(found) + _OTHER_LINES <= live.console.height
            # What is cut off would be what runs: it is shown alone, and the rest counted.
            shown = found if ended or fits else [it for it in found if it.state in ("running", "failed")]
            tables = [Table(_rows(shown))] if shown else []
            live.update(rendered([*tables, _summary(found, measured)]), refresh=True)
            if ended:
                return
            time.sleep(_EVERY)
