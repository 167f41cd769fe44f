"""A detector on the backend that is asked for, compared with torch's eager float32 when it is made."""

from __future__ import annotations

import math
import time
import warnings
from dataclasses import dataclass, field

import torch
from torch import Tensor

from effbench.errors import EffbenchWarning
from effbench.infer.backends.backend import BackendUnavailable, Network, Placement
from effbench.infer.backends.best import best_backend
from effbench.infer.backends.known import ALWAYS, FASTEST, find_backend
from effbench.infer.backends.verify import Reference
from effbench.machine.arithmetic import float32_arithmetic
from effbench.machine.devices import resolve_device, resolve_precision
from effbench.models.detector import Predictions, SoundEventDetector


@dataclass(frozen=True)
class Optimized:
    """A detector whose network runs on a backend.

    Attributes:
        detector: in eval mode, on the device.
        backend: what runs, which is another than was asked for where that can't run it here.
        device, precision: where and in what.
        network: features (batch, 1, mels, feature frames) on the device -> logits.
        logit_error: largest difference of all logits from eager float32's on this device, on clips of noise
            and tones.
        largest_logit: of eager float32.
        seconds: that making and comparing took.
    """

    detector: SoundEventDetector = field(repr=False)
    backend: str
    device: str
    precision: str
    network: Network = field(repr=False)
    logit_error: float
    largest_logit: float
    seconds: float

    def __call__(self, waveform: Tensor) -> Predictions:
        """Logits of (batch, samples); the front-end computes in float32."""
        with torch.inference_mode():
            with float32_arithmetic():
                features = self.detector.frontend(waveform.to(self.device))
            return self.network(features)


def optimize(
    detector: SoundEventDetector,
    backend: str = FASTEST,
    *,
    device: str = "cpu",
    precision: str = "fp32",
    batch_size: int = 2,
    tolerance: float | None = None,
    fall_back: bool = True,
) -> Optimized:
    """A detector on the fastest backend here, or on a named one, verified on real input.

    Args:
        detector: stays as it is, but is put in eval mode and on the device.
        backend: a name of ``BACKENDS``, the path of a file that ``export_onnx`` or ``export_int8`` wrote from
            this detector's features, or ``best``, which is measured once and remembered on this machine.
        device: ``cpu``, ``cuda``, ``cuda:1`` or ``auto``.
        precision: of the network, fp32, tf32, bf16 or fp16.
        batch_size: clips per call for which the best one is looked for.
        tolerance: largest logit difference from eager float32 on this device that is allowed: by default
            0.001 in float32 (in proportion of logits above 10), and three times eager's own difference in
            lower precisions; of ``onnx-int8`` and files, any that is finite.
        fall_back: use ``folded``, with a warning, where a named backend can't run the model here; never for
            ``onnx-int8`` and files, whose logits are others.

    Raises:
        DeviceError: this machine has no such device, or the device no such precision.
        UsageError: an unknown backend.
        BackendUnavailable: the backend can't run the model here, or differs by more than the tolerance.
    """
    target = resolve_device(device)
    place = Placement(target, resolve_precision(precision, target))
    detector = detector.eval().to(target)
    if backend == FASTEST:
        backend = best_backend(detector, place, batch_size, tolerance).name
    named = find_backend(backend)
    start = time.perf_counter()
    try:
        network = named.make(detector, place)
        named.check_weights(detector)
        reference = Reference(detector, place)
        limit = reference.limit(tolerance) if named.exact or tolerance is not None else math.inf
        error = reference.check(network, backend, limit)
    except BackendUnavailable as unavailable:
        if not fall_back or not named.exact or backend in ALWAYS:
            raise
        message = f"{unavailable}; the backend folded runs the model instead"
        warnings.warn(message, EffbenchWarning, stacklevel=2)
        return optimize(detector, "folded", device=device, precision=precision, tolerance=tolerance)
    seconds = time.perf_counter() - start
    return Optimized(
        detector, backend, str(target), place.precision.value, network, error, reference.largest, seconds
    )
