"""A file of ``effbench export`` as a backend of the model that it was written from."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from effbench.errors import UsageError
from effbench.export.exported import model_name
from effbench.export.onnx_session import OnnxSession
from effbench.files import readable
from effbench.infer.backends.backend import Backend, BackendUnavailable, Network, Placement
from effbench.infer.backends.onnx import in_words, session_network
from effbench.machine.devices import Precision
from effbench.models.detector import Predictions, SoundEventDetector

#: What names of such files end with, and of no other backend.
SUFFIX = ".onnx"


def exported_file(path: Path) -> Backend:
    """The backend that runs a file, in whatever numbers it computes; named after its content.

    Raises:
        UsageError: there is no such file, or it does not go from features to the logits of both heads.
        ExportError: no file of an exported detector.
    """
    try:
        state = path.stat()
    except OSError as error:
        raise UsageError(f"the backend '{readable(path)}': {error.strerror}") from error
    return _read(path.absolute(), state.st_mtime_ns, state.st_size)


@lru_cache(maxsize=8)
def _read(path: Path, *_changed: int) -> Backend:
    session = OnnxSession(path, threads=1)
    about, name = session.about, readable(path)
    if not {"model", "input", "weights"} <= about.keys():
        raise UsageError(f"the backend '{name}' is no file that effbench export wrote")
    if about["input"] != "features":
        raise UsageError(
            f"the backend '{name}' has a front-end, and takes {about['input']}: backends take features, which"
            " effbench export --input features writes a file for"
        )
    if set(session.outputs) != set(Predictions._fields):
        raise UsageError(
            f"the backend '{name}' gives {' and '.join(session.outputs)} logits alone: export both heads"
        )

    def make(detector: SoundEventDetector, place: Placement) -> Network:
        if place.precision is not Precision.fp32:
            raise BackendUnavailable(
                f"the backend '{name}' computes in its own numbers, not in {place.precision.value}"
            )
        if about["model"] != (wanted := model_name(detector)):
            raise BackendUnavailable(f"the backend '{name}' is of the model {about['model']}, not {wanted}")
        with in_words():
            return session_network(OnnxSession(path, device=place.device.type), place)

    tag = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    return Backend(
        f"{readable(path.name)} {tag}",
        "a file of effbench export, run by ONNX Runtime",
        make,
        exact=False,
        calibration=about.get("calibration", ""),
        weights=about["weights"],
    )
