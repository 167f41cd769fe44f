"""How models run over audio: options, and frame scores of windows by one detector or the mean of several."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from effbench.errors import UsageError, nearest
from effbench.infer.windows import Floats
from effbench.machine.arithmetic import float32_arithmetic
from effbench.machine.devices import Precision, resolve_device, resolve_precision
from effbench.models.detector import SoundEventDetector

Arrangement = Literal["folded", "plain"]


@dataclass(frozen=True)
class Inference:
    """Options of inference, resolved and checked where they are made.

    Attributes:
        device: ``cpu``, ``cuda``, ``cuda:1`` or ``auto``.
        precision: ``fp32``, ``tf32``, ``bf16`` or ``fp16``: of the network, the last two by autocast;
            front-ends stay in float32.
        batch_size: windows per call of the model; by default what suits the device.
        overlap: whether audio beyond 10 s runs in cross-faded windows, or is cut every 10 s.
        arrangement: ``folded`` is a copy of the network whose batch norms are folded into its convolutions
            and whose memory is laid out channels last; ``plain`` is the network as it is.

    Raises:
        DeviceError: this machine has no such device, or the device no such precision.
        UsageError: another impossible value.
    """

    device: str = "cpu"
    precision: str = "fp32"
    batch_size: int | None = None
    overlap: bool = True
    arrangement: Arrangement = "folded"

    def __post_init__(self) -> None:
        device = resolve_device(self.device)
        object.__setattr__(self, "device", str(device))
        object.__setattr__(self, "precision", resolve_precision(self.precision, device).value)
        if self.batch_size is not None and self.batch_size < 1:
            raise UsageError(f"the batch size must be positive, not {self.batch_size}")
        known = get_args(Arrangement)
        if self.arrangement not in known:
            raise UsageError(
                f"unknown arrangement '{self.arrangement}'{nearest(self.arrangement, known)}\n"
                f"Arrangements: {', '.join(known)}."
            )

    @property
    def dtype(self) -> torch.dtype:
        """The data type that autocast computes in."""
        return Precision(self.precision).dtype

    @property
    def windows_per_call(self) -> int:
        """``batch_size``, or by default one near the device's highest throughput."""
        return self.batch_size or (2 if self.device == "cpu" else 32)


class FrameScorer:
    """Mean frame logits of detectors over windows of one length, or their sigmoid.

    The arrangement ``folded`` moves logits by some 1e-5; batch size and number of threads by some 1e-6.

    Args:
        detectors: one or several with the same classes, in eval mode. ``folded`` leaves them as they are.
        inference: device, precision, batch size, windows and arrangement.
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
        arrange = ARRANGEMENTS[self.inference.arrangement]
        self.device = torch.device(self.inference.device)
        self.detectors = [arrange(detector).to(self.device) for detector in given]
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
        dtype, total = self.inference.dtype, None
        for detector in self.detectors:
            with float32_arithmetic():
                features = detector.frontend(waveform)
            with (
                float32_arithmetic(self.inference.precision),
                torch.autocast(self.device.type, dtype=dtype, enabled=dtype != torch.float32),
            ):
                logits: Tensor = getattr(detector(features), head).float()
            total = logits if total is None else total + logits
        assert total is not None
        return total / len(self.detectors) if len(self.detectors) > 1 else total


def same_outputs(detectors: Sequence[SoundEventDetector]) -> int:
    """Number of classes of all of these detectors; ``UsageError`` where they differ."""
    outputs = [detector.strong_head.out_features for detector in detectors]
    if len(set(outputs)) != 1:
        raise UsageError(f"models of {' and '.join(map(str, outputs))} classes can't be averaged")
    return outputs[0]


def fold_batch_norms(detector: SoundEventDetector) -> SoundEventDetector:
    """A copy that computes the same about 1.5 times as fast on a CPU; without batch norms, the detector."""
    if not any(isinstance(module, nn.BatchNorm2d) for module in detector.modules()):
        return detector
    copy = deepcopy(detector)
    for module in list(copy.modules()):
        if isinstance(module, nn.Sequential):
            _fold(module)
    return copy.to(memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]


def _fold(layers: nn.Sequential) -> None:
    """Each convolution that a batch norm follows takes it over; in eval mode both are linear."""
    for index in range(len(layers) - 1):
        first, second = layers[index], layers[index + 1]
        if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d) and not second.training:
            layers[index], layers[index + 1] = fuse_conv_bn_eval(first, second), nn.Identity()


ARRANGEMENTS: Mapping[str, Callable[[SoundEventDetector], SoundEventDetector]] = {
    "folded": fold_batch_norms,
    "plain": lambda detector: detector,
}
