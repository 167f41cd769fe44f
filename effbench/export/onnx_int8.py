"""Detectors as ONNX files that compute in 8 bits, and what that costs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from numpy.typing import NDArray

from effbench.errors import ExportError
from effbench.export.exportable import ExportInput
from effbench.export.exported import ExportedHead, ExportedModel, compared
from effbench.export.int8 import Calibration, quantize_dynamic, quantize_static
from effbench.export.onnx_file import OPSET, export_onnx
from effbench.export.onnx_session import OnnxSession
from effbench.models.detector import SoundEventDetector


def export_int8(
    detector: SoundEventDetector,
    path: Path,
    audio: Iterable[NDArray[np.float32]] | None,
    *,
    takes: ExportInput = "waveform",
    head: ExportedHead = "both",
    opset: int = OPSET,
    calibration: Calibration = "Percentile",
) -> ExportedModel:
    """Write a detector as an ONNX file in 8 bits; its logit error is measured, and may be of any size.

    Args:
        detector: stays as it is.
        path: of the file.
        audio: clips, (samples,) each, that show the ranges of activations, for convolutions in 8 bits. With
            None, only matrix products are, whose inputs get a range on every call.
        takes: as ``export_onnx``.
        head: as ``export_onnx``.
        opset: as ``export_onnx``.
        calibration: how ranges follow from the clips.

    Raises:
        UsageError: as ``export_onnx``.
        ExportError: as there; or activations have no range that could be cut.
        EffbenchError: as ``quantize_static``.
    """
    with TemporaryDirectory() as folder:
        source = Path(folder) / "float32.onnx"
        exported = export_onnx(detector, source, takes=takes, head=head, opset=opset)
        if audio is None:
            quantize_dynamic(source, path)
        else:
            inputs = (_input(detector, clip, takes) for clip in audio)
            try:
                quantize_static(source, path, inputs, calibration)
            except ValueError as reason:  # of numpy's histograms
                raise ExportError(
                    f"activations on this audio have no ranges that {calibration} can cut ({reason}), as with"
                    " untrained weights: take MinMax"
                ) from reason
    error, largest = compared(OnnxSession(path), detector, takes)
    size = path.stat().st_size
    return replace(exported, path=path, bytes=size, logit_error=error, largest_logit=largest)


def _input(
    detector: SoundEventDetector, clip: NDArray[np.float32], takes: ExportInput
) -> NDArray[np.float32]:
    waveform = torch.from_numpy(clip)[None]
    with torch.inference_mode():
        x = waveform if takes == "waveform" else detector.frontend(waveform)
    found: NDArray[np.float32] = x.numpy()
    return found
