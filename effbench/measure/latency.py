"""Single calls, each waited for: the latency of one clip, and both times of any module's call."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn

from effbench.errors import EffbenchError
from effbench.measure.conditions import Conditions
from effbench.measure.timed import Latency, Throughput
from effbench.measure.timing import Budget, Progress, time_calls
from effbench.measure.workload import Inputs, clips_of, is_out_of_memory, make_call, module_call, prepared
from effbench.models.detector import SoundEventDetector


def measure_latency(
    detector: SoundEventDetector,
    conditions: Conditions,
    *,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> Latency:
    """Latency of single clips, one after the other, each waited for.

    Arguments, and what is restored after, are those of ``measure_throughput``.

    Raises:
        UsageError: kernels that the detector has no use for.
        EffbenchError: one clip does not fit into memory, or ``torch.compile`` failed.
    """
    with prepared(detector, conditions), _room_for("one clip"):
        call, compile_seconds = make_call(detector, conditions, 1)
        timing = time_calls(call, conditions.torch_device, budget or Budget(), one_by_one=True)
    latency = Latency(conditions, 1, timing, compile_seconds)
    if progress is not None:
        progress(str(latency))
    return latency


def measure_module(
    module: nn.Module,
    inputs: Inputs,
    conditions: Conditions,
    *,
    budget: Budget | None = None,
    progress: Progress | None = None,
) -> tuple[Throughput, Latency]:
    """Throughput and latency of one call of any module, in eval and inference mode.

    Args:
        module: what is called; it is put back after, as a detector is by ``measure_throughput``.
        inputs: one tensor, or the positional arguments; the first dimension of the first tensor counts clips.
        conditions: where and how; the part is ``network``.
        budget: how long to warm up and to measure.
        progress: gets a line for each of the two.

    Raises:
        UsageError: inputs without a tensor, or kernels that the module has no use for.
        EffbenchError: the call does not fit into memory, or ``torch.compile`` failed.
    """
    batch_size = clips_of(inputs)
    budget, device = budget or Budget(), conditions.torch_device
    with prepared(module, conditions), _room_for("one call"):
        call, compile_seconds = module_call(module, inputs, conditions)
        rate, each = time_calls(call, device, budget), time_calls(call, device, budget, one_by_one=True)
    throughput = Throughput(conditions, batch_size, rate, compile_seconds, best=True)
    latency = Latency(conditions, batch_size, each, compile_seconds)
    if progress is not None:
        progress(str(throughput))
        progress(str(latency))
    return throughput, latency


@contextmanager
def _room_for(what: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise EffbenchError(f"not even {what} fits into the device's memory") from error
        raise
