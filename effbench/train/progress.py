"""What can be followed of a training while it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from effbench.train.runs import Run
    from effbench.train.state import Position
    from effbench.train.validation import Scored


class Progress:
    """Follows a training. Every method may be overridden; none of them does anything here."""

    def began(self, run: Run, position: Position, total: int) -> None:
        """It starts or resumes at a position of ``total`` steps, or is at its end already."""

    def stopping(self) -> None:
        """It was asked to stop, and will after this step."""

    def step(self, position: Position, loss: float, clips_per_second: float, total: int) -> None:
        """Some more of ``total`` steps are done; ``loss`` is their mean."""

    def validated(self, position: Position, scored: Scored, *, best: bool) -> None:
        """The model was scored."""
