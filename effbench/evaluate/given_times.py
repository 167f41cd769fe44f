"""Whether times of events, scores and durations from several files are of one clock, and in one unit."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

from effbench.errors import DataError, EffbenchWarning
from effbench.evaluate.scoring_inputs import GroundTruth

#: Times this many times as long as they can be are in another unit.
_OTHER_UNIT = 50.0
#: Events that all lie in this part of their clips are odd.
_NEAR = 10.0


def check_events(
    truth: GroundTruth, seconds: Mapping[str, float], begins: Mapping[str, float], path: Path
) -> None:
    """Say which events lie outside their clips, or before the scores of these.

    Args:
        truth: events of clips.
        seconds: where each clip ends.
        begins: where the scores of each clip, or of some, begin.
        path: of the events, for messages.

    Raises:
        DataError: most events do.
    """
    _check_outside(
        truth, path, "begin after the end of their clip", "which ends", seconds, lambda on, _, end: on >= end
    )
    _check_outside(
        *(truth, path, "end before the scores of their clip begin", "whose scores begin", begins),
        lambda _, off, begin: off <= begin,
    )


def _check_outside(
    truth: GroundTruth,
    path: Path,
    what: str,
    place: str,
    limits: Mapping[str, float],
    is_outside: Callable[[float, float, float], bool],
) -> None:
    known = [(clip, event) for clip in truth if clip in limits for event in truth[clip]]
    found = [(clip, event) for clip, event in known if is_outside(*event[:2], limits[clip])]
    if not found:
        return
    clip, (onset, offset, label) = found[0]
    message = (
        f"{path}: {len(found):,} of {len(known):,} events {what}: "
        f"'{label}' from {onset:g} to {offset:g} s in '{clip}', {place} at {limits[clip]:g} s"
    )
    if 2 * len(found) > len(known):
        unit = "Times are in seconds, not milliseconds or frames, and from the beginning of the clip."
        raise DataError(f"{message}\n{unit}")
    _note(message)


def check_scale(truth: GroundTruth, seconds: Mapping[str, float], path: Path) -> None:
    """Say if all events lie near the beginning of their clips, which end where scores do.

    Raises:
        DataError: they lie so near that scores must be in another unit.
    """
    parts = [
        (offset / seconds[clip], clip)
        for clip, events in truth.items()
        if seconds.get(clip, 0) > 0
        for _, offset, _ in events
    ]
    part, clip = max(parts, default=(1.0, ""))
    if part * _NEAR < 1:
        message = (
            f"{path}: all events lie in the first {100 * part:.2g} % of their clips, as if scores were not "
            f"in seconds: those of '{clip}' end at {seconds[clip]:g} s"
        )
        if part * _OTHER_UNIT < 1:
            raise DataError(f"{message}\nIf clips are that long, say so with a table of durations.")
        _note(message)


def check_together(detected: GroundTruth, truth: GroundTruth, path: Path) -> None:
    """Say if no detected event overlaps with one of its clip, of whatever class.

    Raises:
        DataError: their times are of such different size that one must be in another unit.
    """
    ends = ([offset for events in of.values() for _, offset, _ in events] for of in (detected, truth))
    last, last_true = (max(offsets, default=0.0) for offsets in ends)
    if not last or not last_true:
        return
    if not 1 / _OTHER_UNIT < last / last_true < _OTHER_UNIT:
        raise DataError(
            f"{path}: the last event ends at {last:g} s, that of the ground truth at {last_true:g} s\n"
            "Times are in seconds, not milliseconds or frames."
        )
    if not any(
        onset < to and since < offset
        for clip, events in detected.items()
        for onset, offset, _ in events
        for since, to, _ in truth.get(clip, ())
    ):
        _note(f"{path}: no event overlaps with one of the ground truth: are both seconds of one clock?")


def check_unit(seconds: Mapping[str, float], ends: Mapping[str, float], path: Path) -> None:
    """Raise ``DataError`` where durations, a table's, and the ends of scores are in different units."""
    for clip, end in ends.items():
        ratio = seconds.get(clip, end) / end if end > 0 else 0.0
        if not 1 / _OTHER_UNIT < ratio < _OTHER_UNIT:
            raise DataError(
                f"{path}: clip '{clip}' lasts {seconds.get(clip, end):g} s, and its scores end at {end:g} s\n"
                "Durations, onsets and offsets are in seconds."
            )


def _note(message: str) -> None:
    warnings.warn(message, EffbenchWarning, stacklevel=3)
