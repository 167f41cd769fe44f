"""How far a network's logits are from those of eager float32 on the same device."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from effbench.grid import CLIP_SECONDS
from effbench.infer.backends.backend import BackendUnavailable, Network, Placement
from effbench.infer.backends.eager import eager
from effbench.machine.arithmetic import float32_arithmetic
from effbench.machine.devices import Precision
from effbench.models.detector import Predictions, SoundEventDetector
from effbench.models.probe import probe_clips

#: Largest logit difference from eager float32 that a backend may have in float32.
LOGIT_TOLERANCE = 1e-3


def limit_of(place: Placement, tolerance: float | None) -> float:
    """The difference that is allowed; where none is said, lower precisions have errors of their own."""
    if tolerance is not None:
        return tolerance
    return LOGIT_TOLERANCE if place.precision == Precision.fp32 else math.inf


class Reference:
    """Eager float32 logits of a detector on clips of noise and tones, which networks are compared with."""

    def __init__(self, detector: SoundEventDetector, place: Placement) -> None:
        with torch.inference_mode(), float32_arithmetic():
            clips = probe_clips(detector.sample_rate, CLIP_SECONDS).to(place.device)
            self.features: Tensor = detector.frontend(clips)
            self.logits: Predictions = eager(detector, Placement(place.device, Precision.fp32))(self.features)
        self.largest = max(float(logits.abs().max()) for logits in self.logits)

    def error_of(self, network: Network) -> float:
        """Largest difference of all logits; infinite where one is not a finite number."""
        with torch.inference_mode():
            found = network(self.features)
        differences = [float((a.float() - b).abs().max()) for a, b in zip(found, self.logits, strict=True)]
        return max(differences) if all(map(math.isfinite, differences)) else math.inf

    def check(self, network: Network, name: str, limit: float) -> float:
        """The error of the network of a backend; ``BackendUnavailable`` where it is above the limit."""
        error = self.error_of(network)
        if error > limit or math.isinf(error):
            raise BackendUnavailable(
                f"the backend {name} gives logits that are up to {error:.2g} from eager float32's (of"
                f" {self.largest:.2g}); {limit:g} is allowed"
            )
        return error
