"""Everything that effbench measures of one model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

import torch
from torch import nn

from effbench.errors import EffbenchError, UsageError
from effbench.grid import CLIP_SECONDS
from effbench.infer.backends.backend import Placement
from effbench.infer.backends.best import best_backend
from effbench.infer.backends.known import EAGER, FASTEST, find_backend
from effbench.machine.arithmetic import float32_arithmetic
from effbench.machine.description import Environment
from effbench.machine.devices import Precision
from effbench.machine.energy_counters import EnergyMeter, energy_meter
from effbench.machine.environment import environment
from effbench.measure.complexity import measure_complexity
from effbench.measure.conditions import PARTS, TORCH_KERNELS, Conditions
from effbench.measure.energy import Energy, measure_energy
from effbench.measure.logit_error import measure_logit_error, measure_output_error
from effbench.measure.macs.copies import untouched
from effbench.measure.macs.random_state import generators_kept
from effbench.measure.memory import PeakMemory, peak_memory
from effbench.measure.profiles import Profile
from effbench.measure.speed import Latency, Throughput, measure_latency, measure_module, measure_throughput
from effbench.measure.sweep import check_batch_sizes
from effbench.measure.timing import BRIEF, Budget, Progress
from effbench.measure.workload import OnInputs, Timeable, prepared, timeable
from effbench.models import zoo
from effbench.models.build import build_model
from effbench.models.detector import SoundEventDetector
from effbench.models.own_code import OwnModule, build_own
from effbench.models.own_inputs import Inputs
from effbench.models.own_model import OwnModel, find_model
from effbench.spec import ModelSpec


@generators_kept()
def profile(
    model: str | ModelSpec | nn.Module,
    *,
    inputs: Inputs | None = None,
    counters: Sequence[str] = (),
    throughput: bool = True,
    energy: bool = False,
    device: str | torch.device = "cpu",
    precision: str = "fp32",
    parts: Sequence[str] | None = None,
    batch_sizes: Sequence[int] | None = None,
    backend: str = EAGER,
    threads: int | None = None,
    clip_seconds: float = CLIP_SECONDS,
    kernels: str = TORCH_KERNELS,
    checkpoint: str | Path | None = None,
    strict: bool | None = None,
    training: bool = False,
    thorough: bool = False,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> Profile:
    """Parameters, MACs, throughput, latency and memory of one model.

    A module that is passed in is not changed: what runs is a copy, unless parts of it are compiled.

    Args:
        model: a spec, a reference to a model of one's own (``./file.py:factory``), a detector, or any other
            module, which needs ``inputs``.
        inputs: of one call of a module that is not a detector: one tensor, positional or keyword arguments;
            the first dimension of the first tensor counts clips. That call is what is counted
            and timed; memory is not measured.
        counters: third-party MAC counters to run as well: ``fvcore``, ``thop``, ``torch``.
        throughput: also measure throughput, latency and memory; otherwise only parameters and MACs.
        energy: also measure the energy of a clip, at each part's fastest batch size, where the hardware has a
            counter of it.
        device: ``cpu``, ``cuda``, ``cuda:1`` or ``auto``.
        precision: ``fp32``, ``tf32`` (NVIDIA GPUs), ``bf16`` or ``fp16``.
        parts: what to time: ``network`` (features to logits), ``frontend``, ``both``; by default the
            network, or all three if thorough.
        batch_sizes: clips per call; by default a sweep up to what memory allows and helps.
        backend: what runs the network, a name of ``BACKENDS``, the path of an exported file, or ``best`` for
            the fastest one here.
        threads: of torch on the CPU.
        clip_seconds: length of a clip.
        kernels: what computes the scan of Mamba2 layers: ``torch``, or ``mamba-ssm`` (CUDA).
        checkpoint: weights for a spec (``strong``, ``weak`` or a path); times do not depend on it.
        strict: refuse to count a network with an operator that has no rule; by default, all but one's own.
        training: also count the MACs of the forward and backward pass of a training.
        thorough: the full sweep, longer times and a hundred single clips or more; otherwise timing ends
            when intervals are narrow, and fewer batch sizes are tried.
        budget: how long to warm up and to measure, instead.
        progress: gets a line for each measurement.

    Raises:
        UsageError: what does not go with a module that is not a detector.
        NoEnergyCounter: the hardware does not tell what it takes, or not to this user.
        EffbenchError: what ``Conditions`` and the measurements that this calls raise.
    """
    check_batch_sizes(batch_sizes)
    parts = parts or (PARTS if thorough else ("network",))
    budget = budget or (Budget() if thorough else BRIEF)
    if throughput:
        count = torch.get_num_threads() if threads is None else threads
        conditions = Conditions(
            str(device),
            precision,
            backend=EAGER if backend == FASTEST else backend,
            threads=count,
            clip_seconds=clip_seconds,
            kernels=kernels,
        )
    else:
        conditions = Conditions(clip_seconds=clip_seconds)
    timed = [replace(conditions, part=part) for part in parts] if throughput else []
    meter = _meter(conditions, throughput, inputs) if energy else None
    with float32_arithmetic(conditions.precision):  # which the record tells
        here = environment(conditions.device) if timed else _unhurried_environment()
    if isinstance(model, nn.Module):
        model, inputs = untouched(model, inputs)
    else:
        model = find_model(model)
    code = None if isinstance(model, nn.Module) else zoo.model_code(model)
    own = _own(model, checkpoint) if isinstance(model, OwnModel) else None
    spec = type(model).__name__ if isinstance(model, nn.Module) else str(model)
    weighted: ModelSpec | nn.Module | OwnModule = model if own is None else own
    if checkpoint is not None and isinstance(model, ModelSpec) and own is None:
        weighted = build_model(model, checkpoint=checkpoint)
    complexity = measure_complexity(
        weighted,
        inputs=inputs,
        counters=counters,
        clip_seconds=clip_seconds,
        strict=strict,
        training=training,
    )
    complexity = replace(complexity, spec=spec)
    if timed and progress is not None:
        progress(str(complexity).removeprefix(f"{spec}: "))
    if own is not None and own.inputs is not None:
        timed = [each for each in timed if each.part == "network"]
        if throughput and not timed:
            raise UsageError(f"the model '{spec}' is not a detector: it has no part but the network")
    if not timed:
        return Profile(complexity, here, code=code)
    if inputs is not None and isinstance(model, nn.Module):
        if "network" not in parts or batch_sizes is not None:
            raise UsageError("of a module with inputs of its own, only the call on them is timed")
        rate, latency = measure_module(model, inputs, conditions, budget=budget, progress=progress)
        error = measure_output_error(model, inputs, conditions, progress=progress)
        return Profile(complexity, here, (rate,), (latency,), logit_error=error)
    detector: Timeable
    if own is not None:
        detector = timeable(own)
    else:
        detector = weighted if isinstance(weighted, SoundEventDetector) else build_model(spec, seed=0)
        find_backend(conditions.backend).check_weights(detector)
    if backend == FASTEST:
        if isinstance(detector, OnInputs):
            raise UsageError(f"the backend {FASTEST} is for detectors; for another module, name one")
        conditions = _on_best(detector, conditions, progress)
        timed = [replace(conditions, part=each.part) for each in timed]
    buildable = None if isinstance(model, nn.Module) else model
    times = _times(
        detector,
        buildable,
        timed,
        meter=meter,
        batch_sizes=batch_sizes,
        budget=budget,
        progress=progress,
        coarse=not thorough,
    )
    error = None
    if isinstance(detector, OnInputs):
        error = measure_output_error(detector, detector.leaves, conditions, progress=progress)
    elif tuple(parts) != ("frontend",):
        given = not isinstance(weighted, ModelSpec) or bool(find_backend(conditions.backend).weights)
        error = measure_logit_error(detector, conditions, trained=given, progress=progress)
    if isinstance(model, ModelSpec) and zoo.model_code(model) != code:
        raise EffbenchError(f"the code of {model} was changed while it was measured: measure it again")
    rates, latencies, memories, energies = times
    return Profile(complexity, here, rates, latencies, memories, error, code, energies)


def _times(
    detector: Timeable,
    model: ModelSpec | None,
    timed: Sequence[Conditions],
    *,
    meter: EnergyMeter | None,
    batch_sizes: Sequence[int] | None,
    budget: Budget,
    progress: Progress | None,
    coarse: bool,
) -> tuple[tuple[Throughput, ...], tuple[Latency, ...], tuple[PeakMemory, ...], tuple[Energy, ...]]:
    """Of each part; memory only where a child process is able to build the model."""
    rates: list[Throughput] = []
    latencies: list[Latency] = []
    memories: list[PeakMemory] = []
    energies: list[Energy] = []
    for each in timed:
        runs = measure_throughput(
            detector, each, batch_sizes=batch_sizes, budget=budget, progress=progress, coarse=coarse
        )
        rates += runs
        latencies.append(measure_latency(detector, each, budget=budget, progress=progress))
        best = next(run.batch_size for run in runs if run.best)
        if meter is not None:
            energies.append(
                measure_energy(detector, each, meter, batch_size=best, budget=budget, progress=progress)
            )
        if model is not None:
            memories.append(peak_memory(model, each, batch_size=best))
            if progress is not None:
                progress(str(memories[-1]))
    return tuple(rates), tuple(latencies), tuple(memories), tuple(energies)


def _meter(conditions: Conditions, throughput: bool, inputs: Inputs | None) -> EnergyMeter:
    if not throughput:
        raise UsageError("energy is measured beside throughput, not of counts alone")
    if inputs is not None:
        raise UsageError("energy is measured of detectors, and of models that have inputs of their own")
    return energy_meter(conditions.torch_device)


def _on_best(detector: SoundEventDetector, conditions: Conditions, progress: Progress | None) -> Conditions:
    with prepared(detector, conditions):
        place = Placement(conditions.torch_device, Precision(conditions.precision))
        best = best_backend(detector, place)
    if progress is not None:
        progress(f"backends: {best}")
    return replace(conditions, backend=best.name)


def _own(model: OwnModel, checkpoint: str | Path | None) -> OwnModule:
    if checkpoint is None:
        return build_own(model, seed=0)
    return OwnModule(str(model), build_model(model, checkpoint=checkpoint), None)


@cache
def _unhurried_environment() -> Environment:
    """The environment of counts, which do not depend on the load: looked at once."""
    return environment("cpu")
