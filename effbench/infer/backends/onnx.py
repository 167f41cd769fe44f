"""ONNX Runtime: the network as an exported file, which is kept in the cache folder, in float32 or 8 bits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from effbench.data.synth import SOUNDS
from effbench.data.synth.scene import plan_scene, render_scene
from effbench.errors import EffbenchError, ExportError
from effbench.export.exported import weights_digest
from effbench.export.int8 import quantize_static
from effbench.export.onnx_file import export_onnx
from effbench.export.onnx_session import OnnxSession
from effbench.grid import CLIP_SECONDS
from effbench.identity import digest
from effbench.infer.backends.backend import BackendUnavailable, Network, Placement
from effbench.machine.arithmetic import float32_arithmetic
from effbench.machine.devices import Precision
from effbench.models.detector import Predictions, SoundEventDetector
from effbench.models.download import cache_folder
from effbench.version import VERSION

#: What the numbers of ``onnx-int8`` follow from, in the words of results.
CALIBRATION = "16 synthetic soundscapes, MinMax, 7-bit weights"

_SOUNDSCAPES = 16
_SEED, _SNR = 0, (0.0, 20.0)  # dB


def onnx_runtime(detector: SoundEventDetector, place: Placement) -> Network:
    """The network on ONNX Runtime with as many threads as torch has; float32 alone."""
    _check_precision("onnx", place)
    with in_words():
        return session_network(_session(detector, place.device.type), place)


def onnx_int8(detector: SoundEventDetector, place: Placement) -> Network:
    """The same with convolutions in 8 bits, whose ranges follow from ``calibration_clips``."""
    _check_precision("onnx-int8", place)
    if not place.on_cpu:
        raise BackendUnavailable("the backend onnx-int8 computes on the processor alone, not on a GPU")
    path = _place_of(detector, {"int8": CALIBRATION})
    with in_words("the backend onnx-int8 can't run the model: "):
        if (session := _kept(path)) is None:
            _session(detector)
            features = (_features(detector, clip) for clip in calibration_clips())
            quantize_static(_place_of(detector), path, features, "MinMax")
            session = OnnxSession(path)
        return session_network(session, place)


def calibration_clips() -> Iterator[NDArray[np.float32]]:
    """Soundscapes of 10 s at 16 kHz, the same on every machine; every other one as loud as it can be."""
    for number in range(_SOUNDSCAPES):
        clip = render_scene(plan_scene((_SEED, 0, number), CLIP_SECONDS, tuple(SOUNDS), _SNR))
        yield clip / np.abs(clip).max() if number % 2 else clip


def _check_precision(name: str, place: Placement) -> None:
    if place.precision is not Precision.fp32:
        raise BackendUnavailable(f"the backend {name} computes in fp32 alone, not in {place.precision.value}")


@contextmanager
def in_words(start: str = "") -> Iterator[None]:
    """Errors within become those of a backend that can't run."""
    try:
        yield
    except EffbenchError as error:
        raise BackendUnavailable(f"{start}{error}") from error


@torch.inference_mode()
def _features(detector: SoundEventDetector, clip: NDArray[np.float32]) -> NDArray[np.float32]:
    with float32_arithmetic():
        features: NDArray[np.float32] = detector.frontend(torch.from_numpy(clip)[None]).numpy()
    return features


def session_network(session: OnnxSession, place: Placement) -> Network:
    """The network of a file, for features and logits on the device."""

    def network(features: Tensor) -> Predictions:
        found = session(features.cpu())
        return Predictions(*(found[head].to(place.device) for head in Predictions._fields))

    return network


def _session(detector: SoundEventDetector, device: str = "cpu") -> OnnxSession:
    """The exported network in float32."""
    path = _place_of(detector)
    if (session := _kept(path, device)) is not None:
        return session
    export_onnx(detector, path, takes="features")
    return OnnxSession(path, device=device)


def exported_network(detector: SoundEventDetector) -> tuple[Path, int, int | None]:
    """The exported network in float32, and the fewest and most feature frames that it takes.

    Raises:
        BackendUnavailable: it can't be exported.
    """
    with in_words():
        session = _session(detector)
    return _place_of(detector), session.least, session.most


def _kept(path: Path, device: str = "cpu") -> OnnxSession | None:
    if path.is_file():
        try:
            return OnnxSession(path, device=device)
        except ExportError:
            path.unlink(missing_ok=True)  # damaged: made again
    return None


def _place_of(detector: SoundEventDetector, numbers: Mapping[str, str] | None = None) -> Path:
    """The file of these weights and layers, in float32 or other numbers."""
    layers = [repr(part) for part in detector.children()]
    about = {"layers": layers, "weights": weights_digest(detector), "fixed_frames": detector.fixed_frames}
    versions = {"effbench": VERSION, "torch": str(torch.__version__)}
    return cache_folder() / "onnx" / f"{digest({**about, **(numbers or {}), **versions})}.onnx"
