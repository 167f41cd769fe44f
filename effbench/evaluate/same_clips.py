"""Two systems' scores of the same clips, whatever each calls them."""

from __future__ import annotations

import warnings
from dataclasses import replace
from pathlib import Path

from effbench.errors import EffbenchWarning
from effbench.evaluate.given import GivenFiles, fit_clips
from effbench.evaluate.incomplete import OnMissing

#: Part by which clips may last longer by the scores of one system than by those of the other.
_ALIKE = 0.01


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
    _tell_lengths(first, second)
    if on_missing != "skip":
        return first, second
    theirs = frozenset(here.values())
    common = {clip: clip for clip in first.scores.scores if clip in theirs}
    return (
        replace(first, scores=first.scores.renamed(common)),
        replace(second, scores=second.scores.renamed(common), ground_truth=first.ground_truth),
    )


def _tell_lengths(first: GivenFiles, second: GivenFiles) -> None:
    """Say if clips last longer for one system, which then may have more false positives an hour."""
    shared = [clip for clip in first.durations if clip in second.durations]
    one, other = (sum(of.durations[clip] for clip in shared) for of in (first, second))
    if abs(one - other) > _ALIKE * max(one, other):
        message = (
            f"clips last {one:.6g} s in all by the scores of the first system, {other:.6g} s by those of the "
            "second: a table of durations makes them alike"
        )
        warnings.warn(message, EffbenchWarning, stacklevel=3)
