"""How long the jobs of a study will take, by how long they and jobs like them took before."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

from effbench.identity import digest
from effbench.shown import number_of
from effbench.study.away import device_of
from effbench.study.job import Job
from effbench.study.job_record import Ended, noted
from effbench.study.local_processes import fits_beside

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class TimeEstimate:
    """How long a job may take.

    Attributes:
        seconds: unknown where neither it nor one like it ran before.
        basis: what this is estimated from.
    """

    seconds: float | None = None
    basis: str = "nothing like it ran before"


def estimates(jobs: Sequence[Job], measured: pd.DataFrame) -> dict[str, TimeEstimate]:
    """Estimates of jobs, by their keys, from what studies beside this one noted in their work folders.

    A job that ran before, on the device that it would run on now, takes as long again. Another takes what
    jobs of its task, options and device took, in proportion to MACs, or on a line through several.

    Args:
        jobs: of one workplace.
        measured: its measurements, which know the MACs of models without a card.
    """
    if not jobs:
        return {}
    folder = jobs[0].place.folder
    folders = [
        folder,
        *sorted(path.parent for path in folder.parent.glob("*/jobs.json") if path.parent != folder),
    ]
    before = list(chain.from_iterable(noted(place).values() for place in folders))
    counted = macs(measured)
    return {job.key: _estimate(job, before, counted) for job in jobs}


def macs(measured: pd.DataFrame) -> dict[str, float]:
    """Exact MACs of a clip of 10 s, by model: of its card, or as they were measured."""
    from effbench.models import zoo

    rows = measured[measured["quantity"] == "macs_exact"]
    known = dict(zip(rows["spec"], rows["value"].astype(float), strict=True))
    cards = {str(spec): row["macs_exact"] for spec, row in zoo.summaries().items()}
    return known | {spec: float(str(count)) for spec, count in cards.items() if count is not None}


def _estimate(job: Job, before: Iterable[Ended], counted: Mapping[str, float]) -> TimeEstimate:
    likeness, device = digest([job.task, job.likeness]), device_of(job)
    like = [
        ended
        for ended in before
        if ended.likeness == likeness and ended.device == device and ended.seconds is not None
    ]
    name = "" if job.spec is None else str(job.spec)
    same = [ended.seconds for ended in like if (ended.spec or "") == name and ended.seconds is not None]
    if same:
        return TimeEstimate(same[0], "the last time")
    points = [
        (counted[ended.spec], ended.seconds)
        for ended in like
        if ended.spec is not None and ended.spec in counted and ended.seconds is not None
    ]
    if name not in counted or not points:
        return TimeEstimate()
    return TimeEstimate(_at(counted[name], points), f"{number_of(len(points), 'job')} like it, by MACs")


def _at(wanted: float, points: Sequence[tuple[float, float]]) -> float:
    """Seconds at so many MACs on the line through the points that errs least in proportion.

    Neither its start nor its slope is negative; through one point it starts at nothing.
    """
    from scipy.optimize import nnls

    if len({count for count, _ in points}) == 1:
        return wanted * sum(seconds / count for count, seconds in points) / len(points)
    scale = max(count for count, _ in points)
    rows = [[1 / seconds, count / scale / seconds] for count, seconds in points]
    (start, slope), _ = nnls(rows, [1.0] * len(points))
    return float(start + slope * wanted / scale)


def makespan(jobs: Sequence[Job], seconds: Mapping[str, float], workers: int, gpus: int = 0) -> float:
    """Seconds from the first job's beginning to the last one's end, with so many processes of this machine.

    Jobs without an entry in ``seconds`` take none.
    """
    waiting, ends, clock = {job.key: job for job in jobs}, dict[str, tuple[float, Job]](), 0.0
    while waiting or ends:
        for job in list(waiting.values()):
            others = [other for _, other in ends.values()]
            free = gpus - sum(other.demand.gpus for other in others)
            blocked = set(job.needs) & (waiting.keys() | ends.keys())
            if not blocked and fits_beside(job, others, workers, free):
                ends[job.key] = clock + seconds.get(job.key, 0.0), waiting.pop(job.key)
        first = min(ends, key=lambda key: ends[key][0])
        clock, _ = ends.pop(first)
    return clock
