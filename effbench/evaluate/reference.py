"""The field's reference scorers, sed_scores_eval and (of decoded events) sed_eval, behind our inputs."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from inspect import signature
from types import ModuleType
from typing import Any

import numpy as np

from effbench.errors import EffbenchError
from effbench.evaluate.f_score import DetectionInputs, FScore
from effbench.evaluate.scoring_inputs import ScoringInputs


class ReferenceScorer:
    """The inputs as the reference takes them; an ``EffbenchError`` where sed_scores_eval is not installed."""

    def __init__(self, inputs: ScoringInputs) -> None:
        self.inputs = inputs
        self.scored = np.flatnonzero(inputs.event_counts).tolist()
        #: Our name of each of the reference's classes: it refuses some names, such as those with a backslash.
        self.names = {f"class {index}": inputs.classes[index] for index in self.scored}
        self._make_table = _module("sed_scores_eval.base_modules.scores").create_score_dataframe
        self._tables: dict[str, object] = {}

    def add(self, number: int, scores: np.ndarray, times: np.ndarray) -> None:
        """As ``Feed.add``."""
        columns = scores[:, self.scored].astype(np.float64)
        self._tables[self.inputs.clips[number]] = self._make_table(columns, times, list(self.names))

    def call(self, module: str, function: str, **options: object) -> Any:
        """What a function of sed_scores_eval makes of the clips; an ``EffbenchError`` where it fails.

        It gets the events and durations, too, as far as it takes them; functions of whole clips get tags.
        """
        score = getattr(_module(f"sed_scores_eval.{module}"), function)
        inputs, truth = self.inputs, self._events()
        if "audio_durations" in signature(score).parameters:
            options["audio_durations"] = dict(zip(inputs.clips, inputs.seconds.tolist(), strict=True))
        whole = {clip: {label for *_, label in events} for clip, events in truth.items()}
        with _reporting_failures():
            return score(
                scores=self._tables, ground_truth=whole if module == "clip_based" else truth, **options
            )

    def _events(self) -> dict[str, list[tuple[float, float, str]]]:
        events = self.inputs.events
        truth: dict[str, list[tuple[float, float, str]]] = {clip: [] for clip in self.inputs.clips}
        columns = (events.clip, events.class_index, events.onset, events.offset)
        for clip, index, onset, offset in zip(*(column.tolist() for column in columns), strict=True):
            truth[self.inputs.clips[clip]].append((onset, offset, f"class {index}"))
        return truth

    def by_class(self, values: Mapping[str, float]) -> np.ndarray:
        """The reference's value of every class of ours (classes, 1); NaN where it has none."""
        known = {self.names[label]: value for label, value in values.items() if label in self.names}
        return np.array([[known.get(name, np.nan)] for name in self.inputs.classes], np.float64)


def score_by_sed_eval(
    kind: str, name: str, inputs: DetectionInputs, **options: object
) -> tuple[FScore, Mapping[str, float]]:
    """F-score and error rates of detected events by one of sed_eval's classes, without intervals.

    Args:
        kind: the class, ``EventBasedMetrics`` or ``SegmentBasedMetrics``.
        name: of the score's quantity.
        inputs: detected events and ground truth.
        options: of the class.

    Returns:
        The F-score, and ``error_rate`` with its parts, ``substitution_rate`` and so on.

    Raises:
        EffbenchError: sed_eval is not installed, or fails.
    """
    labels = [f"class {index}" for index in range(len(inputs.classes))]
    label_of = dict(zip(inputs.classes, labels, strict=True))
    with _reporting_failures(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # means of nothing
        metric = getattr(_module("sed_eval.sound_event"), kind)(labels, **options)
        for clip, truth in inputs.ground_truth.items():
            metric.evaluate(
                *(_listed(events, label_of) for events in (truth, inputs.estimated.get(clip, ())))
            )
        results = metric.results()
    overall, per_class = results["overall"], results["class_wise"]
    score = FScore(
        name=name,
        micro=overall["f_measure"]["f_measure"],
        macro=results["class_wise_average"]["f_measure"]["f_measure"],
        precision=overall["f_measure"]["precision"],
        recall=overall["f_measure"]["recall"],
        per_class={cls: per_class[label]["f_measure"]["f_measure"] for cls, label in label_of.items()},
    )
    return score, overall["error_rate"]


def _listed(
    events: Iterable[tuple[float, float, str]], label_of: Mapping[str, str]
) -> list[dict[str, float | str]]:
    """Events as sed_eval takes them."""
    return [
        {"event_onset": onset, "event_offset": offset, "event_label": label_of[name]}
        for onset, offset, name in events
    ]


@contextmanager
def _reporting_failures() -> Iterator[None]:
    try:
        yield
    except (AssertionError, IndexError, TypeError, ValueError) as error:
        # sed_scores_eval does where a class has neither a true nor a false positive at any threshold.
        raise EffbenchError(
            f"the reference scorer failed ({error}): it does not define every score that effbench does"
        ) from error


def require_reference() -> None:
    """An ``EffbenchError`` unless the reference scorers are installed."""
    _module("sed_scores_eval.base_modules.scores")


def _module(name: str) -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return import_module(name)
        except ImportError as error:
            raise EffbenchError(
                f"the reference scorer can't be used ({error}): pip install 'effbench[reference]'"
            ) from error
