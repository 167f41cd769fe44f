"""Frame-wise MobileNets: MobileNetV3-Large whose time stride stops at 40 ms.

Source: Howard et al. 2019 (MobileNetV3); Schmid et al. 2023 (efficient audio tagging); the frame-wise
strides are those of "Exploring Performance-Complexity Trade-Offs in Sound Event Detection Models", 2025.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from effbench.models.backbones.backbone import Backbone


class BlockShape(NamedTuple):
    """One inverted residual block at width 1.0."""

    kernel: int
    expanded: int
    out: int
    squeeze: bool
    activation: type[nn.Module]
    stride: tuple[int, int]  # frequency, time


STEM, EMBEDDING_FACTOR = 16, 6
BLOCKS = (
    BlockShape(3, 16, 16, False, nn.ReLU, (1, 1)),
    BlockShape(3, 64, 24, False, nn.ReLU, (2, 2)),
    BlockShape(3, 72, 24, False, nn.ReLU, (2, 1)),
    BlockShape(5, 72, 40, True, nn.ReLU, (1, 1)),
    BlockShape(5, 120, 40, True, nn.ReLU, (1, 1)),
    BlockShape(5, 120, 40, True, nn.ReLU, (2, 1)),
    BlockShape(3, 240, 80, False, nn.Hardswish, (1, 1)),
    BlockShape(3, 200, 80, False, nn.Hardswish, (2, 1)),
    BlockShape(3, 184, 80, False, nn.Hardswish, (1, 1)),
    BlockShape(3, 184, 80, False, nn.Hardswish, (1, 1)),
    BlockShape(3, 480, 112, True, nn.Hardswish, (2, 1)),
    BlockShape(3, 672, 112, True, nn.Hardswish, (1, 1)),
    BlockShape(5, 672, 160, True, nn.Hardswish, (1, 1)),
    BlockShape(5, 960, 160, True, nn.Hardswish, (1, 1)),
    BlockShape(5, 960, 160, True, nn.Hardswish, (2, 1)),
)


def round_channels(channels: float, divisor: int = 8) -> int:
    """Nearest multiple of ``divisor`` that is not more than 10 % below ``channels`` (MobileNet's rule)."""
    rounded = max(divisor, int(channels + divisor / 2) // divisor * divisor)
    return rounded + divisor if rounded < 0.9 * channels else rounded


class ConvNormActivation(nn.Sequential):
    """Convolution without bias, batch normalisation and, if given, an activation.

    Shape:
        (batch, inputs, mels, frames) -> (batch, outputs, mels / stride, frames / stride)
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        *,
        stride: tuple[int, int] = (1, 1),
        groups: int = 1,
        activation: type[nn.Module] | None = None,
    ) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, groups=groups, bias=False),
            nn.BatchNorm2d(outputs, eps=1e-3, momentum=0.01),
            *([activation()] if activation else []),
        )


class SqueezeExcitation(nn.Module):
    """Scales each channel by a gate computed from the clip's mean over frequency and time.

    Shape:
        (batch, channels, mels, frames) -> (batch, channels, mels, frames)

    Source: Hu et al. 2018, with a plain sigmoid.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        squeezed = round_channels(channels // 4)
        self.conc_se_layers = nn.Sequential(_Gate(channels, squeezed))

    def forward(self, x: Tensor) -> Tensor:
        return x * self.conc_se_layers(x.mean((2, 3)))[:, :, None, None]


class _Gate(nn.Module):
    """The two layers of squeeze-excitation, (batch, channels) -> (batch, channels)."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, squeezed)
        self.fc2 = nn.Linear(squeezed, channels)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc2(self.fc1(x).relu()).sigmoid()


class InvertedResidual(nn.Module):
    """Expansion, depthwise convolution, optional squeeze-excitation, projection; a skip where shapes allow.

    Shape:
        (batch, inputs, mels, frames) -> (batch, outputs, mels / stride, frames / stride)
    """

    def __init__(self, inputs: int, shape: BlockShape, width: float) -> None:
        super().__init__()
        expanded, outputs = (round_channels(channels * width) for channels in (shape.expanded, shape.out))
        self.skip = shape.stride == (1, 1) and inputs == outputs
        layers: list[nn.Module] = []
        if expanded != inputs:
            layers.append(ConvNormActivation(inputs, expanded, 1, activation=shape.activation))
        layers.append(
            ConvNormActivation(
                expanded,
                expanded,
                shape.kernel,
                stride=shape.stride,
                groups=expanded,
                activation=shape.activation,
            )
        )
        if shape.squeeze:
            layers.append(SqueezeExcitation(expanded))
        layers.append(ConvNormActivation(expanded, outputs, 1))
        self.block = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.block(x) if self.skip else self.block(x)


class FrameMobileNet(Backbone):
    """MobileNetV3 that keeps one embedding for every four feature frames.

    Args:
        width: channel multiplier; 1.0 is ``fmn10``.

    Shape:
        (batch, 1, 128, frames) -> (batch, ceil(frames / 4), embed_dim)
    """

    label = "the frame-wise MobileNet"
    n_mels = 128

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        channels = round_channels(STEM * width)
        layers: list[nn.Module] = [ConvNormActivation(1, channels, 3, stride=(2, 2), activation=nn.Hardswish)]
        for block in BLOCKS:
            layers.append(InvertedResidual(channels, block, width))
            channels = round_channels(block.out * width)
        self.embed_dim = EMBEDDING_FACTOR * channels
        layers.append(ConvNormActivation(channels, self.embed_dim, 1, activation=nn.Hardswish))
        self.features = nn.Sequential(*layers)
        self.apply(_initialise)

    @staticmethod
    def embed_dim_of(width: float) -> int:
        """Embedding width of a channel multiplier."""
        return EMBEDDING_FACTOR * round_channels(BLOCKS[-1].out * width)

    def forward(self, features: Tensor) -> Tensor:
        self.check(features)
        return self.features(features).squeeze(2).transpose(1, 2)

    def layer_groups(self) -> list[list[nn.Parameter]]:
        """One group per ``features.N``."""
        return [list(layer.parameters()) for layer in self.features]


def _initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.kaiming_normal_(module.weight, mode="fan_out")
    elif isinstance(module, nn.Linear):
        nn.init.normal_(module.weight, 0.0, 0.01)
        nn.init.zeros_(module.bias)
