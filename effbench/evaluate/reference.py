"""The field's reference scorer, sed_scores_eval, behind our inputs."""

from __future__ import annotations

import warnings
from importlib import import_module
from types import ModuleType
from typing import Any

import numpy as np

from effbench.errors import EffbenchError
from effbench.evaluate.scoring_inputs import ScoringInputs


class ReferenceScorer:
    """The inputs as the reference takes them; an ``EffbenchError`` where sed_scores_eval is not installed."""

    def __init__(self, inputs: ScoringInputs) -> None:
        self.inputs = inputs
        self.scored = np.flatnonzero(inputs.event_counts).tolist()
        #: Our name of each of the reference's classes: it refuses some names, such as those with a backslash.
        self.names = {f"class {index}": inputs.classes[index] for index in self.scored}
        self._make_table = _module("base_modules.scores").create_score_dataframe
        self._tables: dict[str, object] = {}

    def add(self, number: int, scores: np.ndarray, times: np.ndarray) -> None:
        """As ``Feed.add``."""
        if np.isnan(scores).any():
            raise self.inputs.nan_error(number, int(np.argwhere(np.isnan(scores))[0, 1]))
        columns = scores[:, self.scored].astype(np.float64)
        self._tables[self.inputs.clips[number]] = self._make_table(columns, times, list(self.names))

    def call(self, module: str, function: str, **options: object) -> Any:
        """What a function of sed_scores_eval makes of the clips; an ``EffbenchError`` where it fails."""
        score = getattr(_module(module), function)
        inputs, events = self.inputs, self.inputs.events
        truth: dict[str, list[tuple[float, float, str]]] = {clip: [] for clip in inputs.clips}
        columns = (events.clip, events.class_index, events.onset, events.offset)
        for clip, index, onset, offset in zip(*(column.tolist() for column in columns), strict=True):
            truth[inputs.clips[clip]].append((onset, offset, f"class {index}"))
        seconds = dict(zip(inputs.clips, inputs.seconds.tolist(), strict=True))
        try:
            return score(scores=self._tables, ground_truth=truth, audio_durations=seconds, **options)
        except (AssertionError, IndexError, TypeError, ValueError) as error:
            # For one, it fails where a class has neither a true nor a false positive at any threshold.
            raise EffbenchError(
                f"the reference scorer failed ({error}): it does not define every score that effbench does"
            ) from error


def _module(name: str) -> ModuleType:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return import_module(f"sed_scores_eval.{name}")
        except ImportError as error:
            raise EffbenchError(
                f"the reference scorer can't be used ({error}): pip install 'effbench[reference]'"
            ) from error
