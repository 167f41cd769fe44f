"""Detectors with weights that make scores vary, and real audio files."""

from functools import cache
from pathlib import Path

import numpy as np
import soundfile
import torch

import effbench
from tests.models import parity

RATE = 16_000


@cache
def detector(spec="fmn04", frames="audio"):
    built = effbench.build_model(spec, seed=0, frames=frames)
    from effbench.models.checkpoint_keys import own_key

    built.load_state_dict({own_key(k): v for k, v in parity.renamed_state(spec).items()}, strict=False)
    return built


def weights(folder, spec="fmn04"):
    return parity.save(parity.renamed_state(spec), Path(folder) / f"{spec}.pt")


@cache
def audio(seconds, seed=0):
    """Chirps, tones and noise, (samples,) at 16 kHz."""
    clips = [parity.fill.waveform(seed + k)[0] for k in range(int(seconds // 10) + 1)]
    return np.concatenate(clips)[: round(seconds * RATE)]


def write(path, seconds, *, rate=RATE, seed=0):
    """An audio file in the format of its suffix, 16-bit where it can be."""
    samples = audio(seconds, seed)
    if rate != RATE:
        import soxr

        samples = soxr.resample(samples, RATE, rate)
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, rate)
    return path


@torch.inference_mode()
def logits(model, samples):
    """Strong logits (frames, classes) of samples at 16 kHz in one piece."""
    features = model.frontend(torch.from_numpy(np.ascontiguousarray(samples))[None])
    return model(features).strong[0].T.numpy()
