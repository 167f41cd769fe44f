"""What a data set says is heard in its clips, as scores are compared with it."""

from __future__ import annotations

import warnings
from collections.abc import Collection

from effbench.data.clips import DataSet
from effbench.data.ground_truth import OnProblem, bad_rows
from effbench.errors import DataError, EffbenchWarning
from effbench.evaluate.scoring_inputs import GroundTruth

#: What labels of whole clips can be compared with.
_OF_CLIPS = "map"
#: Seconds of a clip without audio, which counts as missing, whatever its length.
_UNKNOWN = 1.0


def events_of(dataset: DataSet, metrics: Collection[str], on_problem: OnProblem | None) -> GroundTruth:
    """Events of every clip, those without audio included; labels of whole clips last as long as the clip.

    Rows of tables that are no events are left out, with a note.

    Raises:
        DataError: there are such rows, and they are an error; or there are labels of clips alone, and metrics
            that need events.
    """
    if bad := [problem for problem in dataset.problems if problem.fatal]:
        message = bad_rows(bad, dataset.path)
        if on_problem == "error":
            raise DataError(message)
        warnings.warn(f"{message}; left out", EffbenchWarning, stacklevel=2)
    clips = [*dataset.ids, *dataset.missing]
    if len(dataset.events) or not dataset.weak:
        return dataset.events.ground_truth(clips)
    if other := [name for name in metrics if name != _OF_CLIPS]:
        raise DataError(
            f"{dataset.path}: '{dataset.split}' has labels of whole clips, and no events to score "
            f"{other[0]} with\nThe only metric that clip labels are enough for is {_OF_CLIPS}."
        )
    seconds = dict.fromkeys(dataset.missing, _UNKNOWN) | dataset.durations()
    return {clip: [(0.0, seconds[clip], label) for label in dataset.weak.get(clip, ())] for clip in clips}
