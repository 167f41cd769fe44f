"""Frame scores of the size of AudioSet-strong, made clip by clip from a seed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from scipy.ndimage import uniform_filter1d

from effbench.evaluate.median import median_filter

FRAMES, FRAME_SECONDS, SECONDS = 250, 0.04, 10.0


class Generated(Mapping[str, np.ndarray]):
    """Probabilities (250, classes) of clips of ten seconds, and their ground truth and durations.

    Noise smoothed over 7 frames, raised where there are events: of one to five classes a clip, of every class
    in turn.

    Args:
        clips: number of clips.
        classes: number of classes.
        filtered: whether the scores went through a median filter of 9 frames.
        dtype: of the scores.
        distinct: clips whose noise is made anew; the others repeat it, shifted in time and class.
    """

    def __init__(self, clips, *, classes=407, filtered=False, dtype=np.float32, distinct=None):
        self.names = [f"clip{number:05d}" for number in range(clips)]
        self.classes = [f"class {number}" for number in range(classes)]
        self.filtered, self.dtype = filtered, dtype
        self.distinct = distinct or clips
        self.noise: dict[int, np.ndarray] = {}
        self.ground_truth = {name: list(self._events(number)) for number, name in enumerate(self.names)}
        self.durations = dict.fromkeys(self.names, SECONDS)

    def __getitem__(self, name: str) -> np.ndarray:
        number = int(name[4:])
        logits = self._noise(number).copy()
        for onset, offset, label in self.ground_truth[name]:
            first, stop = int(onset / FRAME_SECONDS), int(np.ceil(offset / FRAME_SECONDS))
            logits[first:stop, int(label[6:])] += 2.0
        if self.filtered:
            logits = median_filter(logits, 9)
        return (1 / (1 + np.exp(3.0 - logits))).astype(self.dtype)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names)

    def __len__(self) -> int:
        return len(self.names)

    @property
    def parts(self):
        return self, self.ground_truth, self.durations

    def _noise(self, number: int) -> np.ndarray:
        kind = number % self.distinct
        noise = self.noise.get(kind)
        if noise is None:
            generator = np.random.default_rng([kind, 1])
            noise = generator.standard_normal((FRAMES, len(self.classes)), dtype=np.float32)
            noise = uniform_filter1d(noise, 7, axis=0) * np.float32(np.sqrt(7))
            if self.distinct < len(self):
                self.noise[kind] = noise
        turn = number // self.distinct
        return np.roll(noise, (7 * turn, 11 * turn), axis=(0, 1)) if turn else noise

    def _events(self, number: int) -> Iterator[tuple[float, float, str]]:
        generator = np.random.default_rng([number, 0])
        count = len(self.classes)
        for cls in {number % count, *generator.integers(0, count, generator.integers(1, 5)).tolist()}:
            onset = round(float(generator.uniform(0, 9)), 3)
            yield onset, round(min(SECONDS, onset + 0.2 + float(generator.exponential(2))), 3), f"class {cls}"
