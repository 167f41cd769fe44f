"""The events of all clips of a data set, kept in arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from effbench.data.labels import Event

if TYPE_CHECKING:
    import pandas as pd


class EventTable:
    """The events of all clips in a few arrays: a million of them take 25 MB."""

    def __init__(
        self,
        clips: Sequence[str] | NDArray[np.generic],
        onsets: NDArray[np.float64],
        offsets: NDArray[np.float64],
        labels: Sequence[str] | NDArray[np.generic],
    ) -> None:
        import pandas as pd

        codes, names = pd.factorize(np.asarray(clips, object))
        label_codes, label_names = pd.factorize(np.asarray(labels, object))
        order = np.lexsort((label_codes, offsets, onsets, codes))
        self.labels: list[str] = list(label_names)
        self._row_of = {name: code for code, name in enumerate(names)}
        self._bounds = np.searchsorted(codes[order], np.arange(len(names) + 1))
        self._onsets, self._offsets = onsets[order], offsets[order]
        self._codes = label_codes[order].astype(np.int32)

    def __len__(self) -> int:
        return len(self._onsets)

    def of(self, clip: str) -> tuple[Event, ...]:
        """Events of one clip in order of onset."""
        part = self._part(clip)
        columns = zip(
            self._onsets[part].tolist(),
            self._offsets[part].tolist(),
            self._codes[part].tolist(),
            strict=True,
        )
        return tuple(Event(onset, offset, self.labels[code]) for onset, offset, code in columns)

    def count(self, clips: Iterable[str]) -> int:
        """How many events some clips have."""
        return sum(part.stop - part.start for part in map(self._part, clips))

    def to_frame(self, clips: Sequence[str]) -> pd.DataFrame:
        """Events of some clips as ``clip``, ``onset``, ``offset``, ``label``, in order of clip and onset."""
        import pandas as pd

        parts = [self._part(clip) for clip in clips]
        rows = np.concatenate([np.empty(0, np.int64), *(np.arange(part.start, part.stop) for part in parts)])
        names = np.repeat(np.array(clips, object), [part.stop - part.start for part in parts])
        labels = np.array(self.labels, object)[self._codes[rows]]
        return pd.DataFrame(
            {"clip": names, "onset": self._onsets[rows], "offset": self._offsets[rows], "label": labels}
        )

    def _part(self, clip: str) -> slice:
        """Where a clip's events are in the arrays."""
        row = self._row_of.get(clip)
        return slice(0, 0) if row is None else slice(int(self._bounds[row]), int(self._bounds[row + 1]))


def no_events() -> EventTable:
    """A table without events."""
    return EventTable([], np.empty(0), np.empty(0), [])
