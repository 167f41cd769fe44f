"""Sets of which some clips are missing: those of the ground truth that have no audio, or no scores."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal, get_args

from effbench.data.clip_names import nearest_names
from effbench.data.vocabulary import some_of
from effbench.errors import UsageError
from effbench.evaluate.scoring_inputs import GroundTruth

#: What to do about clips of the ground truth without audio or scores.
OnMissing = Literal["error", "skip"]


class IncompleteSet(UsageError):
    """Clips of the ground truth have no scores, and nobody said that they may be skipped."""


@dataclass(frozen=True)
class MissingClips:
    """Clips of the ground truth that are missing, and what is missing with them."""

    names: tuple[str, ...]
    clips: int
    events: int
    lost: int

    @property
    def conditions(self) -> dict[str, object]:
        """What rows say; nothing of a complete set."""
        if not self.names:
            return {}
        return {"missing_clips": len(self.names), "missing_events": f"{self._share:.3g} %"}

    @property
    def _share(self) -> float:
        return 100 * self.lost / max(self.events, 1)

    def __str__(self) -> str:
        return (
            f"{len(self.names):,} of {self.clips:,} clips of the ground truth are missing, and with them "
            f"{self.lost:,} of {self.events:,} events ({self._share:.3g} %): {some_of(self.names)}"
        )


def check_on_missing(on_missing: str | None) -> None:
    """A ``UsageError`` unless there is such a way; ``None`` stands for the usual one."""
    if on_missing is not None and on_missing not in get_args(OnMissing):
        raise UsageError(
            f"for missing clips, expected {' or '.join(get_args(OnMissing))}, not '{on_missing}'"
        )


def skip_missing(
    ground_truth: GroundTruth, clips: Collection[str], on_missing: OnMissing
) -> tuple[GroundTruth, MissingClips]:
    """The events of clips that are there, and what is missing.

    Raises:
        IncompleteSet: a clip is missing, which is to be an error; or all are.
    """
    named = frozenset(clips)  # asking scores for a clip might load it
    there = {clip: events for clip, events in ground_truth.items() if clip in named}
    names = tuple(sorted(clip for clip in ground_truth if clip not in there))
    lost = sum(len(ground_truth[clip]) for clip in names)
    missing = MissingClips(names, len(ground_truth), lost + sum(map(len, there.values())), lost)
    if names and (on_missing == "error" or not there):
        raise IncompleteSet(f"{missing}\nNearest to '{names[0]}': {nearest_names(names[0], named)}")
    return there, missing
