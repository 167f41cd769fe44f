"""How a model runs over audio: where, how precisely, in which windows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, get_args

from effbench.errors import UsageError, nearest
from effbench.machine.devices import Precision, resolve_device, resolve_precision

if TYPE_CHECKING:
    import torch

Arrangement = Literal["folded", "plain"]


@dataclass(frozen=True)
class Inference:
    """Options of inference, resolved and checked where they are made.

    Attributes:
        device: ``cpu``, ``cuda``, ``cuda:1`` or ``auto``.
        precision: ``fp32``, ``bf16`` or ``fp16``: of the network, by autocast; front-ends stay in float32.
        batch_size: windows per call of the model; by default what suits the device.
        overlap: whether audio beyond 10 s runs in cross-faded windows, or is cut every 10 s.
        arrangement: ``folded`` is a copy of the network whose batch norms are folded into its convolutions
            and whose memory is laid out channels last; ``plain`` is the network as it is.

    Raises:
        DeviceError: this machine has no such device, or there is no such precision.
        UsageError: another value that can't be.
    """

    device: str = "cpu"
    precision: str = "fp32"
    batch_size: int | None = None
    overlap: bool = True
    arrangement: Arrangement = "folded"

    def __post_init__(self) -> None:
        object.__setattr__(self, "device", str(resolve_device(self.device)))
        object.__setattr__(self, "precision", resolve_precision(self.precision).value)
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
