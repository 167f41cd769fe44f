"""One pass over the clips for any number of scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from effbench.evaluate.inputs import Task


class Metric(Protocol):
    """A score that is fed clip by clip."""

    def add(self, number: int, scores: np.ndarray, times: np.ndarray) -> None:
        """Take one clip's scores (frames, classes) and the boundaries of its frames (frames + 1,)."""

    def finish(self) -> Any:
        """The score, once all clips have been added in order."""


def run(task: Task, metrics: Sequence[Metric]) -> list[Any]:
    """Results of all metrics; every clip is loaded once."""
    for number in range(len(task.clips)):
        scores = task.load(number)
        times = task.times(number, len(scores))
        for metric in metrics:
            metric.add(number, scores, times)
    return [metric.finish() for metric in metrics]
