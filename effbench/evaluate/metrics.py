"""The metrics that an evaluation may ask for, by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from effbench.evaluate.events import EventCollars, SegmentParameters
from effbench.evaluate.one_pass import Metric, MetricResult
from effbench.evaluate.pauroc import PaurocParameters
from effbench.evaluate.psds.criteria import Criteria
from effbench.evaluate.psds.metric import PsdsParameters
from effbench.evaluate.scoring import Scoring


class MetricParameters(Protocol):
    """What makes one metric of its kind."""

    @property
    def name(self) -> str:
        """As it is asked for."""

    def metric(self, scoring: Scoring) -> Metric[MetricResult]:
        """The score of these inputs, in the making."""


METRICS: Mapping[str, MetricParameters] = {
    parameters.name: parameters
    for parameters in (
        PsdsParameters("psds1", Criteria(0.7, 0.7)),
        PsdsParameters("psds2", Criteria(0.1, 0.1, 0.3), alpha_ct=0.5),
        PaurocParameters(segment_seconds=1.0, max_fpr=0.1),
        EventCollars("event_f1", onset=0.2, offset=0.2),
        EventCollars("onset_f1", onset=0.2, offset=None),
        EventCollars("onset_f1_50ms", onset=0.05, offset=None),
        SegmentParameters(1.0),
    )
}
