"""The model: probabilities of a batch of windows, on any device and in any precision."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from effbench.detect.windows import Floats
from effbench.models.detector import SoundEventDetector


class Scorer:
    """Probabilities of a batch of windows.

    Args:
        detector: in eval mode; it is moved to ``device``.
        device: where it runs.
        dtype: precision of the network, by autocast; the front-end stays in float32.
        columns: indices of the classes that are wanted, all by default.
    """

    def __init__(
        self,
        detector: SoundEventDetector,
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        columns: Sequence[int] | None = None,
    ) -> None:
        self.device, self.dtype = torch.device(device), dtype
        self.detector = detector.to(self.device)
        every = columns is None or len(columns) == detector.strong_head.out_features
        self.columns = None if every else torch.tensor(columns, device=self.device)
        self.min_samples = int(getattr(detector.frontend, "min_samples", 1))

    @property
    def default_batch_size(self) -> int:
        """Windows per call that come near the device's highest throughput."""
        return 4 if self.device.type == "cpu" else 32

    @torch.inference_mode()
    def __call__(self, batch: Sequence[Floats]) -> Floats:
        """Windows of one length, (samples,) each -> (batch, frames, classes)."""
        waveform = torch.from_numpy(np.stack(batch)).to(self.device)
        features = self.detector.frontend(waveform)
        with torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32):
            logits = self.detector(features).strong
        if self.columns is not None:
            logits = logits[:, self.columns]
        scores: Floats = logits.float().sigmoid().transpose(1, 2).contiguous().cpu().numpy()
        return scores
