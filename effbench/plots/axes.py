"""Readable logarithmic axes, with ticks at 1, 2, 5, 10 … and k, M and G; and the size of markers."""

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
_PREFIXES = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


def log_limits(low: float, high: float, margin: float = 0.06) -> tuple[float, float]:
    """Ends of a logarithmic axis that holds ``low`` to ``high`` with a margin (a part of its length).

    A single value gets half a decade around it.
    """
    decades = math.log10(high / low)
    room = 10 ** (max(decades, 0.1) * margin if decades else 0.25)
    return low / room, high * room


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


def short(value: float) -> str:
    """Number with three significant digits at most, and k, M, G or T: ``1500000`` is ``1.5 M``."""
    for size, prefix in _PREFIXES:
        if abs(value) >= size:
            return f"{value / size:.3g} {prefix}"
    return f"{value:.3g}"


def marker_size(look: Series | ReferenceModel) -> float:
    """Size of a series' markers, in points."""
    return float(rcParams["lines.markersize"]) * _SIZES.get(look.marker, 1.0)
