"""Events of one file, kept in columns: a two-hour file may have a hundred thousand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from effbench.errors import EffbenchError, UsageError
from effbench.grid import FRAMES_PER_SECOND, SAMPLE_RATE
from effbench.infer.windows import Floats
from effbench.shown import Row, Shown, Table, number_of

if TYPE_CHECKING:
    import pandas as pd

#: Frames from onset to offset, class, index of the threshold, and the highest score within.
RECORD = np.dtype([("onset", "i4"), ("offset", "i4"), ("label", "i2"), ("threshold", "i2"), ("score", "f4")])
EVENT_COLUMNS = ("filename", "onset", "offset", "label", "threshold", "score")

_CHUNK = 4096  # events that are Python values at a time, which take ten times the memory
_DIGITS = {"onset": 2, "offset": 2, "score": 3}


class Failure(EffbenchError):
    """A file that could not be used, and why in one line."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(message)
        self.name = name

    def __reduce__(self) -> tuple[type[Failure], tuple[str, str]]:
        return Failure, (self.name, str(self))  # it comes from other processes, too


@dataclass(frozen=True)
class DetectedEvent:
    """One event: seconds, class name, the threshold that it lies above and its highest score."""

    onset: float
    offset: float
    label: str
    threshold: float
    score: float


@dataclass(frozen=True, eq=False, repr=False)
class DetectedFile(Shown):
    """The events of one audio file, which it is a collection of (``DetectedEvent``).

    Attributes:
        name: the file as results call it.
        samples: length of the audio at 16 kHz.
        records: events in frames (``RECORD``), in the order of onset, class and threshold.
        peaks: highest filtered score of every class.
        labels: class names.
        thresholds: what the events lie above.
        frame_scores: probabilities before the median filter, (frames, classes), where they were kept.
    """

    name: str
    samples: int
    records: NDArray[np.void]
    peaks: NDArray[np.float32]
    labels: Sequence[str]
    thresholds: tuple[float, ...]
    frame_scores: Floats | None = None

    @property
    def duration(self) -> float:
        """Seconds of audio, rounded down to a microsecond."""
        return floor(self.samples * 1_000_000 / SAMPLE_RATE) / 1_000_000

    @property
    def events(self) -> pd.DataFrame:
        """One row an event: filename, onset, offset, label, threshold, score; in the order of onsets."""
        return self.to_frame()

    @property
    def scores(self) -> Floats:
        """Probabilities of ``labels`` in frames of 40 ms before the median filter, (frames, classes).

        Raises:
            UsageError: they were not kept.
        """
        if self.frame_scores is None:
            raise UsageError(f"the scores of '{self.name}' were not kept: detect(..., keep_scores=True) does")
        return self.frame_scores

    def __str__(self) -> str:
        return f"'{self.name}', {self.duration:.2f} s: {number_of(len(self), 'event')}"

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[DetectedEvent]:
        """The events, in the order of their onsets; none ends after the audio."""
        end = self.duration
        for first in range(0, len(self), _CHUNK):
            for onset, offset, label, threshold, score in self.records[first : first + _CHUNK].tolist():
                yield DetectedEvent(
                    onset=onset / FRAMES_PER_SECOND,
                    offset=min(offset / FRAMES_PER_SECOND, end),
                    label=self.labels[label],
                    threshold=self.thresholds[threshold],
                    score=round(score, 6),
                )

    def rows(self) -> list[Row]:
        """One row an event, times in seconds."""
        return [{"filename": self.name, **vars(event)} for event in self]

    def sections(self) -> list[Table | str]:
        """The table of the events, or that there are none."""
        if not len(self):
            return [f"{self.name}: no events in {self.duration:.2f} s"]
        return [event_table([self])]

    def to_dict(self) -> dict[str, object]:
        """Name, duration and events, as in the JSON of ``effbench detect``."""
        return {
            "filename": self.name,
            "duration": self.duration,
            "events": [vars(event) for event in self],
        }

    def to_frame(self) -> pd.DataFrame:
        """``events``."""
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=list(EVENT_COLUMNS))


def event_table(files: Sequence[DetectedFile]) -> Table:
    """Events of some files for people: hundredths of a second."""
    return Table(
        [
            {key: f"{value:.{_DIGITS[key]}f}" if key in _DIGITS else value for key, value in row.items()}
            for file in files
            for row in file.rows()
        ]
    )
