"""The backends by name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from effbench.errors import UsageError, nearest
from effbench.infer.backends.backend import Backend
from effbench.infer.backends.compiled import compiled
from effbench.infer.backends.cuda_graph import cuda_graph
from effbench.infer.backends.eager import eager, folded
from effbench.infer.backends.exported_file import SUFFIX, exported_file
from effbench.infer.backends.onnx import CALIBRATION, onnx_int8, onnx_runtime
from effbench.infer.backends.openvino import openvino
from effbench.infer.backends.triton_kernels import triton_blocks, triton_kernels

#: Asks for the fastest backend here, see ``best_backend``.
FASTEST = "best"

#: The backend that others are compared with, and that rows of timings without a name of one are of.
EAGER = "eager"

#: The one that runs any module, detector or not.
COMPILED = "compiled"

#: Backends that can run every model everywhere.
ALWAYS = (EAGER, "folded")

_ALL = (
    Backend(EAGER, "torch's operators one by one", eager),
    Backend("folded", "batch norms folded into convolutions, on a CPU channels last", folded),
    Backend(COMPILED, "folded, and compiled by torch.compile", compiled),
    Backend("onnx", "exported once, and run by ONNX Runtime, in float32", onnx_runtime),
    Backend(
        "onnx-int8",
        "exported once with convolutions in 8 bits, and run by ONNX Runtime",
        onnx_int8,
        exact=False,
        calibration=CALIBRATION,
    ),
    Backend("openvino", "exported once, and compiled by OpenVINO, in float32 or bf16", openvino),
    Backend("cuda-graph", "folded, and replayed as one CUDA graph", cuda_graph),
    Backend("triton", "folded, channels last, with a kernel for depthwise convolutions", triton_kernels),
    Backend("triton-blocks", "as triton, with kernels for whole inverted residual blocks", triton_blocks),
)

BACKENDS: Mapping[str, Backend] = {backend.name: backend for backend in _ALL}


def find_backend(name: str) -> Backend:
    """The backend of this name, or the one that runs a file of ``effbench export``.

    Raises:
        UsageError: there is none, or the file is of another kind, see ``exported_file``.
    """
    if name.endswith(SUFFIX):
        return exported_file(Path(name))
    if name not in BACKENDS:
        known = (*BACKENDS, FASTEST)
        raise UsageError(
            f"unknown backend '{name}'{nearest(name, known)}\nBackends: {', '.join(known)}, or the path of an"
            f" exported file ({SUFFIX})."
        )
    return BACKENDS[name]
