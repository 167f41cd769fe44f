"""A detector around an image network with timm's interface: ``forward_features`` and ``num_features``.

Example: effbench profile --model './log_mel_cnn.py:detector?width=32'
Where timm is installed: effbench profile --model './log_mel_cnn.py:detector?model=mobilenetv3_small_100'
"""

from torch import Tensor, nn

import effbench


class SmallCnn(nn.Module):
    """Depthwise and pointwise convolutions, (batch, 1, height, width) -> (batch, num_features, 1/8, 1/8)."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.num_features = 4 * width
        self.stem = nn.Sequential(nn.Conv2d(1, width, 3, 2, 1, bias=False), nn.BatchNorm2d(width), nn.GELU())
        self.stages = nn.Sequential(*(self._stage(width * factor) for factor in (1, 2)))

    @staticmethod
    def _stage(channels: int) -> nn.Module:
        return nn.Sequential(
            nn.Conv2d(channels, channels, 5, 2, 2, groups=channels, bias=False),
            nn.BatchNorm2d(channels),
            nn.Conv2d(channels, 2 * channels, 1),
            nn.GELU(),
        )

    def forward_features(self, x: Tensor) -> Tensor:
        """What precedes pooling and classifier."""
        return self.stages(self.stem(x))


class ImageBackbone(effbench.Backbone):
    """Features (batch, 1, mels, frames) as an image; the mean over its height is one embedding per step."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.embed_dim = int(network.num_features)

    def forward(self, features: Tensor) -> Tensor:
        return self.network.forward_features(features).mean(2).mT


def detector(
    model: str | None = None, width: int = 32, n_classes: int = 447, n_weak_classes: int = 447
) -> effbench.SoundEventDetector:
    """A detector of a network of timm's, by its name, or of ``SmallCnn``."""
    if model is None:
        network: nn.Module = SmallCnn(width)
    else:
        import timm

        network = timm.create_model(model, pretrained=False, in_chans=1, num_classes=0)
    return effbench.SoundEventDetector(
        effbench.LogMelFrontend(),
        ImageBackbone(network),
        n_classes=n_classes,
        n_weak_classes=n_weak_classes,
    )
