"""Scores of clip-wise predictions: which classes does a clip contain?"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def average_precision(scores: NDArray[np.floating], labels: NDArray[np.bool_]) -> float:
    """Mean of the precisions at the ranks of the positives, from scores and labels (clips,).

    Clips of equal score have one rank, that of the last of them. NaN without positives.

    Source: Gemmeke et al. 2017 (AudioSet), non-interpolated average precision.
    """
    positives = int(labels.sum())
    if not positives:
        return float("nan")
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(labels[order])
    last = np.append(ranked[1:] != ranked[:-1], True)
    true, total = hits[last], np.flatnonzero(last) + 1
    return float((np.diff(true, prepend=0) * true / total).sum() / positives)


def mean_average_precision(scores: NDArray[np.floating], labels: NDArray[np.bool_]) -> float:
    """Mean of ``average_precision`` over the classes (clips, classes) that occur; NaN if none does."""
    values = [average_precision(scores[:, c], labels[:, c]) for c in np.flatnonzero(labels.any(0))]
    return float(np.mean(values)) if values else float("nan")
