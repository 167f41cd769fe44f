"""Detectors as archives of ``torch.export``, which torch alone loads, compared with it when they are made."""

from __future__ import annotations

import io
import json
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor, nn

from effbench.errors import ExportError
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
from effbench.export.torch_recurrence import GruFrameByFrame, StateSpaceFrameByFrame
from effbench.files import replacing
from effbench.grid import CLIP_SECONDS
from effbench.models.detector import SoundEventDetector
from effbench.models.probe import probe_clips
from effbench.models.sequence.scans import StateSpaceScan

#: The file within an archive that says what it is, JSON.
ARCHIVE_ABOUT = "effbench.json"


def export_torch(
    detector: SoundEventDetector,
    path: Path,
    *,
    takes: ExportInput = "waveform",
    head: ExportedHead = "both",
) -> ExportedModel:
    """Write a detector as an archive of ``torch.export``, verified as it is loaded again.

    Its program gives a dictionary of logits by head; the extra file ``ARCHIVE_ABOUT`` says what it is.

    Args:
        detector: stays as it is.
        path: of the file.
        takes: waveforms, with the front-end in the file, or its features.
        head: which logits come out.

    Raises:
        ExportError: the model has parts that can't be exported for inputs of any size, its logits in the file
            differ from torch's, or the file can't be written.
    """
    detector = deepcopy(detector).cpu().eval()
    clips = probe_clips(detector.sample_rate, CLIP_SECONDS / 2)[:2]
    with torch.no_grad():
        example = clips if takes == "waveform" else detector.frontend(clips)
    content = io.BytesIO()
    about = json.dumps(about_export(detector, takes), ensure_ascii=False)
    with tracing(detector):
        program = traced(_ByHead(_of_any_length(detector, takes), head_names(head)), example)
        torch.export.save(program, content, extra_files={ARCHIVE_ABOUT: about})
        content.seek(0)
        module = torch.export.load(content).module()
        error, largest = compared(module, detector, takes)
    refuse_differences(detector, error, largest)
    with replacing(path, ExportError, make_folder=True) as temporary:
        temporary.write_bytes(content.getvalue())
    return ExportedModel(path, takes, head_names(head), len(content.getvalue()), error, largest)


class _ByHead(nn.Module):
    """Logits by head as a plain dictionary, which an archive can give without effbench."""

    def __init__(self, model: Exportable, heads: tuple[str, ...]) -> None:
        super().__init__()
        self.model, self.heads = model, heads

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        predictions = self.model(x)
        return {head: getattr(predictions, head) for head in self.heads}


def _of_any_length(detector: SoundEventDetector, takes: ExportInput) -> Exportable:
    model = Exportable(detector, takes, GruFrameByFrame)
    for module in list(model.modules()):
        for name, child in module.named_children():
            if isinstance(child, StateSpaceScan):
                setattr(module, name, StateSpaceFrameByFrame())
    return model
