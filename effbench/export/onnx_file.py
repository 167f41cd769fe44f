"""Detectors as ONNX files for batches and clips of any size, compared with torch when they are made."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from effbench.errors import ExportError, UsageError
from effbench.export.exportable import Exportable, ExportInput, longest_features
from effbench.export.onnx_recurrence import OnnxGru
from effbench.export.onnx_session import INSTALL, OnnxSession
from effbench.files import replacing
from effbench.grid import CLIP_SECONDS
from effbench.models.detector import SoundEventDetector
from effbench.models.frontends.frontend import Frontend
from effbench.models.probe import probe_clips
from effbench.version import VERSION

#: Largest difference of logits from torch's that a file may have.
EXPORT_TOLERANCE = 1e-3

OPSET, _OPSETS = 18, range(18, 24)

#: Clips and seconds of the inputs that logits are compared on, so far as the model takes them.
_COMPARED = ((3, CLIP_SECONDS), (1, 3.7), (2, 25.0), (1, 0.35), (1, 0.1))

ExportedHead = Literal["both", "strong", "weak"]


@dataclass(frozen=True)
class ExportedModel:
    """A file that was written.

    Attributes:
        path: of the file.
        takes: ``waveform`` or ``features``.
        heads: names of its outputs.
        bytes: its size.
        logit_error: largest difference of all logits from torch's, on clips of noise and tones.
        largest_logit: of torch.
    """

    path: Path
    takes: ExportInput
    heads: tuple[str, ...]
    bytes: int
    logit_error: float
    largest_logit: float


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
    return ExportedModel(path, takes, _heads(head), len(content), error, largest)


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
        if model.graph.output[index].name not in _heads(head):
            del model.graph.output[index]
    about = _about(detector, takes)
    onnx.helper.set_model_props(model, about)
    error, largest = compared(OnnxSession(model.SerializeToString()), detector, takes)
    if not error <= EXPORT_TOLERANCE:
        raise ExportError(
            f"the exported {_name(detector)} gives logits that are up to {error:.2g} from torch's (of"
            f" {largest:.2g}); {EXPORT_TOLERANCE:g} is allowed"
        )
    onnx.helper.set_model_props(model, about | {"logit_error": f"{error:.2g}"})
    return model.SerializeToString(), error, largest


def compared(session: OnnxSession, detector: SoundEventDetector, takes: ExportInput) -> tuple[float, float]:
    """Largest difference of all logits from torch's, infinite where one is no number, and largest logit."""
    differences, largest = [0.0], 0.0
    for clips, seconds in _COMPARED:
        waveform = probe_clips(detector.sample_rate, seconds)[:clips]
        with torch.inference_mode():
            try:
                features: Tensor = detector.frontend(waveform)
                wanted = detector(features)
            except (UsageError, ValueError):  # the model can't take such a clip
                continue
            most = longest_features(detector)
            if most is not None and features.shape[-1] > most:
                continue
        found = session(waveform if takes == "waveform" else features)
        for name, logits in found.items():
            expected = getattr(wanted, name)
            same = logits.shape == expected.shape
            differences.append(float((logits - expected).abs().max()) if same else math.inf)
            largest = max(largest, float(expected.abs().max()))
    return (max(differences) if all(map(math.isfinite, differences)) else math.inf), largest


def weights_digest(detector: SoundEventDetector) -> str:
    """Digest of all weights and their names."""
    whole = hashlib.sha256()
    for name, tensor in detector.state_dict().items():
        whole.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        whole.update(tensor.detach().cpu().flatten().view(torch.uint8).numpy())
    return whole.hexdigest()[:16]


def _program(model: Exportable, example: Tensor, takes: ExportInput, opset: int) -> Any:
    sizes = {0: torch.export.Dim.DYNAMIC, example.ndim - 1: torch.export.Dim.DYNAMIC}
    try:
        # The fused attentions of torch have layouts that don't survive being taken apart.
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), _quiet():
            traced = torch.export.export(model, (example,), dynamic_shapes=(sizes,), strict=False)
            return torch.onnx.export(
                traced,
                dynamo=True,
                input_names=[takes],
                output_names=_heads("both"),
                opset_version=opset,
                external_data=False,
                verbose=False,
            )
    except (UsageError, ValueError):
        raise
    except Exception as error:  # torch's exporters raise whatever a module or pass of theirs does
        reason: BaseException = error
        while reason.__cause__ is not None:
            reason = reason.__cause__
        line = next(iter(str(reason).strip().splitlines()), type(reason).__name__)
        raise ExportError(f"{_name(model.detector)} can't be exported: {line}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns of what it does by itself, and of packages that it does not need."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


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


def _heads(head: ExportedHead) -> tuple[str, ...]:
    return ("strong", "weak") if head == "both" else (head,)


def _name(detector: SoundEventDetector) -> str:
    return detector.spec or type(detector).__name__


def _about(detector: SoundEventDetector, takes: ExportInput) -> dict[str, str]:
    """The file's metadata: texts, lists as JSON."""
    frontend, backbone = detector.frontend, detector.backbone
    names = detector.classes or tuple(f"class {i}" for i in range(detector.strong_head.out_features))
    shortest = getattr(frontend, "min_samples", 1)
    longest = longest_features(detector)
    if takes == "features":
        shortest = getattr(backbone, "min_feature_frames", 1)
    elif longest is not None and isinstance(frontend, Frontend):
        most = range(frontend.hop * (longest + 3), 0, -frontend.hop)
        longest = next(samples for samples in most if frontend.frames(samples) <= longest)
    return {
        "model": _name(detector),
        "classes": json.dumps(names, ensure_ascii=False),
        "input": takes,
        "front_end": type(frontend).__name__,
        "sample_rate": str(detector.sample_rate),
        "frames_per_second": f"{1 / detector.frame_seconds:g}",
        "shortest_input": str(shortest),
        "longest_input": json.dumps(longest),
        "weights": weights_digest(detector),
        "effbench": VERSION,
    }


def _import_onnx() -> Any:
    try:
        import onnx
        import onnxscript  # noqa: F401  # torch's exporter needs it
    except ImportError as error:
        raise UsageError(f"ONNX can't be written ({error}): {INSTALL}") from error
    return onnx
