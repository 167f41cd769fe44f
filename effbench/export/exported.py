"""What all exported files share: tracing, the comparison with torch, and what they say of themselves."""

from __future__ import annotations

import hashlib
import json
import logging
import math
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.export import ExportedProgram
from torch.nn.attention import SDPBackend, sdpa_kernel

from effbench.errors import ExportError, UsageError
from effbench.export.exportable import ExportInput, longest_features
from effbench.grid import CLIP_SECONDS
from effbench.models.detector import SoundEventDetector
from effbench.models.frontends.frontend import Frontend
from effbench.models.probe import probe_clips
from effbench.version import VERSION

#: Largest difference of logits from torch's that a file may have.
EXPORT_TOLERANCE = 1e-3

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


def traced(model: nn.Module, example: Tensor) -> ExportedProgram:
    """A model as torch's program for batches (the first dimension) and lengths (the last) of any size."""
    sizes = {0: torch.export.Dim.DYNAMIC, example.ndim - 1: torch.export.Dim.DYNAMIC}
    return torch.export.export(model, (example,), dynamic_shapes=(sizes,), strict=False)


@contextmanager
def tracing(detector: SoundEventDetector) -> Iterator[None]:
    """Within it, ``traced`` can be called.

    Raises:
        ExportError: torch can't trace or write the detector.
    """
    try:
        # The fused attentions of torch have layouts that don't survive being taken apart.
        with torch.no_grad(), sdpa_kernel(SDPBackend.MATH), _quiet():
            yield
    except (UsageError, ValueError):
        raise
    except Exception as error:  # torch's exporters raise whatever a module or pass of theirs does
        reason: BaseException = error
        while reason.__cause__ is not None:
            reason = reason.__cause__
        line = next(iter(str(reason).strip().splitlines()), type(reason).__name__)
        raise ExportError(f"{model_name(detector)} can't be exported: {line}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns of what it does by itself, and of packages that it does not need."""
    logger = logging.getLogger("torch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)


def compared(
    session: Callable[[Tensor], Mapping[str, Tensor]], detector: SoundEventDetector, takes: ExportInput
) -> tuple[float, float]:
    """Largest difference of logits from torch's, infinite where one is no number, and largest logit."""
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


def refuse_differences(detector: SoundEventDetector, error: float, largest: float) -> None:
    """``ExportError`` where logits are further from torch's than ``EXPORT_TOLERANCE``."""
    if not error <= EXPORT_TOLERANCE:
        raise ExportError(
            f"the exported {model_name(detector)} gives logits that are up to {error:.2g} from torch's (of"
            f" {largest:.2g}); {EXPORT_TOLERANCE:g} is allowed"
        )


def weights_digest(detector: SoundEventDetector) -> str:
    """Digest of all weights and their names."""
    whole = hashlib.sha256()
    for name, tensor in detector.state_dict().items():
        whole.update(f"{name}{tuple(tensor.shape)}{tensor.dtype}".encode())
        whole.update(tensor.detach().cpu().flatten().view(torch.uint8).numpy())
    return whole.hexdigest()[:16]


def head_names(head: ExportedHead) -> tuple[str, ...]:
    """Names of the outputs."""
    return ("strong", "weak") if head == "both" else (head,)


def about_export(detector: SoundEventDetector, takes: ExportInput) -> dict[str, str]:
    """What a file says of itself: texts, lists as JSON."""
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
        "model": model_name(detector),
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


def model_name(detector: SoundEventDetector) -> str:
    """The spec of a detector, or the class of one without."""
    return detector.spec or type(detector).__name__
