"""A detector around an audio encoder of Hugging Face's ``transformers``, built from a configuration.

Example: effbench profile --model './hugging_face_encoder.py:detector?layers=4'
The encoder alone, on 10 s: effbench profile --model ./hugging_face_encoder.py:encoder --input 1,160000
"""

import math

from torch import Tensor, nn
from transformers import Wav2Vec2Config, Wav2Vec2Model

import effbench

SAMPLES_PER_FRAME = 640  # 40 ms at 16 kHz
SHORTEST = 400  # samples that the encoder's convolutions need


class Waveform(nn.Module):
    """Audio as it is, each clip of mean 0 and variance 1: (batch, samples) -> (batch, 1, 1, samples)."""

    min_samples = SHORTEST

    def forward(self, waveform: Tensor) -> Tensor:
        centred = waveform - waveform.mean(1, keepdim=True)
        return (centred / (centred.square().mean(1, keepdim=True) + 1e-7).sqrt())[:, None, None]


class Encoder(effbench.Backbone):
    """(batch, 1, 1, samples) -> (batch, steps of 20 ms, hidden size)."""

    def __init__(self, network: Wav2Vec2Model) -> None:
        super().__init__()
        self.network = network
        self.embed_dim = network.config.hidden_size

    def frames(self, feature_frames: int) -> int:
        return max(1, math.ceil(feature_frames / SAMPLES_PER_FRAME))

    def forward(self, features: Tensor) -> Tensor:
        return self.network(features[:, 0, 0]).last_hidden_state


def encoder(layers: int = 2, width: int = 64) -> Wav2Vec2Model:
    """The encoder with fresh weights."""
    config = Wav2Vec2Config(
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=4,
        intermediate_size=4 * width,
        conv_dim=[width] * 7,
    )
    return Wav2Vec2Model(config)


def detector(
    layers: int = 2, width: int = 64, n_classes: int = 447, n_weak_classes: int = 447
) -> effbench.SoundEventDetector:
    """The encoder with two heads."""
    return effbench.SoundEventDetector(
        Waveform(),
        Encoder(encoder(layers, width)),
        n_classes=n_classes,
        n_weak_classes=n_weak_classes,
    )
