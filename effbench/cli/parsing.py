"""What a user may write for classes, thresholds and the median filter; nothing heavy is imported here."""

from __future__ import annotations

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from effbench.errors import UsageError, nearest

_FRAME_MS = 40.0
_UNITS = {"": 1.0, "ms": 1 / _FRAME_MS, "s": 1000 / _FRAME_MS}
_LONGEST = 1001


def median_frames(text: str) -> int:
    """Frames of ``9``, ``0.36s`` or ``360ms``; a time is rounded to the nearest number of 40-ms frames.

    Raises:
        UsageError: not a length, or not from 1 to 1001 frames.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(ms|s|)\s*", text.lower())
    if match is None or (not match[2] and not match[1].isdecimal()):
        raise UsageError(f"--median-window '{text}' is no length: write frames (9) or a time (0.36s, 360ms)")
    frames = round(float(match[1]) * _UNITS[match[2]])
    if match[2] and frames == 0 and float(match[1]) > 0:
        frames = 1
    if not 1 <= frames <= _LONGEST:
        raise UsageError(
            f"--median-window must be 1 to {_LONGEST} frames of 40 ms (1 for none), not '{text}'"
        )
    return frames


def select_classes(patterns: Sequence[str], names: Sequence[str]) -> tuple[str, ...] | None:
    """Class names that names and globs mean, in the model's order; ``None`` if there are no patterns.

    A name is taken as a whole, because many have commas; case does not matter.

    Raises:
        UsageError: a pattern that means no class; suggests the nearest.
    """
    if not patterns:
        return None
    chosen: set[str] = set()
    for pattern in patterns:
        wanted = pattern.strip().lower()
        exact = [name for name in names if name.lower() == wanted]
        found = exact or [name for name in names if fnmatchcase(name.lower(), wanted)]
        if not found:
            raise UsageError(
                f"no class '{pattern}'{nearest(pattern, names)}{_containing(wanted, names)}\n"
                f"Names and globs are matched as a whole, e.g. --classes Speech --classes '*bark*'."
            )
        chosen |= set(found)
    return tuple(name for name in names if name in chosen)


def _containing(wanted: str, names: Sequence[str]) -> str:
    inside = [name for name in names if wanted and wanted in name.lower()][:5]
    return f"\nClasses with that in their name: {'; '.join(inside)}." if inside else ""


def check_thresholds(thresholds: Sequence[float]) -> tuple[float, ...]:
    """The thresholds, ascending and each once.

    Raises:
        UsageError: one is not a probability below 1.
    """
    for threshold in thresholds:
        if not 0 <= threshold < 1:
            raise UsageError(
                f"--threshold must be from 0 to below 1, not {threshold:g}: scores are probabilities"
            )
    return tuple(sorted(set(thresholds)))
