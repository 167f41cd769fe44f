"""What can be followed of a study while it runs."""

from __future__ import annotations


class Follower:
    """Is told how a study goes. Every method may be overridden; none of them does anything here."""

    def start(self, name: str) -> None:
        """A job begins."""

    def line(self, text: str) -> None:
        """Something of the job at work is finished."""

    def part(self, done: int, total: int, text: str) -> None:
        """So much of the job at work is done; ``text`` says of what."""
