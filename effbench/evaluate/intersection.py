"""F1 of decoded events by the intersection criteria: how much of each overlaps, whatever its borders.

Source: Bilen et al. 2020, "A framework for the robust evaluation of sound event detection", as psds_eval and
sed_scores_eval compute it for one threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np

from effbench.errors import UsageError
from effbench.evaluate.f_score import Counts, FScore
from effbench.evaluate.scoring import Metric, Scoring
from effbench.evaluate.scoring_inputs import Events, indices, rounded


@dataclass(frozen=True)
class Intersections:
    """Tolerances of the criteria, fractions above 0 and up to 1, and the name of the score's quantity.

    Attributes:
        dtc: a detection is false unless at least this part of it lies in events of its class.
        gtc: an event is found if at least this part of it lies in detections that are not false.
    """

    name: str
    dtc: float = 0.5
    gtc: float = 0.5

    def __post_init__(self) -> None:
        for name, value in {"dtc": self.dtc, "gtc": self.gtc}.items():
            if not 0 < value <= 1:
                raise UsageError(f"{name} is {value}; expected a fraction above 0 and up to 1")

    def metric(self, scoring: Scoring) -> Metric[FScore]:
        """The score of the events that the scores are decoded to, in the making."""
        if scoring.engine == "reference":
            return Metric(scoring.reference, partial(self._by_reference, scoring))
        return Metric(scoring.decoded, partial(self._score, scoring))

    def _score(self, scoring: Scoring) -> FScore:
        # Found events and false detections are counted apart: of one event, several detections may be true.
        inputs, detected, truth = scoring.detections, scoring.detections.detected, scoring.inputs.events
        found, false = self._judge(detected, truth)
        hits = inputs.count(truth.clip[found], truth.class_index[found])
        counts = Counts(
            hits=hits,
            truth=inputs.count(truth.clip, truth.class_index),
            detected=hits + inputs.count(detected.clip[false], detected.class_index[false]),
        )
        return counts.f_score(self.name, inputs.classes, scoring.bootstrap)

    def _judge(self, detected: Events, truth: Events) -> tuple[np.ndarray, np.ndarray]:
        """Which events are found (events,), and which detections are false (detections,)."""
        first, stop = truth.of_pairs(detected.clip, detected.class_index)
        detection, event = indices(first, stop)
        seconds = np.minimum(detected.offset[detection], truth.offset[event])
        seconds -= np.maximum(detected.onset[detection], truth.onset[event])
        seconds = np.maximum(seconds, 0.0)
        inside = np.bincount(detection, seconds, minlength=len(detected))
        relevant = rounded(inside) >= rounded(self.dtc * (detected.offset - detected.onset))
        covered = np.bincount(event, seconds * relevant[detection], minlength=len(truth))
        found = rounded(covered) >= rounded(self.gtc * (truth.offset - truth.onset))
        return found, ~relevant

    def _by_reference(self, scoring: Scoring) -> FScore:
        decoding = scoring.decoded.chosen
        if decoding.frame_centres or decoding.min_seconds:
            raise UsageError(
                "the reference engine judges intersections of events between the borders of frames alone, "
                "and of any length"
            )
        reference = scoring.reference
        limits: float | tuple[float, ...] | dict[str, float] = decoding.threshold
        if isinstance(limits, tuple):
            of_class = dict(zip(scoring.inputs.classes, limits, strict=True))
            limits = {label: of_class[name] for label, name in reference.names.items()}
        f1, precision, recall, _ = reference.call(
            *("intersection_based", "fscore"),
            threshold=limits,
            dtc_threshold=self.dtc,
            gtc_threshold=self.gtc,
        )
        return FScore(
            name=self.name,
            micro=float(f1["micro_average"]),
            macro=float(f1["macro_average"]),
            precision=float(precision["micro_average"]),
            recall=float(recall["micro_average"]),
            per_class=dict(zip(scoring.inputs.classes, reference.by_class(f1)[:, 0].tolist(), strict=True)),
        )
