"""Exported models on ONNX Runtime."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from effbench.errors import ExportError, UsageError
from effbench.files import readable

INSTALL = "pip install 'effbench[onnx]'"

#: Where ONNX Runtime computes, by torch's name of a kind of device.
PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}


class OnnxSession:
    """A file of ``export_onnx`` that runs; several threads may call it.

    Args:
        source: path or content of the file.
        threads: of one call, by default as many as torch uses.
        device: ``cpu`` or ``cuda``; inputs and outputs are on the CPU all the same.

    Attributes:
        about: what the file says of itself.

    Raises:
        UsageError: ONNX Runtime is not installed, or not for the device.
        ExportError: no file of an exported detector.
    """

    def __init__(self, source: Path | bytes, *, threads: int | None = None, device: str = "cpu") -> None:
        runtime = import_runtime()
        provider = PROVIDERS[device]
        if provider not in runtime.get_available_providers():
            raise UsageError(
                f"this ONNX Runtime can't use the device '{device}': pip install onnxruntime-gpu"
            )
        options = runtime.SessionOptions()
        options.intra_op_num_threads = threads or torch.get_num_threads()
        options.log_severity_level = 4  # errors are raised, too
        name = "the model" if isinstance(source, bytes) else f"'{readable(source)}'"
        if isinstance(source, Path) and not source.is_file():
            raise ExportError(f"{name}: no such file")
        try:
            self.session: Any = runtime.InferenceSession(
                source if isinstance(source, bytes) else str(source), options, providers=[provider]
            )
        except Exception as error:  # those of the runtime share no class
            raise ExportError(f"{name} is no ONNX file that can run here: {_first_line(error)}") from error
        self.about: Mapping[str, str] = self.session.get_modelmeta().custom_metadata_map
        (self.input,) = (value.name for value in self.session.get_inputs())
        self.outputs = tuple(value.name for value in self.session.get_outputs())
        self.least = int(self.about.get("shortest_input", 1))
        self.most = json.loads(self.about.get("longest_input", "null"))

    def __call__(self, x: Tensor) -> dict[str, Tensor]:
        """Logits by head of float32 on the CPU, (batch, samples) or (batch, 1, mels, feature frames)."""
        check_size(x, self.least, self.most)
        try:
            found = self.session.run(None, {self.input: x.detach().contiguous().numpy()})
        except Exception as error:
            raise ExportError(f"ONNX Runtime failed: {_first_line(error)}") from error
        return {name: torch.from_numpy(logits) for name, logits in zip(self.outputs, found, strict=True)}


def check_size(x: Tensor, least: int, most: int | None) -> None:
    """``UsageError`` for (batch, …, size) that is shorter or longer than a model can take."""
    size = x.shape[-1]
    if size < least or (most is not None and size > most):
        limit = f"at least {least}" if size < least else f"at most {most}"
        unit = "samples" if x.ndim == 2 else "feature frames of 10 ms"
        raise UsageError(f"the exported model takes {limit} {unit}, not {size}")


def import_runtime() -> Any:
    """The package ``onnxruntime``; ``UsageError`` where it is not installed."""
    try:
        import onnxruntime
    except ImportError as error:
        raise UsageError(f"ONNX Runtime can't be imported ({error}): {INSTALL}") from error
    return onnxruntime


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)
