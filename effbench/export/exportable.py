"""A detector whose parts can be exported for clips and batches of any size, with the same values.

Parts that loop over frames in Python, choose by a length, or compute in complex numbers are replaced.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from effbench.models.backbones.backbone import HOPS_PER_FRAME, Backbone
from effbench.models.detector import Predictions, SoundEventDetector
from effbench.models.folding import fold_batch_norms
from effbench.models.frontends.frontend import Frontend
from effbench.models.sequence.scans import GatedScan

#: What an exported model takes: (batch, samples), or (batch, 1, mels, feature frames).
ExportInput = Literal["waveform", "features"]


class Exportable(nn.Module):
    """A copy of a detector in eval mode on the CPU, without batch norms, from what it takes to its logits.

    Args:
        detector: stays as it is.
        takes: waveforms or features.
        recurrent: makes what stands for a GRU, where it can't stay.

    Shape:
        (batch, samples) or (batch, 1, mels, feature frames)
        -> strong (batch, n_classes, frames), weak (batch, n_weak_classes)
    """

    longest: Tensor | None

    def __init__(
        self,
        detector: SoundEventDetector,
        takes: ExportInput,
        recurrent: Callable[[nn.GRU], nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.takes = takes
        self.detector = fold_batch_norms(deepcopy(detector).cpu().eval())
        self.detector.resize = resize_by_matrix
        for module in list(self.detector.modules()):
            for name, child in module.named_children():
                if isinstance(child, GatedScan):
                    setattr(module, name, FrameByFrame())
                elif isinstance(child, nn.GRU) and recurrent is not None:
                    setattr(module, name, recurrent(child))
        frontend = self.detector.frontend
        if isinstance(frontend, Frontend):
            frontend.power = power_by_convolution(frontend)  # type: ignore[assignment]
        longest = longest_features(detector)
        self.register_buffer("longest", None if longest is None else torch.zeros(longest), persistent=False)

    def forward(self, x: Tensor) -> Predictions:
        features = self.detector.frontend(x) if self.takes == "waveform" else x
        if self.longest is not None:
            # A file can't refuse an input in words, but longer ones make the shapes of this sum disagree.
            features = features + self.longest[: features.shape[-1]]
        predictions: Predictions = self.detector(features)
        return predictions


def longest_features(detector: SoundEventDetector) -> int | None:
    """Most feature frames that can run in one call of an exported model; None without a limit."""
    backbone: object = detector.backbone
    if not isinstance(backbone, Backbone):
        return None
    if backbone.positions is not None:
        return HOPS_PER_FRAME * backbone.positions - backbone.extra_hops
    return backbone.piece


class FrameByFrame(nn.Module):
    """``GatedScan`` in one loop over the frames, whose number may be any.

    Shape:
        decay (batch, frames, dim), value (batch, frames, dim) -> (batch, frames, dim)
    """

    def forward(self, decay: Tensor, value: Tensor) -> Tensor:
        from torch._higher_order_ops.scan import scan

        def step(state: Tensor, frame: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
            state = frame[0] * state + frame[1]
            return state, state.clone()

        start = torch.zeros_like(value[:, 0])
        _, states = scan(step, start, (decay.transpose(0, 1), value.transpose(0, 1)))
        out: Tensor = states.transpose(0, 1)
        return out


def power_by_convolution(frontend: Frontend) -> Callable[[Tensor], Tensor]:
    """``Frontend.power`` by real numbers alone: a frame's spectrum is linear in its samples."""
    spectra = frontend.spectra(torch.eye(len(frontend.window), dtype=torch.float64))
    kernel = torch.cat((spectra.real, spectra.imag), 1).T.float().unsqueeze(1)
    edge = len(frontend.window) // 2 if frontend.centred else 0

    def power(x: Tensor) -> Tensor:
        x = F.pad(x.unsqueeze(1), (edge, edge), mode="reflect") if edge else x.unsqueeze(1)
        real, imaginary = F.conv1d(x, kernel, stride=frontend.hop).chunk(2, 1)
        return real.square() + imaginary.square()

    return power


def resize_by_matrix(x: Tensor, frames: int) -> Tensor:
    """``resize_frames`` by one product, for all lengths: (batch, any, dim) -> (batch, frames, dim)."""
    return x if x.shape[1] == frames else resizing_matrix(x.shape[1], frames) @ x


def resizing_matrix(before: int, after: int) -> Tensor:
    """Means of neighbours where frames get fewer, linear interpolation where more: (after, before)."""
    old, new = torch.arange(before), torch.arange(after)[:, None]
    start, end = new * before // after, ((new + 1) * before + after - 1) // after
    pooled = ((old >= start) & (old < end)) / (end - start)
    place = ((2 * new + 1) * before / (2 * after) - 0.5).clamp(min=0)
    lower = place.floor()
    upper, weight = (lower + 1).clamp(max=before - 1), place - lower
    interpolated = (old == lower) * (1 - weight) + (old == upper) * weight
    return torch.where(torch.full((), before) >= after, pooled, interpolated)
