"""ONNX Runtime: the network as an exported file, which is kept in the cache folder."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from effbench.errors import EffbenchError, ExportError
from effbench.export.onnx_file import export_onnx, weights_digest
from effbench.export.onnx_session import OnnxSession
from effbench.identity import digest
from effbench.infer.backends.backend import BackendUnavailable, Network, Placement
from effbench.machine.devices import Precision
from effbench.models.detector import Predictions, SoundEventDetector
from effbench.models.download import cache_folder
from effbench.version import VERSION


def onnx_runtime(detector: SoundEventDetector, place: Placement) -> Network:
    """The network on ONNX Runtime with as many threads as torch has; float32 alone."""
    if place.precision is not Precision.fp32:
        raise BackendUnavailable(f"the backend onnx computes in fp32 alone, not in {place.precision.value}")
    try:
        session = _session(detector, place)
    except EffbenchError as error:
        raise BackendUnavailable(str(error)) from error

    def network(features: Tensor) -> Predictions:
        found = session(features.cpu())
        return Predictions(*(found[head].to(place.device) for head in Predictions._fields))

    return network


def _session(detector: SoundEventDetector, place: Placement) -> OnnxSession:
    path, device = _place_of(detector), place.device.type
    if path.is_file():
        try:
            return OnnxSession(path, device=device)
        except ExportError:
            path.unlink(missing_ok=True)  # damaged: made again
    export_onnx(detector, path, takes="features")
    return OnnxSession(path, device=device)


def _place_of(detector: SoundEventDetector) -> Path:
    """The file of these weights and layers."""
    layers = [repr(part) for part in detector.children()]
    about = {"layers": layers, "weights": weights_digest(detector), "fixed_frames": detector.fixed_frames}
    versions = {"effbench": VERSION, "torch": str(torch.__version__)}
    return cache_folder() / "onnx" / f"{digest(about | versions)}.onnx"
