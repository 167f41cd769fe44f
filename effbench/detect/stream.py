"""The median filter over frames that arrive block by block."""

from __future__ import annotations

import numpy as np

from effbench.evaluate.median import median_filter
from effbench.infer.windows import Floats


class StreamingMedian:
    """Filters along time exactly as for all frames at once; the edges of the audio are reflected.

    Holds as many frames as the window has, beyond the block at hand.

    Args:
        window: frames that the filter sees; 1 changes nothing.
    """

    def __init__(self, window: int) -> None:
        self.window = window
        # An even window begins one frame earlier than it ends late.
        self._before, self._after = window // 2, window - 1 - window // 2
        self._held: Floats | None = None
        self._skip = 0  # frames at the front of the held ones that are out already

    def add(self, scores: Floats) -> Floats:
        """The next frames, (frames, classes); returns those that are filtered now."""
        if self.window == 1:
            return scores
        held = scores if self._held is None else np.concatenate([self._held, scores])
        ready = len(held) - self._after
        if ready <= self._skip:
            self._held = held
            return held[:0]
        done: Floats = median_filter(held, self.window)[self._skip : ready]
        keep = max(0, ready - self._before)
        self._held, self._skip = held[keep:].copy(), ready - keep
        return done

    def finish(self) -> Floats | None:
        """The frames that were waiting for their neighbours; ``None`` if there are none."""
        if self._held is None or len(self._held) == self._skip:
            return None
        done: Floats = median_filter(self._held, self.window)[self._skip :]
        self._held = None
        return done
