"""Well-known networks, written from their published tables, whose counts are published too."""

from __future__ import annotations

import torch
from torch import nn


class Residual(nn.Module):
    """A branch, and what it is added to."""

    def __init__(self, branch, shortcut=None):
        super().__init__()
        self.branch, self.shortcut = branch, shortcut or nn.Identity()

    def forward(self, x):
        return self.shortcut(x) + self.branch(x)


class Concatenated(nn.Module):
    """The outputs of several branches, one after the other along the channels."""

    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


def unit(channels, out, kernel=1, stride=1, groups=1, activation=nn.ReLU):
    """Convolution without bias, batch normalisation and perhaps an activation."""
    layers = [
        nn.Conv2d(channels, out, kernel, stride, kernel // 2, groups=groups, bias=False),
        nn.BatchNorm2d(out),
    ]
    return nn.Sequential(*layers, *([activation()] if activation else []))


def alexnet():
    channels, layers = 3, []
    for out, kernel, stride, pool in (
        (64, 11, 4, True),
        (192, 5, 1, True),
        (384, 3, 1, False),
        (256, 3, 1, False),
        (256, 3, 1, True),
    ):
        layers += [nn.Conv2d(channels, out, kernel, stride, 2 if kernel > 3 else 1), nn.ReLU()]
        layers += [nn.MaxPool2d(3, 2)] if pool else []
        channels = out
    head = [nn.AdaptiveAvgPool2d(6), nn.Flatten(), nn.Linear(9216, 4096), nn.ReLU()]
    return nn.Sequential(*layers, *head, nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000))


def vgg(*stages):
    """Stages of so many 3 x 3 convolutions, each with a pooling after it."""
    channels, layers = 3, []
    for number, width in zip(stages, (64, 128, 256, 512, 512), strict=True):
        for _ in range(number):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    head = [nn.AdaptiveAvgPool2d(7), nn.Flatten(), nn.Linear(512 * 49, 4096), nn.ReLU()]
    return nn.Sequential(*layers, *head, nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, 1000))


def resnet(*stages, bottleneck=True, groups=1, group_width=64):
    """Stages of residual blocks: 3 x 3 twice, or 1 x 1, 3 x 3 (strided, grouped) and 1 x 1."""
    layers, channels = [unit(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)], 64
    for stage, number in enumerate(stages):
        width = 64 * 2**stage
        inner = width * group_width // 64 * groups
        out = 4 * width if bottleneck else width
        for block in range(number):
            stride = 2 if stage and not block else 1
            if bottleneck:
                branch = nn.Sequential(
                    unit(channels, inner),
                    unit(inner, inner, 3, stride, groups),
                    unit(inner, out, activation=None),
                )
            else:
                branch = nn.Sequential(
                    unit(channels, width, 3, stride), unit(width, width, 3, activation=None)
                )
            fits = channels == out and stride == 1
            layers.append(Residual(branch, None if fits else unit(channels, out, 1, stride, activation=None)))
            channels = out
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))


def densenet(*blocks, growth=32):
    layers, channels = [unit(3, 64, 7, 2), nn.MaxPool2d(3, 2, 1)], 64
    for number, layers_in_block in enumerate(blocks):
        if number:
            channels //= 2
            layers += [
                nn.BatchNorm2d(2 * channels),
                nn.ReLU(),
                nn.Conv2d(2 * channels, channels, 1, bias=False),
            ]
            layers.append(nn.AvgPool2d(2))
        for _ in range(layers_in_block):
            layer = [nn.BatchNorm2d(channels), nn.ReLU(), unit(channels, 4 * growth)]
            layer.append(nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False))
            layers.append(Concatenated(nn.Identity(), nn.Sequential(*layer)))
            channels += growth
    head = [nn.BatchNorm2d(channels), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *head, nn.Linear(channels, 1000))


def squeezenet():
    """Version 1.0: fire modules squeeze to a few channels, and expand with 1 x 1 and 3 x 3 kernels."""

    def fire(channels, squeezed, expanded):
        return nn.Sequential(
            nn.Conv2d(channels, squeezed, 1),
            nn.ReLU(),
            Concatenated(nn.Conv2d(squeezed, expanded, 1), nn.Conv2d(squeezed, expanded, 3, padding=1)),
            nn.ReLU(),
        )

    def pool():
        return nn.MaxPool2d(3, 2, ceil_mode=True)

    return nn.Sequential(
        nn.Conv2d(3, 96, 7, 2), nn.ReLU(), pool(),
        fire(96, 16, 64), fire(128, 16, 64), fire(128, 32, 128), pool(),
        fire(256, 32, 128), fire(256, 48, 192), fire(384, 48, 192), fire(384, 64, 256), pool(),
        fire(512, 64, 256), nn.Conv2d(512, 1000, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip


def mobilenet_v2():
    layers, channels = [unit(3, 32, 3, 2, activation=nn.ReLU6)], 32
    for expansion, out, number, stride in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2),
        (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ):  # fmt: skip
        for block in range(number):
            inner, step = expansion * channels, 1 if block else stride
            parts = [unit(channels, inner, activation=nn.ReLU6)] if expansion > 1 else []
            parts += [unit(inner, inner, 3, step, inner, nn.ReLU6), unit(inner, out, activation=None)]
            branch = nn.Sequential(*parts)
            layers.append(Residual(branch) if step == 1 and channels == out else branch)
            channels = out
    layers.append(unit(channels, 1280, activation=nn.ReLU6))
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1000))


class VisionTransformer(nn.Module):
    """ViT-B/16 on 224 x 224 pixels: 196 patches and a class token."""

    def __init__(self, dim=768, layers=12, heads=12):
        super().__init__()
        self.patches = nn.Conv2d(3, dim, 16, 16)
        self.token = nn.Parameter(torch.zeros(1, 1, dim))
        self.positions = nn.Parameter(torch.zeros(1, 197, dim))
        layer = nn.TransformerEncoderLayer(
            dim, heads, 4 * dim, activation="gelu", batch_first=True, norm_first=True
        )
        self.encoder = nn.TransformerEncoder(
            layer, layers, norm=nn.LayerNorm(dim), enable_nested_tensor=False
        )
        self.head = nn.Linear(dim, 1000)

    def forward(self, x):
        patches = self.patches(x).flatten(2).transpose(1, 2)
        tokens = torch.cat([self.token.expand(len(x), -1, -1), patches], 1) + self.positions
        return self.head(self.encoder(tokens)[:, 0])


def convolutions_and_three_linears():
    """Two convolutions and three linear layers on 32 x 32 pixels, the first example of fvcore's pages."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(6, 16, 3), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(576, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10),
    )  # fmt: skip
