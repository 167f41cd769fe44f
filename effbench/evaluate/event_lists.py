"""Lists of detected events, as challenges take them, as scores: 1 where an event is, 0 elsewhere."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np

from effbench.data.clip_names import nearest_names
from effbench.data.durations import read_durations
from effbench.data.ground_truth import SURE, OnProblem, read_ground_truth
from effbench.data.labels import Event, merge_events
from effbench.errors import DataError, EffbenchWarning, UsageError
from effbench.evaluate.given import ClipEvents, GivenFiles, fit_clips, same_labels
from effbench.evaluate.given_times import check_events, check_together
from effbench.evaluate.metrics import DECODED, METRICS
from effbench.evaluate.protocol_files import EVENT_PROTOCOL, load_protocol
from effbench.evaluate.scoring_inputs import TIME_DECIMALS
from effbench.infer.score_files import ScoreSet
from effbench.infer.score_folder import Array


def read_event_list(
    events: Path,
    ground_truth: Path,
    durations: Path | None = None,
    *,
    confidence: float = SURE,
    on_problem: OnProblem | None = None,
    columns: Sequence[str] = (),
) -> GivenFiles:
    """Detected events beside those that are there; a clip without detected events need not be in the list.

    Args:
        events: table of any kind that ``read_ground_truth`` reads; events of one class that overlap or touch
            are one, which a note says, and events without length are refused or dropped.
        ground_truth, confidence, on_problem, columns: as ``read_ground_truth``.
        durations: table of seconds; by default, every clip ends with the last event of all.

    Raises:
        DataError: a file that can't be read; names or classes of one that are not those of the other.
    """
    truth = read_ground_truth(ground_truth, confidence=confidence, on_problem=on_problem, columns=columns)
    listed = read_ground_truth(
        events, confidence=confidence, on_problem=on_problem or "error", columns=columns
    )
    detected = fit_clips(_merged(listed, events), truth, f"events ({events})", tell=False)
    if unknown := sorted(detected.keys() - truth.keys()):
        near = nearest_names(unknown[0], truth)
        raise DataError(f"{events}: '{unknown[0]}' is no clip of the ground truth, {ground_truth} ({near})")
    detected = same_labels(detected, _labels(truth))
    last = max((offset for _, offset, _ in chain(*truth.values(), *detected.values())), default=1.0)
    seconds = dict.fromkeys(truth, last)
    if durations is not None:
        seconds = fit_clips(read_durations(durations), truth, f"durations ({durations})")
        check_events(truth, seconds, {}, ground_truth)
        check_events(detected, seconds, {}, events)
    check_together(detected, truth, events)
    classes = tuple(sorted(_labels(truth) | _labels(detected)))
    scores: dict[str, Array] = {}
    times: dict[str, Array] = {}
    for clip in truth:
        found = detected.get(clip, [])
        times[clip] = _boundaries(found, seconds.get(clip, last))
        scores[clip] = _active(found, times[clip], classes)
    return GivenFiles(ScoreSet(scores, classes, times, "probabilities"), truth, seconds)


def event_options(protocol: str, metrics: Sequence[str] | None) -> tuple[str, Sequence[str] | None]:
    """The protocol and metrics of a list of events: those of a protocol that need scores are left out, and a
    note says so. Where none is chosen (``paper``), it is ``EVENT_PROTOCOL``.

    Raises:
        UsageError: a protocol that filters scores or decodes events in its own way, or metrics that all, or
            by name, need scores.
    """
    protocol = EVENT_PROTOCOL if protocol == "paper" else protocol
    plan = load_protocol(protocol)
    if plan.median_window != 1 or plan.frame_centres or plan.min_seconds:
        raise UsageError(
            f"the protocol '{protocol}' filters scores or makes events of them in its own way, and a list of "
            f"events has none; its metrics, by name, can be had with the protocol '{EVENT_PROTOCOL}'"
        )
    names = plan.metrics.asked if metrics is None else metrics
    unfit = [name for name in names if name not in DECODED and name in METRICS]
    if not unfit:
        return protocol, metrics
    message = f"a list of events has no scores for {', '.join(unfit)}"
    if metrics is not None or len(unfit) == len(names):
        raise UsageError(f"{message}: it can be scored by {', '.join(DECODED)}")
    warnings.warn(f"{message}: left out of the protocol '{protocol}'", EffbenchWarning, stacklevel=2)
    return protocol, [name for name in names if name in DECODED]


def with_classes(given: GivenFiles, classes: Sequence[str]) -> GivenFiles:
    """The same list beside more classes, of which it has no event."""
    own = given.scores
    places = [own.classes.index(name) for name in classes if name in own.classes]
    there = np.array([name in own.classes for name in classes])
    scores: dict[str, Array] = {}
    for clip, array in own.scores.items():
        scores[clip] = np.zeros((len(array), len(classes)), np.float32)
        scores[clip][:, there] = array[:, places]
    return replace(given, scores=replace(own, scores=scores, classes=tuple(classes)))


def _merged(listed: Mapping[str, ClipEvents], path: Path) -> dict[str, ClipEvents]:
    merged: dict[str, ClipEvents] = {
        clip: [(*event,) for event in merge_events(Event(*event) for event in events)]
        for clip, events in listed.items()
    }
    fewer = sum(map(len, listed.values())) - sum(map(len, merged.values()))
    if fewer:
        message = f"{path}: {fewer:,} events overlap or touch one of their class, and count as one with it"
        warnings.warn(message, EffbenchWarning, stacklevel=3)
    return merged


def _labels(of: Mapping[str, ClipEvents]) -> set[str]:
    return {label for events in of.values() for *_, label in events}


def _boundaries(events: ClipEvents, end: float) -> Array:
    """Onsets and offsets, rounded as times are compared, between 0 and the end."""
    bounds: Iterable[float] = chain((0.0, end), *((onset, offset) for onset, offset, _ in events))
    return np.unique(np.round(np.array([*bounds]), TIME_DECIMALS))


def _active(events: ClipEvents, times: Array, classes: tuple[str, ...]) -> Array:
    """1 where an event is: (frames, classes)."""
    scores = np.zeros((len(times) - 1, len(classes)), np.float32)
    for onset, offset, label in events:
        first, stop = np.searchsorted(times, np.round([onset, offset], TIME_DECIMALS))
        scores[first:stop, classes.index(label)] = 1
    return scores
