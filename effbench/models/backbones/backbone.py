"""What every backbone says about itself, and which features it can't take."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn

from effbench.errors import UsageError
from effbench.grid import FRAME_SECONDS

#: Hops (10 ms) in one output frame of 40 ms.
HOPS_PER_FRAME = 4

#: Side of a square patch, feature frames and bands.
PATCH = 16


class Backbone(nn.Module):
    """Features to embeddings, at a rate of the backbone's own.

    Attributes:
        label: its name in messages.
        embed_dim: width of an embedding.
        n_mels: bands of the features.
        extra_hops: hops that the audio fills beyond the number of its feature frames.
        min_feature_frames: the shortest input.
        positions: longest input, in 40 ms frames; ``None`` without a limit.
        piece: feature frames that run together at most, where longer input runs in pieces.

    Shape:
        (batch, 1, n_mels, feature frames) -> (batch, any number, embed_dim)
    """

    label: str
    embed_dim: int
    n_mels: int
    extra_hops = 0
    min_feature_frames = 1
    positions: int | None = None
    piece: int | None = None

    def frames(self, feature_frames: int) -> int:
        """Number of 40 ms frames of the audio behind so many feature frames; the last may be cut short."""
        return max(1, (feature_frames + self.extra_hops + HOPS_PER_FRAME - 1) // HOPS_PER_FRAME)

    @abstractmethod
    def layer_groups(self) -> list[list[nn.Parameter]]:
        """Every parameter once, by depth, from the input upward."""

    def check(self, features: Tensor) -> None:
        """Refuse what the backbone can't take.

        Raises:
            ValueError: features of another front-end.
            UsageError: features of a clip that is too short or too long.
        """
        if features.ndim != 4 or features.shape[1] != 1 or features.shape[2] != self.n_mels:
            raise ValueError(
                f"features must be (batch, 1, {self.n_mels}, frames), got {tuple(features.shape)}"
            )
        feature_frames = features.shape[3]
        if feature_frames < self.min_feature_frames:
            raise UsageError(
                f"{self.label} needs {self.min_feature_frames} feature frames of 10 ms; this clip has "
                f"{feature_frames}: pad it with zeros"
            )
        frames = self.frames(feature_frames)
        if self.positions is not None and frames > self.positions:
            raise UsageError(
                f"{self.label} has positions for {self.positions} frames of 40 ms "
                f"({FRAME_SECONDS * self.positions:g} s); this clip has {frames}: cut it into pieces, as "
                "'effbench detect' does"
            )
