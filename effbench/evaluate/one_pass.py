"""One pass over the clips for any number of metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

import numpy as np

from effbench.evaluate.inputs import ScoringInputs
from effbench.results.intervals import Estimate

Result = TypeVar("Result", covariant=True)


class Feed(Protocol):
    """Something that takes the clips in order, one after another."""

    def add(self, number: int, scores: np.ndarray, times: np.ndarray) -> None:
        """Take one clip's scores (frames, classes) and the boundaries of its frames (frames + 1,)."""


class MetricResult(Protocol):
    """What every metric's result answers."""

    @property
    def per_class(self) -> Mapping[str, float]:
        """Value of each class; NaN where it is not defined."""

    def values(self) -> dict[str, Estimate]:
        """Quantity -> value with its 95 % interval, as fractions; an interval of NaN where there is none."""


@dataclass(frozen=True)
class Metric(Generic[Result]):
    """A score in the making: what takes the clips, perhaps shared with others, and what comes of it."""

    feed: Feed
    finish: Callable[[], Result]


def run_metrics(inputs: ScoringInputs, metrics: Sequence[Metric[Result]]) -> list[Result]:
    """Results of all metrics; every clip is loaded once, and given once to each feed."""
    feeds = list({id(metric.feed): metric.feed for metric in metrics}.values())
    for number in range(len(inputs.clips)):
        scores = inputs.load(number)
        times = inputs.times(number, len(scores))
        for feed in feeds:
            feed.add(number, scores, times)
    return [metric.finish() for metric in metrics]
