"""What a run of a study may spend: time, and money for it."""

from __future__ import annotations

import re

from pydantic import PositiveFloat

from effbench.config import Strict
from effbench.errors import UsageError

_SECONDS = {"s": 1, "m": 60, "h": 3600}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)([smh])")


def duration(text: object) -> float:
    """Seconds of a duration such as ``90s``, ``30m`` or ``2h``; a number is one already.

    Raises:
        ValueError: it is no duration, or not above zero.
    """
    if isinstance(text, float):
        seconds = text
    else:
        match = _DURATION.fullmatch(str(text).strip())
        seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if not 0 < seconds < float("inf"):
        raise ValueError(f"{text!r} is no duration above zero: write 90s, 30m or 2h")
    return seconds


class Price(Strict):
    """What an hour of a machine costs."""

    per_hour: PositiveFloat
    currency: str = ""

    @classmethod
    def parse(cls, text: str) -> Price:
        """The price in a text such as ``2.5`` or ``2.5 EUR``.

        Raises:
            UsageError: it is none.
        """
        match = re.fullmatch(r"(\d+(?:\.\d+)?)(?:\s*(\D\S*))?", text.strip())
        if match is None or not float(match[1]) > 0:
            raise UsageError(f"'{text}' is no price of an hour: write a number above zero, or 2.5 EUR")
        return cls(per_hour=float(match[1]), currency=match[2] or "")

    def of(self, seconds: float) -> str:
        """What so many seconds cost, in words: ``3.20 EUR``."""
        return f"{seconds / 3600 * self.per_hour:,.2f} {self.currency}".rstrip()
