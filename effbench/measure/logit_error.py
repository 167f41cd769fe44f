"""What a precision costs: how far a network's logits are from those computed in float32."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from effbench.grid import CLIP_SECONDS
from effbench.infer.backends.known import EAGER, find_backend
from effbench.machine.arithmetic import float32_arithmetic
from effbench.machine.description import Environment
from effbench.measure.conditions import TORCH_KERNELS, Conditions
from effbench.measure.timing import Progress
from effbench.measure.workload import detector_part, module_call, prepared
from effbench.models.detector import SoundEventDetector
from effbench.models.own_inputs import Inputs
from effbench.models.probe import probe_clips
from effbench.results.measurement import Measurement
from effbench.shown import significant

_TRAINED_LOGIT = 10.0  # about the largest of published models, in absolute value


@dataclass(frozen=True)
class LogitError:
    """Largest difference of all outputs from those computed eagerly in float32 on the same device.

    Attributes:
        value: largest absolute difference; infinite where an output is not a finite number.
        largest: largest absolute output in float32.
        conditions: what was compared with float32.
        weights: ``given``, or ``untrained`` (see ``as_if_trained``).
    """

    value: float
    largest: float
    conditions: Conditions
    weights: Literal["given", "untrained"] = "given"

    def __str__(self) -> str:
        weights = ", untrained weights" if self.weights == "untrained" else ""
        if not math.isfinite(self.value):
            return f"not finite, {self.conditions}{weights}"
        value, largest = significant(self.value, 2), significant(self.largest, 2)
        return f"{value} of logits up to {largest}, {self.conditions}{weights}"

    def to_dict(self) -> dict[str, object]:
        """Everything, for JSON; an infinite error is null."""
        value = self.value if math.isfinite(self.value) else None
        about = {"largest_logit": self.largest, "weights": self.weights}
        return {"quantity": "logit_error", "value": value, **about, **self.conditions.to_dict()}

    def measurements(self, spec: str, environment: Environment) -> list[Measurement]:
        """The row for the results store, which holds finite numbers only."""
        if not math.isfinite(self.value):
            return []
        logits: dict[str, object] = {"largest": self.largest, "weights": self.weights}
        if calibration := find_backend(self.conditions.backend).calibration:
            logits["calibration"] = calibration
        return [
            Measurement.here(
                spec,
                "logit_error",
                self.value,
                device=self.conditions.device_name,
                conditions=self.conditions.stored(batch_size=1),
                environment={**environment.to_dict(), "logits": logits},
            )
        ]


def measure_logit_error(
    detector: SoundEventDetector,
    conditions: Conditions,
    *,
    trained: bool = True,
    progress: Progress | None = None,
) -> LogitError | None:
    """Error of a detector's network on clips of noise and tones; None for float32 itself.

    Features are float32's in both. Clips run one by one. Raises as ``measure_throughput``.

    Args:
        detector: any module with the contract of ``SoundEventDetector``.
        conditions: what to compare with float32, and where.
        trained: whether the weights mean anything; otherwise they are replaced, see ``as_if_trained``.
        progress: gets a line.
    """
    conditions = replace(conditions, part="network")
    if conditions == _exact(conditions):
        return None
    detector = detector if trained else as_if_trained(detector)

    def outputs(under: Conditions) -> list[Tensor]:
        with prepared(detector, under):
            network = detector_part(detector, under)
            with float32_arithmetic():
                waveforms = probe_clips(detector.sample_rate, under.clip_seconds).to(under.torch_device)
                features = detector.frontend(waveforms)
            return [leaf for clip in features.split(1) for leaf in _numbers(network(clip))]

    return _compared(outputs, conditions, "given" if trained else "untrained", progress)


def measure_output_error(
    module: nn.Module, inputs: Inputs, conditions: Conditions, *, progress: Progress | None = None
) -> LogitError | None:
    """As ``measure_logit_error``, of any module on the inputs of one call."""
    if conditions == _exact(conditions):
        return None

    def outputs(under: Conditions) -> list[Tensor]:
        with prepared(module, under):
            return list(_numbers(module_call(module, inputs, under)[0]()))

    return _compared(outputs, conditions, "given", progress)


def as_if_trained(detector: SoundEventDetector) -> SoundEventDetector:
    """A copy of an untrained detector whose activations and logits are about as large as a trained one's.

    Random weights let activations fade from layer to layer, and rounding errors with them. So filters of
    the MobileNets get a norm that keeps them up, and heads are scaled.
    """
    copy = deepcopy(detector).cpu().eval()
    with torch.inference_mode(), float32_arithmetic():
        for layers in copy.backbone.modules():
            if isinstance(layers, nn.Sequential):
                for first, second in pairwise(layers):
                    if isinstance(first, nn.Conv2d) and isinstance(second, nn.BatchNorm2d):
                        first.weight.copy_(_sustaining(first.weight))
        logits = copy(copy.frontend(probe_clips(copy.sample_rate, CLIP_SECONDS)))
        for head, found in ((copy.strong_head, logits.strong), (copy.weak_head, logits.weak)):
            for parameter in head.parameters():
                parameter.mul_(_TRAINED_LOGIT / found.abs().max())
    return copy


def _sustaining(filters: Tensor) -> Tensor:
    """Filters (out, in per group, height, width) of equal norm; those over channels see differences only."""
    pointwise = filters.shape[1] > 1
    if pointwise:
        filters = filters - filters.mean((1, 2, 3), keepdim=True)
    return filters / filters.square().sum((1, 2, 3), keepdim=True).sqrt() * (1.35 if pointwise else 2.0)


def _numbers(outputs: object) -> Iterable[Tensor]:
    leaves = tree_leaves(outputs)
    return (leaf.float().cpu() for leaf in leaves if isinstance(leaf, Tensor) and leaf.is_floating_point())


def _exact(conditions: Conditions) -> Conditions:
    return replace(conditions, precision="fp32", backend=EAGER, kernels=TORCH_KERNELS)


def _compared(
    outputs: Callable[[Conditions], Sequence[Tensor]],
    conditions: Conditions,
    weights: Literal["given", "untrained"],
    progress: Progress | None,
) -> LogitError:
    expected, found = outputs(_exact(conditions)), outputs(conditions)
    differences = [float((a - b).abs().max()) for a, b in zip(expected, found, strict=True)]
    # max() would pass over NaN.
    value = max(differences) if all(map(math.isfinite, differences)) else math.inf
    largest = max(float(tensor.abs().max()) for tensor in expected)
    error = LogitError(value, largest, conditions, weights)
    if progress is not None:
        progress(f"largest logit error {error}")
    return error
