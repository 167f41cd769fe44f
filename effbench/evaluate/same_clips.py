"""Two systems' scores of the same clips, whatever each calls them."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from effbench.evaluate.given import GivenFiles, fit_clips
from effbench.evaluate.incomplete import OnMissing


def same_clips(
    first: GivenFiles, second: GivenFiles, where: Path, on_missing: OnMissing | None
) -> tuple[GivenFiles, GivenFiles]:
    """Both with the names that clips have in the first, by the rules that fit events to scores.

    Args:
        first, second: files of two systems.
        where: the second one's, for messages.
        on_missing: ``skip`` leaves the scores of the clips that both have.

    Raises:
        DataError: no clip in common, or a name that may be of several clips.
    """
    own = {clip: clip for clip in second.scores.scores}
    fitted = fit_clips(own, first.scores.scores, f"scores ({where})", tell=False)
    here = {theirs: clip for clip, theirs in fitted.items()}
    second = GivenFiles(
        second.scores.renamed({clip: theirs for theirs, clip in here.items()}),
        {here.get(clip, clip): events for clip, events in second.ground_truth.items()},
        {here.get(clip, clip): seconds for clip, seconds in second.durations.items()},
    )
    if on_missing != "skip":
        return first, second
    theirs = frozenset(here.values())
    common = {clip: clip for clip in first.scores.scores if clip in theirs}
    return (
        replace(first, scores=first.scores.renamed(common)),
        replace(second, scores=second.scores.renamed(common), ground_truth=first.ground_truth),
    )
