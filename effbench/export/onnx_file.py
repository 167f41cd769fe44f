"""Detectors as ONNX files for batches and clips of any size, compared with torch when they are made."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from effbench.errors import ExportError, UsageError
from effbench.export.exportable import Exportable, ExportInput
from effbench.export.exported import (
    ExportedHead,
    ExportedModel,
    about_export,
    compared,
    head_names,
    refuse_differences,
    traced,
    tracing,
)
from effbench.export.onnx_recurrence import OnnxGru
from effbench.export.onnx_session import INSTALL, OnnxSession
from effbench.files import replacing
from effbench.grid import CLIP_SECONDS
from effbench.models.detector import SoundEventDetector
from effbench.models.probe import probe_clips

OPSET, _OPSETS = 18, range(18, 24)


def export_onnx(
    detector: SoundEventDetector,
    path: Path,
    *,
    takes: ExportInput = "waveform",
    head: ExportedHead = "both",
    opset: int = OPSET,
) -> ExportedModel:
    """Write a detector as an ONNX file, verified on ONNX Runtime.

    The file's metadata say which model and classes it has, and which input it takes.

    Args:
        detector: stays as it is.
        path: of the file.
        takes: waveforms, with the front-end in the file, or its features.
        head: which logits come out.
        opset: version of ONNX's operators, 18 to 23.

    Raises:
        UsageError: a package is missing, or an impossible option.
        ExportError: the model has parts that can't be exported, its logits in the file differ from torch's,
            or the file can't be written.
    """
    content, error, largest = exported_bytes(detector, takes=takes, head=head, opset=opset)
    with replacing(path, ExportError, make_folder=True) as temporary:
        temporary.write_bytes(content)
    return ExportedModel(path, takes, head_names(head), len(content), error, largest)


def exported_bytes(
    detector: SoundEventDetector,
    *,
    takes: ExportInput = "features",
    head: ExportedHead = "both",
    opset: int = OPSET,
) -> tuple[bytes, float, float]:
    """Content of the file of ``export_onnx``, its logit error and the largest logit; raises as there."""
    if opset not in _OPSETS:
        raise UsageError(f"the opset must be {_OPSETS[0]} to {_OPSETS[-1]}, not {opset}")
    onnx = _import_onnx()
    detector = deepcopy(detector).cpu().eval()
    clips = probe_clips(detector.sample_rate, CLIP_SECONDS / 2)[:2]
    with torch.no_grad():
        example = clips if takes == "waveform" else detector.frontend(clips)
    program = _program(Exportable(detector, takes, OnnxGru), example, takes, opset)
    model = program.model_proto
    _name_sizes(model.graph, takes)
    for index in reversed(range(len(model.graph.output))):
        if model.graph.output[index].name not in head_names(head):
            del model.graph.output[index]
    about = about_export(detector, takes)
    onnx.helper.set_model_props(model, about)
    error, largest = compared(OnnxSession(model.SerializeToString()), detector, takes)
    refuse_differences(detector, error, largest)
    onnx.helper.set_model_props(model, about | {"logit_error": f"{error:.2g}"})
    return model.SerializeToString(), error, largest


def _program(model: Exportable, example: Tensor, takes: ExportInput, opset: int) -> Any:
    with tracing(model.detector):
        return torch.onnx.export(
            traced(model, example),
            dynamo=True,
            input_names=[takes],
            output_names=head_names("both"),
            opset_version=opset,
            external_data=False,
            verbose=False,
        )


def _name_sizes(graph: Any, takes: ExportInput) -> None:
    """Names for the sizes that may be any, instead of the tracer's symbols."""
    names = {
        takes: ("batch", "samples")
        if takes == "waveform"
        else ("batch", "channel", "mels", "feature_frames"),
        "strong": ("batch", "class", "frames"),
        "weak": ("batch", "class"),
    }
    for value in (*graph.input, *graph.output):
        for size, name in zip(value.type.tensor_type.shape.dim, names[value.name], strict=True):
            if not size.HasField("dim_value"):
                size.dim_param = name
    del graph.value_info[:]


def _import_onnx() -> Any:
    try:
        import onnx
        import onnxscript  # noqa: F401  # torch's exporter needs it
    except ImportError as error:
        raise UsageError(f"ONNX can't be written ({error}): {INSTALL}") from error
    return onnx
