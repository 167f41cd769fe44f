"""The interface of backends: each makes a network of a detector for one device and precision."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from effbench.errors import EffbenchError
from effbench.export.exported import weights_digest
from effbench.machine.arithmetic import float32_arithmetic
from effbench.machine.devices import Precision
from effbench.models.detector import Predictions, SoundEventDetector

#: Features (batch, 1, mels, feature frames) on the device -> logits.
Network = Callable[[Tensor], Predictions]


class BackendUnavailable(EffbenchError):
    """A backend that can't run a model here; the message says why, and what would help."""


@dataclass(frozen=True)
class Placement:
    """Where a network runs.

    Attributes:
        device: of torch.
        precision: of the network's arithmetic.
    """

    device: torch.device
    precision: Precision

    @property
    def on_cpu(self) -> bool:
        """Whether the processor computes."""
        return self.device.type == "cpu"


@dataclass(frozen=True)
class Backend:
    """One way of running networks.

    Attributes:
        name: as it is asked for.
        about: what it does, in a line.
        make: a detector in eval mode, which stays as it is, and a place -> its network, of batches and clips
            of any size, that several threads may call. Raises ``BackendUnavailable``.
        exact: whether it computes in the precision that is asked for; ``onnx-int8`` does not, files need not.
        calibration: the audio that its numbers depend on as well, in the words of results.
        weights: digest of the weights that it has of its own: it computes the logits of no others.
    """

    name: str
    about: str
    make: Callable[[SoundEventDetector, Placement], Network]
    exact: bool = True
    calibration: str = ""
    weights: str = ""

    def check_weights(self, detector: SoundEventDetector) -> None:
        """Raise ``BackendUnavailable`` where this has weights of its own, and a detector has others."""
        if self.weights and self.weights != weights_digest(detector):
            raise BackendUnavailable(
                f"the backend {self.name} has other weights than the model: name the model and the checkpoint"
                " that it was exported with"
            )


def in_precision(run: Network, place: Placement) -> Network:
    """A network of torch that computes in the precision of a place, whatever is set around it."""
    lower = place.precision.dtype != torch.float32

    def network(features: Tensor) -> Predictions:
        with (
            float32_arithmetic(place.precision),
            torch.autocast(place.device.type, dtype=place.precision.dtype, enabled=lower),
        ):
            return run(features)

    return network
