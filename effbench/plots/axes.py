"""Readable axes, with ticks at 1, 2, 5, 10 … in fitting units; and the size of markers."""

from __future__ import annotations

import math

from matplotlib import rcParams

from effbench.plots.figures import ReferenceModel, Series

#: Size of a hollow, overlaid marker beside a filled one.
HOLLOW = 1.6

# Slender markers get more, bulky ones less, so that all look alike in size.
_SIZES = {"P": 1.3, "*": 1.6, "^": 1.15, "v": 1.15, "p": 1.2, "h": 1.15, "D": 0.9, "s": 0.95}

_STEPS = ((1,), (1, 2, 5), (1, 1.5, 2, 3, 5, 7), (1, 1.2, 1.4, 1.6, 1.8, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9))
_FEWEST = 4
#: From which value on a prefix stands before a unit, the prefix, and what it is worth.
_PREFIXES = ((1e12, "T", 1e12), (1e9, "G", 1e9), (1e6, "M", 1e6), (1e4, "k", 1e3))
_BYTES = (*_PREFIXES[:3], (1e3, "k", 1e3))
_SECONDS = ((1.0, "", 1.0), (1e-3, "m", 1e-3), (0.0, "µ", 1e-6))


def log_limits(low: float, high: float, margin: float = 0.06) -> tuple[float, float]:
    """Ends of a logarithmic axis that holds ``low`` to ``high`` with a margin (a part of its length).

    A single value gets half a decade around it.
    """
    decades = math.log10(high / low)
    room = 10 ** (max(decades, 0.1) * margin if decades else 0.25)
    return low / room, high * room


def linear_limits(low: float, high: float, margin: float = 0.07) -> tuple[float, float]:
    """Ends of a linear axis that holds ``low`` to ``high`` with a margin (a part of its length)."""
    room = margin * (high - low) or 0.1 * abs(high) or 1.0
    return low - room, high + room


def log_ticks(low: float, high: float) -> list[float]:
    """Round numbers from ``low`` to ``high``: 1, 2, 5 … a decade; more where that gives fewer than four."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for steps in _STEPS:
        # Rounded, so that 1.2 * 1000 is 1200.
        candidates = (
            round(step * 10.0**power, 9 - power) for power in range(first, last + 1) for step in steps
        )
        ticks = [tick for tick in candidates if low <= tick <= high]
        if len(ticks) >= _FEWEST:
            return ticks
    return _even_ticks(low, high)


def _even_ticks(low: float, high: float) -> list[float]:
    """Round numbers at equal distances, for an axis so short that a logarithm hardly bends it."""
    power = math.floor(math.log10((high - low) / _FEWEST))
    step = max(size for size in (1, 2, 5) if size * 10.0**power * _FEWEST <= high - low) * 10.0**power
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(index * step, 9 - power) for index in range(first, last + 1)]


def tick_label(value: float, unit: str = "") -> str:
    """A round number as a tick shows it: ``1.5 M``, ``1,250``; ``500 MB`` of bytes, ``20 ms`` of s."""
    steps, symbol = {"bytes": (_BYTES, "B"), "s": (_SECONDS, "s")}.get(unit, (_PREFIXES, ""))
    prefix, worth = next(((prefix, worth) for size, prefix, worth in steps if value >= size), ("", 1.0))
    return f"{value / worth:,.10g} {prefix}{symbol}".rstrip()


def marker_size(look: Series | ReferenceModel) -> float:
    """Size of a series' markers, in points."""
    return float(rcParams["lines.markersize"]) * _SIZES.get(look.marker, 1.0)
