"""Events of one file, kept in columns: a two-hour file may have a hundred thousand."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from effbench.errors import UsageError
from effbench.grid import FRAMES_PER_SECOND, SAMPLE_RATE
from effbench.infer.windows import Floats
from effbench.shown import Row, Shown, Table

if TYPE_CHECKING:
    import pandas as pd

#: Frames from onset to offset, class, index of the threshold, and the highest score within.
RECORD = np.dtype(
    [
        ("onset", np.int32),
        ("offset", np.int32),
        ("label", np.int16),
        ("threshold", np.int16),
        ("score", np.float32),
    ]
)
COLUMNS = ("filename", "onset", "offset", "label", "threshold", "score")

_CHUNK = 4096
_DIGITS = {"onset": 2, "offset": 2, "score": 3}


@dataclass(frozen=True)
class Failure:
    """A file that could not be used, and why in one line."""

    name: str
    message: str


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
        import pandas as pd

        return pd.DataFrame(self.rows(), columns=list(COLUMNS))

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
        return f"'{self.name}', {self.duration:.2f} s: {len(self):,} events"

    def __len__(self) -> int:
        return len(self.records)

    def __iter__(self) -> Iterator[DetectedEvent]:
        """The events, in the order of their onsets; none ends after the audio."""
        end = self.duration
        for onset, offset, label, threshold, score in _tuples(self.records):
            yield DetectedEvent(
                onset=onset / FRAMES_PER_SECOND,
                offset=min(offset / FRAMES_PER_SECOND, end),
                label=self.labels[label],
                threshold=self.thresholds[threshold],
                score=round(score, 6),
            )

    def rows(self) -> list[Row]:
        """One row an event, times in seconds."""
        return list(event_rows(self))

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
            "events": [dict(vars(event)) for event in self],
        }

    def to_frame(self) -> pd.DataFrame:
        """``events``."""
        return self.events


def event_rows(file: DetectedFile) -> Iterator[Row]:
    """``DetectedFile.rows`` one by one: together they take more memory than the events."""
    return ({"filename": file.name, **vars(event)} for event in file)


def event_table(files: Sequence[DetectedFile]) -> Table:
    """Events of some files for people: hundredths of a second."""
    return Table(
        [
            {key: f"{value:.{_DIGITS[key]}f}" if key in _DIGITS else value for key, value in row.items()}
            for file in files
            for row in event_rows(file)
        ]
    )


def _tuples(records: NDArray[np.void]) -> Iterator[tuple[int, int, int, int, float]]:
    """Records as Python values, some at a time: as such they take ten times the memory."""
    for first in range(0, len(records), _CHUNK):
        yield from records[first : first + _CHUNK].tolist()
