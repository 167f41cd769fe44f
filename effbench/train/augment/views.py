"""What a batch is made of, as augmentation sees it."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class Views:
    """One batch: its features, once for every network that sees it, and its targets.

    Args:
        features: those of the student and, if there is one, of the online teacher, each
            (batch, 1, mels, feature frames) with its own number of mels and frames.
        labels: (batch, classes, frames) of frames, or (batch, classes) of clips. Clip labels have no time:
            what moves or hides a part of the clip leaves them as they are.
        pseudo: probabilities of a teacher, (batch, classes, frames), or ``None``.
        log_scales: natural logarithms of power per unit of each of ``features``, which says how far a gain in
            decibels moves them. ``(ln mel + 4.5) / 5`` has 5.
    """

    features: tuple[Tensor, ...]
    labels: Tensor
    pseudo: Tensor | None = None
    log_scales: tuple[float, ...] = (5.0,)

    @property
    def batch(self) -> int:
        """Number of clips."""
        return len(self.labels)

    @property
    def has_frame_labels(self) -> bool:
        """Whether the labels are of frames, not of clips."""
        return self.labels.ndim == 3
