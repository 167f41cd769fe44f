"""Times a network and the ceilings of its device in turns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import torch
from torch import Tensor

from effbench.errors import UsageError
from effbench.grid import CLIP_SECONDS
from effbench.infer.backends.backend import Placement, in_precision
from effbench.infer.backends.best import best_backend
from effbench.infer.backends.eager import arranged
from effbench.infer.backends.known import EAGER, FASTEST
from effbench.machine.devices import Precision
from effbench.machine.environment import environment
from effbench.measure.ceilings import CeilingMeter, fastest
from effbench.measure.conditions import TORCH_KERNELS, Conditions
from effbench.measure.layer_clock import time_layers
from effbench.measure.macs import count_macs
from effbench.measure.roof import operators_by_layer
from effbench.measure.roofline_result import Roofline, Round
from effbench.measure.timing import Call, Progress, no_garbage_collection
from effbench.measure.workload import make_inputs, part_call, prepared
from effbench.models.chosen import choose_model
from effbench.models.detector import SoundEventDetector
from effbench.spec import ModelSpec

ROUNDS = 7
_CALLS = 3  # of the network with hooks, the fastest of which counts


def profile_roofline(
    model: str | ModelSpec | SoundEventDetector,
    *,
    device: str = "cpu",
    precision: str = "fp32",
    backend: str = EAGER,
    batch_size: int = 1,
    threads: int | None = None,
    clip_seconds: float = CLIP_SECONDS,
    kernels: str = TORCH_KERNELS,
    rounds: int = ROUNDS,
    progress: Progress | None = None,
) -> Roofline:
    """The share of the roof that a network reaches on a device whose ceilings are measured along with it.

    Args:
        model: spec, a reference to a model of one's own, or a detector; weights do not matter for times.
        device, precision, threads, clip_seconds, kernels: as for ``effbench.profile``.
        backend: what runs the network as a whole; its layers are timed in the folded one.
        batch_size: clips per call.
        rounds: in each of which ceilings and network are timed.
        progress: gets a line when the rounds begin.

    Raises:
        UsageError: an impossible option, or a model that is no detector.
        EffbenchError: what ``Conditions`` raises, or the backend can't run the model.
    """
    if batch_size < 1 or rounds < 1:
        raise UsageError(f"batch size and rounds are numbers from 1 on, not {batch_size} and {rounds}")
    conditions = Conditions(
        device,
        precision,
        backend=EAGER if backend == FASTEST else backend,
        threads=torch.get_num_threads() if threads is None else threads,
        clip_seconds=clip_seconds,
        kernels=kernels,
    )
    chosen = choose_model(model)
    place = Placement(conditions.torch_device, Precision(conditions.precision))
    if backend == FASTEST:
        with prepared(chosen.detector, conditions):
            best = best_backend(chosen.detector, place, batch_size)
        conditions = replace(conditions, backend=best.name)
    here = environment(conditions.device)
    with prepared(chosen.detector, conditions):
        features = make_inputs(chosen.detector, conditions, batch_size)
        assert isinstance(features, Tensor)
        report = count_macs(chosen.detector, features)
        call, _ = part_call(chosen.detector, features, conditions)
        network = arranged(chosen.detector, place)
        folded = in_precision(network, place)
        layers = partial(
            time_layers, network, operators_by_layer(report), lambda: folded(features), place.device
        )
        meter = CeilingMeter(place.device, place.precision)
        if progress is not None:
            progress(f"{rounds} rounds of ceilings and network, {conditions}")
        with no_garbage_collection():
            turns = tuple(_turn(meter, call, layers) for _ in range(rounds))
    return Roofline(chosen.spec, conditions, batch_size, report, turns, here, chosen.code)


def _turn(meter: CeilingMeter, call: Call, layers: Callable[[], dict[str, float]]) -> Round:
    ceilings = meter.read()
    seconds = fastest(call, meter.device)
    layers()
    times = min((layers() for _ in range(_CALLS)), key=lambda found: sum(found.values()))
    return Round(ceilings, seconds, times)
