"""OpenVINO: the exported network compiled for the processor, in float32 or bf16."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from effbench.errors import EffbenchError
from effbench.export.onnx_session import check_size
from effbench.infer.backends.backend import BackendUnavailable, Network, Placement
from effbench.infer.backends.onnx import exported_network
from effbench.machine.devices import Precision
from effbench.models.detector import Predictions, SoundEventDetector

_INSTALL = "pip install 'effbench[openvino]'"

#: OpenVINO's names of numbers.
_NUMBERS = {Precision.fp32: "f32", Precision.bf16: "bf16"}


def openvino(detector: SoundEventDetector, place: Placement) -> Network:
    """The network on OpenVINO with as many threads as torch has: float32, or bf16 where the processor can."""
    if not place.on_cpu:
        raise BackendUnavailable("the backend openvino computes on the processor alone, not on a GPU")
    if place.precision not in _NUMBERS:
        raise BackendUnavailable(
            f"the backend openvino computes in fp32 and bf16, not in {place.precision.value}"
        )
    core = _import_runtime().Core()
    if place.precision is Precision.bf16 and "BF16" not in core.get_property(
        "CPU", "OPTIMIZATION_CAPABILITIES"
    ):
        raise BackendUnavailable("the backend openvino computes in bf16 where the processor can, not here")
    path, least, most = exported_network(detector)
    settings = {
        "INFERENCE_PRECISION_HINT": _NUMBERS[place.precision],
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        "PERFORMANCE_HINT": "LATENCY",  # one call at a time has all threads
        "ENABLE_CPU_PINNING": False,  # others share the cores
    }
    return _Compiled(_compile(core, path, settings), least, most)


class _Compiled:
    """Calls of several threads, each with a request of its own."""

    def __init__(self, compiled: Any, least: int, most: int | None) -> None:
        self.compiled, self.least, self.most = compiled, least, most
        self.requests = threading.local()

    def __call__(self, features: Tensor) -> Predictions:
        check_size(features, self.least, self.most)
        if not hasattr(self.requests, "own"):
            self.requests.own = self.compiled.create_infer_request()
        try:
            found = self.requests.own.infer({0: features.detach().contiguous().numpy()})
        except RuntimeError as error:
            raise EffbenchError(f"OpenVINO failed: {_last_line(error)}") from error
        return Predictions(*(torch.from_numpy(found[head]) for head in Predictions._fields))


def _compile(core: Any, path: Path, settings: dict[str, object]) -> Any:
    try:
        return core.compile_model(core.read_model(str(path)), "CPU", settings)
    except RuntimeError as error:
        raise BackendUnavailable(f"the backend openvino can't run the model: {_last_line(error)}") from error


def _last_line(error: RuntimeError) -> str:
    return next(reversed(str(error).strip().splitlines()), type(error).__name__).strip()


def _import_runtime() -> Any:
    try:
        import openvino
    except ImportError as error:
        raise BackendUnavailable(
            f"the backend openvino can't be used: OpenVINO can't be imported ({error}): {_INSTALL}"
        ) from error
    return openvino
