"""What the clips of a data set can teach a model, checked before training starts."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from effbench.data.clips import Clip, DataSet
from effbench.data.labels import FrameRule, encode_events
from effbench.data.pseudo_label_files import Logits, PseudoLabels
from effbench.data.vocabulary import require_shared, some_of, strong_classes
from effbench.errors import DataError, EffbenchWarning
from effbench.grid import FRAME_SECONDS, SAMPLE_RATE, TAIL_SAMPLES

END_TOLERANCE = TAIL_SAMPLES / SAMPLE_RATE
"""Seconds by which a clip may be longer than a piece and still be one: some AudioSet clips last 10.01 s."""


@dataclass(frozen=True)
class Targets:
    """Turns a clip's annotations into arrays for the frames of a piece of it.

    Events of other classes are left out. Where there are no events (``strong`` is false), a piece has no
    frame labels: unknown is not silent. ``weak_classes`` are empty where there are no weak labels.
    """

    classes: tuple[str, ...]
    weak_classes: tuple[str, ...]
    strong: bool
    rule: FrameRule = "cover"
    float32_times: bool = False

    def labels(self, clip: Clip, first: int, frames: int) -> NDArray[np.uint8] | None:
        """(classes, frames), 0 or 1."""
        if not self.strong:
            return None
        return encode_events(
            clip.events,
            self.classes,
            frames=frames,
            first_frame=first,
            rule=self.rule,
            float32_times=self.float32_times,
        ).astype(np.uint8)

    def weak(self, clip: Clip, first: int, frames: int) -> NDArray[np.uint8] | None:
        """(weak classes,), 0 or 1: labels of the whole clip, or else of the events in the piece."""
        if not self.weak_classes:
            return None
        start, end = first * FRAME_SECONDS, (first + frames) * FRAME_SECONDS
        present = clip.weak or {e.label for e in clip.events if e.onset < end and e.offset > start}
        return np.array([name in present for name in self.weak_classes], np.uint8)

    def pseudo(self, dataset: DataSet, clip: str, first: int, frames: int) -> Logits | None:
        """Logits (classes, frames); minus infinity, a probability of 0, after the last frame there is."""
        if dataset.pseudo is None:
            return None
        if isinstance(dataset.pseudo, PseudoLabels):
            logits = dataset.pseudo.logits(clip, first, frames)
        else:
            probabilities = dataset.pseudo(clip)[:, first : first + frames]
            with np.errstate(divide="ignore"):
                logits = np.log(probabilities) - np.log1p(-probabilities)
        missing = frames - logits.shape[1]
        return np.pad(logits, ((0, 0), (0, missing)), constant_values=-np.inf) if missing else logits


def targets_of(
    dataset: DataSet,
    classes: Sequence[str],
    *,
    weak_classes: Sequence[str] | None = None,
    rule: FrameRule = "cover",
    float32_times: bool = False,
) -> Targets:
    """Targets for a model; ``weak_classes`` default to the data set's, if it has weak labels.

    Without ``classes`` there are no frame labels.

    Raises:
        DataError: the data set has no label of any of the classes.
    """
    strong = len(dataset.events) > 0 and len(classes) > 0
    if strong:
        require_shared(dataset.events.labels, classes, _none_of(dataset, "events"))
    if weak_classes is None:
        weak_classes = dataset.classes.names if dataset.weak else ()
    if weak_classes and dataset.weak:
        present = {label for labels in dataset.weak.values() for label in labels}
        require_shared(present, weak_classes, _none_of(dataset, "weak labels"))
    elif weak_classes and strong:
        require_shared(dataset.events.labels, weak_classes, _none_of(dataset, "events"))
    elif weak_classes:
        raise DataError(f"{dataset.path}: no weak labels, and no events to make them from")
    return Targets(tuple(classes), tuple(weak_classes), strong, rule, float32_times)


def _none_of(dataset: DataSet, what: str) -> str:
    return f"{dataset.path}: none of its {what} ('{dataset.split}')"


def require_audioset_classes(dataset: DataSet) -> None:
    """Note events that a model of AudioSet-strong's classes learns nothing from.

    Raises:
        DataError: all are such; the message has the key of recipes that helps.
    """
    theirs = strong_classes().names
    cure = "A model of the data set's own classes: data.classes=data"
    try:
        require_shared(dataset.events.labels, theirs, _none_of(dataset, "events"))
    except DataError as error:
        raise DataError(f"{error}\n{cure}") from None
    # AudioSet-strong has some that are scored in no detector.
    others = [] if dataset.classes.names == theirs else sorted(set(dataset.events.labels) - set(theirs))
    if others:
        left_out = f"events of classes that AudioSet-strong does not have are left out: {some_of(others)}"
        warnings.warn(f"{left_out}. {cure}", EffbenchWarning, stacklevel=2)


def check_pseudo_labels(dataset: DataSet, n_classes: int, seconds: NDArray[np.float64]) -> None:
    """Every clip has pseudo labels of all ``n_classes``, for its whole length of ``seconds`` (clips,).

    Raises:
        DataError: says how many of how many clips lack them, and names the first.
    """
    pseudo = dataset.pseudo
    if not isinstance(pseudo, PseudoLabels):
        return
    name, (classes, frames) = pseudo.path, pseudo.shape
    if classes != n_classes:
        raise DataError(f"{name}: pseudo labels of {classes} classes; the model has {n_classes}")
    lacking = [clip for clip in dataset.ids if clip not in pseudo]
    if lacking:
        raise DataError(
            f"{name}: no pseudo labels for {len(lacking):,} of {len(dataset):,} clips, first '{lacking[0]}'\n"
            "Make them: effbench pseudo-labels --help"
        )
    longer = np.flatnonzero(seconds > frames * FRAME_SECONDS + END_TOLERANCE)
    if len(longer):
        first = int(longer[0])
        raise DataError(
            f"{name}: pseudo labels of {frames} frames ({frames * FRAME_SECONDS:g} s); {len(longer):,} of "
            f"{len(dataset):,} clips are longer, first '{dataset.ids[first]}' with {seconds[first]:.2f} s"
        )
