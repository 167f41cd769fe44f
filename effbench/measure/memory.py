"""Peak memory of one forward pass: the allocator's on CUDA, a child process's resident set on the CPU."""

from __future__ import annotations

import gc
import json
import os
import signal
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from effbench.errors import EffbenchError
from effbench.machine.cpu import available_memory
from effbench.machine.description import Environment
from effbench.machine.resident import ResidentPeak, release_free_memory, resident_bytes
from effbench.measure.conditions import Conditions
from effbench.measure.timing import synchronise
from effbench.measure.workload import Timeable, is_out_of_memory, make_inputs, part_call, prepared, timeable
from effbench.models.build import build_model
from effbench.models.detector import SoundEventDetector
from effbench.models.own_code import build_own, load_code
from effbench.models.own_inputs import Inputs
from effbench.models.own_model import OwnModel, find_model
from effbench.results.measurement import Measurement
from effbench.shown import Row, Shown, Table
from effbench.spec import ModelSpec

_CALLS = 2
_MARK = "effbench memory: "
_NO_ROOM = 3  # exit code of the child process
_SMALLEST = "fmn01+gru-16"


@dataclass(frozen=True, repr=False)
class PeakMemory(Shown):
    """Bytes that a part of a model takes for one forward pass.

    Attributes:
        peak_bytes: the most that is held because of the part: weights, inputs, activations, outputs.
        model_bytes: what is held with the weights loaded, before anything runs.
        total_bytes: the most that the process (CPU) or the allocator with its reserve (CUDA) holds.
        method: ``resident set of a child process`` or ``CUDA allocator``.
    """

    peak_bytes: int
    model_bytes: int
    total_bytes: int
    method: str
    batch_size: int
    conditions: Conditions

    def __str__(self) -> str:
        shares = f"{_mebibytes(self.model_bytes)} of it the model, {_mebibytes(self.total_bytes)} in all"
        return f"{_mebibytes(self.peak_bytes)} at batch {self.batch_size}, {self.conditions} ({shares})"

    def sections(self) -> list[Table | str]:
        return [str(self)]

    def rows(self) -> list[Row]:
        conditions = {**self.conditions.stored(self.batch_size), "device": self.conditions.device_name}
        return [{"quantity": "memory_peak", "value": self.peak_bytes, "unit": "bytes", **conditions}]

    def to_dict(self) -> dict[str, object]:
        sizes = {name: value for name, value in asdict(self).items() if name != "conditions"}
        return {"quantity": "memory", "unit": "bytes", **sizes, **self.conditions.to_dict()}

    def measurements(self, spec: str, environment: Environment) -> list[Measurement]:
        """The row for the results store: the peak."""
        sizes = {"model_bytes": self.model_bytes, "total_bytes": self.total_bytes, "method": self.method}
        conditions = self.conditions.stored(self.batch_size)
        if self.conditions.part == "network":
            # Rows of earlier versions also hold the making of the features.
            conditions = {**conditions, "inputs": "made before"}
        return [
            Measurement.here(
                spec,
                "memory_peak",
                self.peak_bytes,
                device=self.conditions.device_name,
                conditions=conditions,
                environment={**environment.to_dict(), "memory_of_the_run": sizes},
            )
        ]


def peak_memory(spec: str | ModelSpec, conditions: Conditions, *, batch_size: int = 1) -> PeakMemory:
    """Peak memory of a part of a model, built for the purpose.

    The front-end is measured without the network; what makes the network's inputs is not counted.

    On the CPU, a child process measures its own resident set: with torch loaded and warm, with the model,
    and at its highest while the model runs. On CUDA, the caching allocator keeps the books.

    Memory for compilation counts on the CPU.

    Raises:
        EffbenchError: the batch does not fit into memory, or the child process failed.
    """
    measure = _in_child if conditions.device == "cpu" else _cuda
    return measure(find_model(spec), conditions, batch_size)


def _in_child(model: ModelSpec, conditions: Conditions, batch_size: int) -> PeakMemory:
    request = json.dumps(
        {"model": model.reference, "batch_size": batch_size, "conditions": asdict(conditions)}
    )
    # -P: nothing in the current folder may stand in for a module; the child finds what this process runs.
    command = [sys.executable, "-P", "-m", "effbench.measure.memory", request]
    paths = [str(Path(__file__).resolve().parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    answers = [line.removeprefix(_MARK) for line in done.stdout.splitlines() if line.startswith(_MARK)]
    if done.returncode == 0 and answers:
        sizes: dict[str, int] = json.loads(answers[-1])
        method = "resident set of a child process"
        return PeakMemory(**sizes, method=method, batch_size=batch_size, conditions=conditions)
    if done.returncode in (_NO_ROOM, -signal.SIGKILL):
        raise _too_large(model, batch_size)
    reason = next(reversed(done.stderr.strip().splitlines()), f"exit code {done.returncode}")
    raise EffbenchError(f"measuring the memory of {model} failed: {reason}")


def main(arguments: list[str]) -> None:
    """The child process: measures as the request in JSON says, and prints the sizes as JSON."""
    request = json.loads(arguments[0])
    conditions = Conditions(**request["conditions"])
    torch.set_num_threads(conditions.threads)
    _touch_torch()
    subject = find_model(request["model"])
    if isinstance(subject, OwnModel):
        load_code(subject)  # what it imports is not the model's memory
    baseline = _settled()
    detector = _built(subject, conditions)
    model = _settled()
    _forbid_more_than_is_free()
    try:
        with prepared(detector, conditions):
            inputs = make_inputs(detector, conditions, request["batch_size"])
            _settled()
            with ResidentPeak() as resident:
                _run(detector, inputs, conditions)
    except (RuntimeError, MemoryError) as error:
        if is_out_of_memory(error):
            sys.exit(_NO_ROOM)
        raise
    sizes = {
        "peak_bytes": max(0, resident.peak - baseline),
        "model_bytes": max(0, model - baseline),
        "total_bytes": resident.peak,
    }
    print(_MARK + json.dumps(sizes))


def _cuda(subject: ModelSpec, conditions: Conditions, batch_size: int) -> PeakMemory:
    device = conditions.torch_device
    detector = _built(subject, conditions)
    gc.collect()
    torch.cuda.synchronize(device)
    torch.cuda.empty_cache()
    baseline = torch.cuda.memory_allocated(device)
    detector.to(device)
    model = torch.cuda.memory_allocated(device)
    try:
        with prepared(detector, conditions):
            inputs = make_inputs(detector, conditions, batch_size)
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
            _run(detector, inputs, conditions)
        peak, reserved = torch.cuda.max_memory_allocated(device), torch.cuda.max_memory_reserved(device)
    except RuntimeError as error:
        if is_out_of_memory(error):
            raise _too_large(subject, batch_size) from error
        raise
    finally:
        del detector
        torch.cuda.empty_cache()
    return PeakMemory(peak - baseline, model - baseline, reserved, "CUDA allocator", batch_size, conditions)


def _too_large(model: ModelSpec, batch_size: int) -> EffbenchError:
    return EffbenchError(f"{model} at batch {batch_size} does not fit into the device's memory")


def _built(model: ModelSpec, conditions: Conditions) -> Timeable:
    """The model, without the network where only the front-end runs."""
    detector: Timeable
    if isinstance(model, OwnModel):
        detector = timeable(build_own(model, seed=0))
    else:
        detector = build_model(model, seed=0)
    if conditions.part == "frontend" and isinstance(detector, SoundEventDetector):
        for name, _ in list(detector.named_children()):
            if name != "frontend":
                setattr(detector, name, nn.Identity())
    return detector


def _run(detector: Timeable, inputs: Inputs, conditions: Conditions) -> None:
    call, _ = part_call(detector, inputs, conditions)
    for _ in range(_CALLS):
        call()
    synchronise(conditions.torch_device)


def _touch_torch() -> None:
    """Loads what effbench and torch load on first use, which is not the model's memory."""
    smallest = build_model(_SMALLEST, seed=0)
    with torch.inference_mode():
        smallest(smallest.frontend(torch.ones(1, 8_000)))
        x = torch.ones(1, 4, 8, 64)
        F.layer_norm(F.gelu(x), (64,))
        F.scaled_dot_product_attention(x, x, x)


def _forbid_more_than_is_free() -> None:
    """Makes allocations beyond the free memory fail, instead of letting them fill and swap the machine."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    _, highest = resource.getrlimit(resource.RLIMIT_DATA)
    free = available_memory()
    limit = free if highest == resource.RLIM_INFINITY else min(free, highest)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, highest))


def _settled() -> int:
    gc.collect()
    release_free_memory()
    return resident_bytes()


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"


if __name__ == "__main__":
    main(sys.argv[1:])
