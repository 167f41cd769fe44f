"""What a user may write for thresholds and the median filter; nothing heavy is imported here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from effbench.errors import UsageError
from effbench.grid import FRAME_SECONDS

_FRAMES = {"": 1.0, "ms": 1e-3 / FRAME_SECONDS, "s": 1 / FRAME_SECONDS}


@contextmanager
def naming(option: str) -> Iterator[None]:
    """Puts an option's name before what the library says of its value."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{option}: {error}") from None


def median_frames(text: str) -> int:
    """Frames of ``9``, ``0.36s`` or ``360ms``; a time is rounded to the nearest number of 40-ms frames.

    Raises:
        UsageError: not a length, or not from 1 to 1001 frames.
    """
    from effbench.detect.decoding import check_median_window

    match = re.fullmatch(r"\s*(\d+(?:\.\d*)?|\.\d+)\s*(ms|s|)\s*", text.lower())
    if match is None or (not match[2] and not match[1].isdecimal()):
        raise UsageError(
            f"--median-window '{text}' is not a length: write frames (9) or a time (0.36s, 360ms)"
        )
    frames = round(float(match[1]) * _FRAMES[match[2]])
    if match[2] and frames == 0 and float(match[1]) > 0:
        frames = 1
    with naming("--median-window"):
        check_median_window(frames)
    return frames


def probabilities(option: str, values: Sequence[float]) -> tuple[float, ...]:
    """The thresholds of an option, ascending and each once.

    Raises:
        UsageError: one is not a probability below 1.
    """
    from effbench.detect.decoding import check_thresholds

    with naming(option):
        return check_thresholds(values)
