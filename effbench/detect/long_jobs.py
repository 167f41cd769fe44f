"""Which backend pays for a detection: making and comparing the candidates takes a minute or two."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from effbench.detect.inputs import Source
from effbench.grid import CLIP_SAMPLES, CLIP_SECONDS
from effbench.infer.backends.known import FASTEST
from effbench.infer.scorer import FrameScorer, Inference
from effbench.models.detector import SoundEventDetector

#: A job is long that takes more than this on the default backend.
LONG_SECONDS = 600.0


def backend_for(detector: SoundEventDetector, inference: Inference, sources: Sequence[Source]) -> Inference:
    """The fastest backend where the audio is so long that finding it pays; otherwise what is given."""
    clips = [np.zeros(CLIP_SAMPLES, np.float32)] * inference.windows_per_call
    scorer = FrameScorer(detector, inference)
    scorer(clips)
    start = time.perf_counter()
    scorer(clips)
    longest = LONG_SECONDS / (time.perf_counter() - start) * len(clips) * CLIP_SECONDS
    for source in sources:
        longest -= source.seconds() or 0.0
        if longest < 0:
            return replace(inference, backend=FASTEST).settled(detector)
    return inference
