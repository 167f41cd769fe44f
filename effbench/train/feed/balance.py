"""Sampling weights that draw clips with rare classes more often."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from effbench.data.clips import DataSet
from effbench.grid import CLIP_FRAMES, FRAME_SECONDS

OFFSETS = {"strong": 30, "weak": 100}

Triples = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


def balanced_weights(
    dataset: DataSet, labels: Literal["strong", "weak"], *, frames: int = CLIP_FRAMES
) -> NDArray[np.float64]:
    """(clips,) ``w_i = Σ_c n_ic · 1000 / (offset + Σ_j n_jc)`` for clips i, j and classes c.

    ``n_ic`` is the number of active frames of class c (``strong``, offset 30) in the first ``frames`` 40-ms
    frames of a clip, or 1 for a label of the clip (``weak``, offset 100). Labels of other classes do not
    count; no audio is read.

    Source: PaSST's balanced sampling (Koutini et al. 2022), with active frames in place of clips for events.
    """
    clips, classes, amounts = (_active_frames if labels == "strong" else _clip_labels)(dataset, frames)
    totals = np.bincount(classes, amounts, len(dataset.classes))
    shares = amounts * 1000 / (OFFSETS[labels] + totals[classes])
    return np.bincount(clips, shares, len(dataset)).astype(np.float64)


def _clip_labels(dataset: DataSet, frames: int) -> Triples:
    """Clip, class and 1 of every label."""
    index = dataset.classes.index
    pairs = [
        (clip, index[name])
        for clip, key in enumerate(dataset.ids)
        for name in set(dataset.weak.get(key, ()))
        if name in index
    ]
    clips, classes = np.array(pairs, np.int64).reshape(-1, 2).T
    return clips, classes, np.ones(len(pairs))


def _active_frames(dataset: DataSet, frames: int) -> Triples:
    """Clip, class and the frames that each event adds to those of the class's events before it."""
    index = dataset.classes.index
    rows = [
        (clip, index[event.label], event.onset, event.offset)
        for clip, key in enumerate(dataset.ids)
        for event in dataset.events.of(key)
        if event.label in index
    ]
    table = np.array(rows, np.float64).reshape(-1, 4)
    clips, classes = table[:, :2].astype(np.int64).T
    # Floor of the onset, ceiling of the offset; times within 1e-6 frames of the grid lie on it.
    bounds = np.clip(table[:, 2:] / FRAME_SECONDS, 0, frames)
    first, end = np.floor(bounds[:, 0] + 1e-6), np.ceil(bounds[:, 1] - 1e-6)
    # Clips and classes laid end to end, so that one running maximum finds what earlier events have covered.
    lane = clips * len(dataset.classes) + classes
    order = np.lexsort((first, lane))
    first, end = (first + lane * frames)[order], (end + lane * frames)[order]
    covered = np.maximum.accumulate(np.concatenate([[0.0], end]))[:-1]
    added = np.maximum(end - np.maximum(first, covered), 0)
    return clips[order], classes[order], added
