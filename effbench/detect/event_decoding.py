"""How scores become events: thresholds, median filter, and which events of which classes are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cached_property

from effbench.data.vocabulary import strong_classes
from effbench.errors import UsageError, nearest
from effbench.evaluate.median import MedianWindow


@dataclass(frozen=True)
class Decoding:
    """Options of the step from scores to events, checked where they are made.

    Attributes:
        thresholds: events are consecutive frames above one of these probabilities; kept ascending, each once.
        median_window: frames of the median filter; 1 for none.
        top: number of classes to keep, those with the highest peaks in the file.
        min_duration: shortest event that is kept, seconds.
        classes: names or globs of the classes to keep (``select_classes``), all by default; kept as names.
        names: of the model's classes; the AudioSet-strong ones by default.

    Raises:
        UsageError: an impossible value, or a class that the model does not have.
    """

    thresholds: tuple[float, ...] = (0.5,)
    median_window: int = 9
    top: int | None = None
    min_duration: float = 0.0
    classes: Sequence[str] | None = None
    names: tuple[str, ...] = field(default_factory=lambda: strong_classes().names)

    def __post_init__(self) -> None:
        object.__setattr__(self, "thresholds", check_thresholds(self.thresholds))
        MedianWindow(frames=self.median_window)
        if self.top is not None and self.top < 1:
            raise UsageError(f"the number of classes to keep must be positive, not {self.top}")
        if not self.min_duration >= 0:
            raise UsageError(f"the shortest duration must not be negative: {self.min_duration:g} s")
        object.__setattr__(self, "classes", select_classes(self.classes, self.names))

    @cached_property
    def columns(self) -> tuple[int, ...]:
        """Indices of the kept classes among the model's."""
        wanted = set(self.names if self.classes is None else self.classes)
        return tuple(index for index, name in enumerate(self.names) if name in wanted)

    @cached_property
    def labels(self) -> tuple[str, ...]:
        """Names of the kept classes, in the model's order."""
        return tuple(self.names[column] for column in self.columns)

    def record(self) -> dict[str, object]:
        """What identifies the options in a record; lengths in frames and seconds."""
        names = ("thresholds", "median_window", "top", "min_duration", "classes")
        return {name: getattr(self, name) for name in names}


def check_thresholds(thresholds: Sequence[float]) -> tuple[float, ...]:
    """The thresholds, ascending and each once; ``UsageError`` unless they are probabilities below 1."""
    for threshold in thresholds:
        if not 0 <= threshold < 1:
            raise UsageError(
                f"a threshold must be from 0 to below 1, not {threshold:g}: scores are probabilities"
            )
    if not thresholds:
        raise UsageError("events need at least one threshold")
    return tuple(sorted(set(thresholds)))


def select_classes(patterns: Sequence[str] | None, names: Sequence[str]) -> tuple[str, ...] | None:
    """Class names that names and globs match, in the model's order; ``None`` if there are no patterns.

    Each is matched as a whole, because many names have commas; case does not matter.

    Raises:
        UsageError: a pattern that matches no class; suggests the nearest.
    """
    if not patterns:
        return None
    chosen: set[str] = set()
    for pattern in patterns:
        wanted = pattern.strip().lower()
        exact = [name for name in names if name.lower() == wanted]
        matches = exact or [name for name in names if fnmatchcase(name.lower(), wanted)]
        if not matches:
            raise UsageError(
                f"no class '{pattern}'{nearest(pattern, names)}{_containing(wanted, names)}\n"
                "Names and globs are matched as a whole, e.g. 'Speech' or '*bark*'."
            )
        chosen |= set(matches)
    return tuple(name for name in names if name in chosen)


def _containing(wanted: str, names: Sequence[str]) -> str:
    inside = [name for name in names if wanted and wanted in name.lower()][:5]
    return f"\nClasses with that in their name: {'; '.join(inside)}." if inside else ""
