"""Whether scores are probabilities or logits: declared, or seen in all of them."""

from __future__ import annotations

from typing import get_args

import numpy as np

from effbench.errors import UsageError
from effbench.evaluate.scoring_inputs import exact
from effbench.infer.score_files import ValueKind

#: Scores this far outside 0 to 1 may still be probabilities, rounded (also to 16 bits) or interpolated.
OUTSIDE = 0.01


class UnclearValues(UsageError):
    """Undeclared scores are neither probabilities nor, plainly, logits."""


def check_value_kind(values: str | None) -> None:
    """A ``UsageError`` unless there are such scores; ``None`` stands for undeclared ones."""
    if values is not None and values not in get_args(ValueKind):
        raise UsageError(f"unknown values '{values}'; expected {' or '.join(get_args(ValueKind))}")


class ValueRange:
    """The kind of all scores, once they have been seen clip by clip.

    Undeclared ones are logits if any lies outside 0 to 1 by more than ``OUTSIDE``, and probabilities
    otherwise. Scores of -inf (nothing there, in either kind) decide nothing.
    """

    def __init__(self, declared: ValueKind | None = None) -> None:
        self.declared = declared
        self.low, self.high = np.inf, -np.inf

    def see(self, clip: str, scores: np.ndarray) -> None:
        """Take a clip's scores, without NaN; a ``UsageError`` if they are not what was declared."""
        if self.declared == "logits":
            return
        scores = exact(scores)
        low, high = float(scores.min()), float(scores.max())
        if low == -np.inf:
            low = float(scores.min(where=scores > -np.inf, initial=np.inf))
        self.low, self.high = min(self.low, low), max(self.high, high)
        if self.declared == "probabilities" and self._outside:
            value = high if high > 1 else low
            raise UsageError(f"clip '{clip}' has a score of {value:g}, which is no probability")

    @property
    def kind(self) -> ValueKind:
        """What the scores are, as far as they have been seen."""
        return self.declared or ("logits" if self._outside else "probabilities")

    @property
    def possible(self) -> tuple[ValueKind, ...]:
        """What they may turn out to be: no longer probabilities once one is outside 0 to 1."""
        return (self.kind,) if self.declared or self._outside else get_args(ValueKind)

    def require_clear(self) -> None:
        """``UnclearValues`` for undeclared scores that are neither: above 1 with none below 0."""
        if self.declared is None and self._outside and self.low >= 0 and self.high < np.inf:
            raise UnclearValues(
                f"the scores, from {self.low:g} to {self.high:g}, are no probabilities, and logits would "
                "have some below 0: say which they are, or give the threshold of events"
            )

    def check_threshold(self, threshold: float) -> None:
        """A ``UsageError`` for one that all probabilities are above, or none."""
        if self.kind == "probabilities" and not 0 <= threshold < 1:
            raise UsageError(
                f"a threshold of {threshold:g} is none for probabilities, which the scores are: "
                "expected 0 to below 1"
            )

    def __str__(self) -> str:
        if self.high == -np.inf:
            return f"{self.kind}: all are -inf"
        said = f"{self.kind}: they lie from {min(self.low, self.high):g} to {self.high:g}"
        if self.kind == "logits" and self.high <= 0:
            return f"{said}, none above 0 (as log-probabilities would)"
        return said

    @property
    def _outside(self) -> bool:
        return self.low < -OUTSIDE or self.high > 1 + OUTSIDE
