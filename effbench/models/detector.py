"""The detector: front-end, backbone, sequence model and two heads."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from effbench.grid import FRAME_SECONDS, SAMPLE_RATE
from effbench.models.backbones.backbone import Backbone
from effbench.shown import number_of, short


class Predictions(NamedTuple):
    """Logits of one batch: ``strong`` (batch, classes, frames), ``weak`` (batch, classes)."""

    strong: Tensor
    weak: Tensor


def resize_frames(x: Tensor, frames: int) -> Tensor:
    """Average-pooled to fewer frames, or interpolated to more: (batch, any, dim) -> (batch, frames, dim)."""
    if x.shape[1] == frames:
        return x
    x = x.transpose(1, 2)
    if x.shape[2] > frames:
        x = F.adaptive_avg_pool1d(x, frames)
    else:
        x = F.interpolate(x, size=frames, mode="linear", align_corners=False)
    return x.transpose(1, 2)


class SoundEventDetector(nn.Module):
    """Frame-wise and clip-wise event logits from features.

    The front-end is called on its own (``detector.frontend(waveform)``), because augmentation and timing
    treat features and network apart.

    Args:
        frontend: (batch, samples) -> features (batch, 1, mels, feature frames).
        backbone: features -> embeddings (batch, any number, embed_dim), at a rate of its own.
        sequence: (batch, frames, embed_dim) -> (batch, frames, width); none by default.
        width: output width of ``sequence``, ``embed_dim`` by default.
        n_classes: classes of the strong head.
        n_weak_classes: classes of the weak head, as many by default.
        fixed_frames: stretch or squeeze every clip's embeddings to this number of frames; by default to as
            many as ``backbone.frames`` says.

    Shape:
        (batch, 1, mels, feature frames) -> strong (batch, n_classes, frames), weak (batch, n_weak_classes)
    Attributes:
        classes: names of the strong head's outputs, in order; empty where they are not known.
        spec: what it was built as, for the reader; empty where it was put together by hand.
    """

    backbone: Backbone
    classes: tuple[str, ...] = ()
    spec = ""
    sample_rate = SAMPLE_RATE
    frame_seconds = FRAME_SECONDS
    resize = staticmethod(resize_frames)

    def __init__(
        self,
        frontend: nn.Module,
        backbone: Backbone,
        sequence: nn.Module | None = None,
        *,
        width: int | None = None,
        n_classes: int,
        n_weak_classes: int | None = None,
        fixed_frames: int | None = None,
    ) -> None:
        super().__init__()
        self.frontend = frontend
        self.backbone = backbone
        self.sequence = nn.Identity() if sequence is None else sequence
        width = backbone.embed_dim if width is None else width
        self.strong_head = nn.Linear(width, n_classes)
        self.weak_head = nn.Linear(width, n_weak_classes or n_classes)
        self.fixed_frames = fixed_frames

    def __repr__(self) -> str:
        """One line; each part prints its layers."""
        classes = number_of(self.strong_head.out_features, "class")
        parameters = short(sum(parameter.numel() for parameter in self.parameters()))
        name = f"{type(self).__name__} {self.spec}".rstrip()
        return f"<{name}: {classes}, {parameters} parameters>"

    def forward(self, features: Tensor) -> Predictions:
        frames = self.fixed_frames or self.backbone.frames(features.shape[-1])
        x = self.sequence(self.resize(self.backbone(features), frames))
        return Predictions(strong=self.strong_head(x).transpose(1, 2), weak=self.weak_head(x.mean(1)))
