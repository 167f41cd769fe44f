"""How models run over audio: options, and frame scores of windows by one detector or the mean of several."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from effbench.errors import UsageError
from effbench.infer.backends.backend import Placement
from effbench.infer.backends.best import best_backend
from effbench.infer.backends.known import FASTEST, find_backend
from effbench.infer.backends.optimize import optimize
from effbench.infer.windows import Floats
from effbench.machine.arithmetic import float32_arithmetic
from effbench.machine.devices import Precision, resolve_device, resolve_precision
from effbench.models.detector import SoundEventDetector


@dataclass(frozen=True)
class Inference:
    """Options of inference, resolved and checked where they are made.

    Attributes:
        device: ``cpu``, ``cuda``, ``cuda:1`` or ``auto``.
        precision: ``fp32``, ``tf32``, ``bf16`` or ``fp16``: of the network, the last two by autocast;
            front-ends stay in float32.
        batch_size: windows per call of the model; by default what suits the device.
        overlap: whether audio beyond 10 s runs in cross-faded windows, or is cut every 10 s.
        backend: what runs the network, a name of ``BACKENDS``, the path of an exported file, or ``best`` for
            the fastest one here.

    Raises:
        DeviceError: this machine has no such device, or the device no such precision.
        UsageError: another impossible value.
    """

    device: str = "cpu"
    precision: str = "fp32"
    batch_size: int | None = None
    overlap: bool = True
    backend: str = "folded"

    def __post_init__(self) -> None:
        device = resolve_device(self.device)
        object.__setattr__(self, "device", str(device))
        object.__setattr__(self, "precision", resolve_precision(self.precision, device).value)
        if self.batch_size is not None and self.batch_size < 1:
            raise UsageError(f"the batch size must be positive, not {self.batch_size}")
        if self.backend != FASTEST:
            find_backend(self.backend)

    def settled(self, detector: SoundEventDetector) -> Inference:
        """With the backend that ``best`` is for a detector, which results can be recorded as computed by."""
        if self.backend != FASTEST:
            return self
        device = torch.device(self.device)
        detector = detector.eval().to(device)
        place = Placement(device, Precision(self.precision))
        return replace(self, backend=best_backend(detector, place, self.windows_per_call).name)

    @property
    def windows_per_call(self) -> int:
        """``batch_size``, or by default one near the device's highest throughput."""
        return self.batch_size or (2 if self.device == "cpu" else 32)


class FrameScorer:
    """Mean frame logits of detectors over windows of one length, or their sigmoid.

    Backends other than ``eager`` move logits by some 1e-5, ``onnx-int8`` by much more; batch size and number
    of threads by some 1e-6.

    Args:
        detectors: one or several with the same classes.
        inference: device, precision, batch size, windows and backend.
        probabilities: the sigmoid of the mean logits instead of the logits.
        columns: indices of the classes that are wanted, all by default.

    Raises:
        UsageError: the detectors differ in their number of classes.
    """

    def __init__(
        self,
        detectors: SoundEventDetector | Sequence[SoundEventDetector],
        inference: Inference | None = None,
        *,
        probabilities: bool = False,
        columns: Sequence[int] | None = None,
    ) -> None:
        self.inference = inference or Inference()
        self.probabilities = probabilities
        given = [detectors] if isinstance(detectors, SoundEventDetector) else list(detectors)
        outputs = same_outputs(given)
        self.device = torch.device(self.inference.device)
        self.optimized = [
            optimize(
                detector,
                self.inference.backend,
                device=self.inference.device,
                precision=self.inference.precision,
                batch_size=self.inference.windows_per_call,
            )
            for detector in given
        ]
        every = columns is None or len(columns) == outputs
        self.columns = None if every else torch.tensor(columns, device=self.device)
        self.min_samples = max(int(getattr(d.frontend, "min_samples", 1)) for d in given)

    @torch.inference_mode()
    def __call__(self, windows: Sequence[Floats]) -> Floats:
        """Windows of one length, (samples,) each -> (batch, frames, classes)."""
        scores = self.logits(torch.from_numpy(np.stack(windows)).to(self.device))
        if self.columns is not None:
            scores = scores[:, self.columns]
        if self.probabilities:
            scores = scores.sigmoid()
        result: Floats = scores.transpose(1, 2).contiguous().cpu().numpy()
        return result

    @torch.inference_mode()
    def logits(self, waveform: Tensor, head: Literal["strong", "weak"] = "strong") -> Tensor:
        """Mean logits of one head in float32.

        Shape:
            (batch, samples) on the scorer's device -> strong (batch, classes, frames), weak (batch, classes)
        """
        total = None
        for optimized in self.optimized:
            with float32_arithmetic():
                features = optimized.detector.frontend(waveform)
            logits: Tensor = getattr(optimized.network(features), head).float()
            total = logits if total is None else total + logits
        assert total is not None
        return total / len(self.optimized) if len(self.optimized) > 1 else total


def same_outputs(detectors: Sequence[SoundEventDetector]) -> int:
    """Number of classes of all of these detectors; ``UsageError`` where they differ."""
    outputs = [detector.strong_head.out_features for detector in detectors]
    if len(set(outputs)) != 1:
        raise UsageError(f"models of {' and '.join(map(str, outputs))} classes can't be averaged")
    return outputs[0]
