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

#: In lower precisions, how many times the difference of the eager backend in the same precision.
LOWER_PRECISION_FACTOR = 3.0

_USUAL_LOGIT = 10.0  # about the largest of published models, in absolute value


class Reference:
    """Eager float32 logits of a detector on clips of noise and tones, which networks are compared with."""

    def __init__(self, detector: SoundEventDetector, place: Placement) -> None:
        self.detector, self.place = detector, place
        with torch.inference_mode(), float32_arithmetic():
            clips = probe_clips(detector.sample_rate, CLIP_SECONDS).to(place.device)
            self.features: Tensor = detector.frontend(clips)
            self.logits: Predictions = eager(detector, Placement(place.device, Precision.fp32))(self.features)
        finite = (logits[logits.isfinite()] for logits in self.logits)
        self.largest = max((float(logits.abs().max()) for logits in finite if logits.numel()), default=0.0)

    def error_of(self, network: Network) -> float:
        """Largest difference of all logits that are finite in eager float32; infinite where one is not here.

        Weights that have diverged give no numbers on any backend: nothing can be compared then.
        """
        with torch.inference_mode():
            found = network(self.features)
        pairs = zip(found, self.logits, strict=True)
        compared = [(a.float() - b)[b.isfinite()] for a, b in pairs]
        differences = [float(difference.abs().max()) for difference in compared if difference.numel()]
        return max(differences, default=0.0) if all(map(math.isfinite, differences)) else math.inf

    def limit(self, tolerance: float | None = None) -> float:
        """The tolerance, or by default what is allowed; infinite where eager itself gives no numbers."""
        if tolerance is not None:
            return tolerance
        if self.place.precision is Precision.fp32:
            # Rounding errors grow with what is rounded.
            return LOGIT_TOLERANCE * max(1.0, self.largest / _USUAL_LOGIT)
        return LOWER_PRECISION_FACTOR * self.error_of(eager(self.detector, self.place))

    def check(self, network: Network, name: str, limit: float) -> float:
        """The error of the network of a backend; ``BackendUnavailable`` where it is above the limit."""
        error = self.error_of(network)
        if error > limit or math.isinf(error):
            raise BackendUnavailable(
                f"the backend {name} gives logits that are up to {error:.2g} from eager float32's (of"
                f" {self.largest:.2g}); {limit:.2g} is allowed"
            )
        return error
