"""Scores, events and durations from anybody's files, fitted to one another: names of clips and of classes."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import islice
from pathlib import Path
from typing import TypeVar

from effbench.data.clip_names import match_names, nearest_names
from effbench.data.durations import read_durations
from effbench.data.ground_truth import SURE, OnProblem, read_ground_truth
from effbench.data.vocabulary import mid_names, some_of
from effbench.errors import DataError, EffbenchWarning
from effbench.evaluate.given_times import check_events, check_scale, check_unit
from effbench.evaluate.scoring_inputs import Durations, GroundTruth
from effbench.infer.score_files import ScoreSet, clip_spans, read_scores

Value = TypeVar("Value")
ClipEvents = list[tuple[float, float, str]]
#: Clips whose scores are looked at where durations are given.
_FEW = 10


@dataclass(frozen=True)
class GivenFiles:
    """What is to be scored; clips are named as in the scores, classes as well.

    Attributes:
        scores: of every clip.
        ground_truth: events of clips, of those without scores, too.
        durations: seconds of every clip.
    """

    scores: ScoreSet
    ground_truth: GroundTruth
    durations: Durations


def read_given(
    scores: Path,
    ground_truth: Path,
    durations: Path | None = None,
    *,
    confidence: float = SURE,
    on_problem: OnProblem | None = None,
    columns: Sequence[str] = (),
    fill_gaps: bool = False,
) -> GivenFiles:
    """Read what is to be scored. What was assumed is said in notes (``EffbenchWarning``).

    Args:
        scores, fill_gaps: as ``read_scores``.
        ground_truth, confidence, on_problem, columns: as ``read_ground_truth``.
        durations: table of seconds; by default, clips end where their scores do.

    Raises:
        DataError: a file that can't be read; names or classes of one that are not those of the other.
        UsageError: no scores there.
    """
    given = read_scores(scores, fill_gaps=fill_gaps)
    events = read_ground_truth(ground_truth, confidence=confidence, on_problem=on_problem, columns=columns)
    if not events:
        raise DataError(f"{ground_truth}: no clip and no event below the first line")
    truth = same_labels(events, given.classes)
    _check_unknown(truth, given.classes)
    # Clips without scores are told later, as missing.
    truth = fit_clips(truth, given.scores, f"events ({ground_truth})", tell=False)
    _note_without_events(given.scores.keys() - truth.keys(), given.scores, truth)
    if durations is None:
        begins, seconds = clip_spans(given)
        check_scale(truth, seconds, ground_truth)
    else:
        seconds = fit_clips(read_durations(durations), given.scores, f"durations ({durations})")
        few = {clip: clip for clip in islice(given.scores, _FEW)}
        begins, ends = clip_spans(given.renamed(few))
        check_unit(seconds, ends, durations)
    check_events(truth, seconds, begins, ground_truth)
    return GivenFiles(given, truth, seconds)


def _note(message: str) -> None:
    warnings.warn(message, EffbenchWarning, stacklevel=3)


def fit_clips(
    given: Mapping[str, Value], clips: Collection[str], what: str, *, tell: bool = True
) -> dict[str, Value]:
    """By the names of ``clips``; those of no clip stay, and a note says so where it is to ``tell``.

    Raises:
        DataError: no clip in common, a name that may be of several clips, or several names of one.
    """
    matched = match_names(given, clips)
    if matched.ambiguous:
        name = matched.ambiguous[0]
        raise DataError(f"{what}: '{name}' may be several clips: {nearest_names(name, clips)}")
    for rule in matched.rules:
        _note(f"{what}: {rule}")
    doubled = [clip for clip, count in Counter(matched.clip_of.values()).items() if count > 1]
    if doubled:
        names = [name for name, clip in matched.clip_of.items() if clip == doubled[0]]
        raise DataError(f"{what}: several names of one clip, '{doubled[0]}': {some_of(names)}")
    if matched.unmatched:
        name = matched.unmatched[0]
        missing = f"{what}: {len(matched.unmatched):,} of {len(given):,} clips are not among those scored"
        near = f"nearest are {nearest_names(name, clips)}"
        if not matched.clip_of:
            raise DataError(f"{what}: no clip in common: '{name}' here, {near} there")
        if tell:
            _note(f"{missing}: '{name}', {near}")
    return {matched.clip_of.get(name, name): value for name, value in given.items()}


def _note_without_events(
    lacking: Collection[str], clips: Collection[str], truth: Mapping[str, ClipEvents]
) -> None:
    if lacking:
        name = min(lacking)
        near = nearest_names(name, truth)
        _note(
            f"{len(lacking):,} of {len(clips):,} clips with scores are not in the ground truth: "
            f"'{name}', nearest are {near}"
        )


def same_labels(truth: Mapping[str, ClipEvents], classes: Collection[str]) -> dict[str, ClipEvents]:
    """Events by the names that ``classes`` have for theirs; AudioSet's ids and names of classes are the same.

    Raises:
        DataError: a label is a class but for the case of its letters.
    """
    labels = {label for events in truth.values() for *_, label in events} - {*classes}
    name_of = mid_names()
    by_name = {name_of[name]: name for name in classes if name in name_of}
    called = {label: by_name.get(label, name_of.get(label, "")) for label in labels}
    called = {label: name for label, name in called.items() if name in classes}
    if called:
        label = min(called)
        _note(f"classes by AudioSet's ids and by their names are the same ('{label}' is '{called[label]}')")
    alike = {name.casefold(): name for name in classes}
    for label in sorted(labels - called.keys()):
        if label.casefold() in alike:
            other = alike[label.casefold()]
            raise DataError(f"events of '{label}', but '{other}' there: write the class alike in both files")
    return {
        clip: [(onset, offset, called.get(label, label)) for onset, offset, label in events]
        for clip, events in truth.items()
    }


def _check_unknown(truth: Mapping[str, ClipEvents], classes: Sequence[str]) -> None:
    """Say which labels may be meant as classes; raise ``DataError`` where most events have no class."""
    counts = Counter(label for events in truth.values() for *_, label in events)
    unknown = sorted(counts.keys() - {*classes})
    left_out, total = sum(counts[label] for label in unknown), sum(counts.values())
    near = {label: get_close_matches(label, classes, n=1, cutoff=0.8) for label in unknown}
    meant = "; ".join(f"is '{label}' the class '{found[0]}'?" for label, found in near.items() if found)
    if 2 * left_out > total:
        raise DataError(
            f"{left_out:,} of {total:,} events are of classes without scores: {some_of(unknown)}\n"
            f"Scores are of {some_of(classes)}{f'; {meant}' if meant else ''}"
        )
    if meant:
        _note(meant)
