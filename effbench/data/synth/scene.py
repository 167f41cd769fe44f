"""One soundscape: what happens when (cheap, without audio), and its samples.

Everything follows from (seed, split, number of the clip), so clips can be made in any order by any process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator, default_rng
from scipy.signal import fftconvolve

from effbench.data.audio import Samples
from effbench.data.labels import Event
from effbench.data.synth.sounds import SOUNDS, Signal
from effbench.grid import SAMPLE_RATE

_EVENTS_PER_SECOND = 0.4
_POLYPHONY = 3  # classes that sound at once
_APART = 0.3  # seconds between two events of one class


@dataclass(frozen=True)
class Scene:
    """A clip's events and levels; ``snr`` is in dB over the background, one per event."""

    key: tuple[int, int, int]
    seconds: float
    events: tuple[Event, ...]
    snr: tuple[float, ...]


def plan_scene(
    key: tuple[int, int, int], seconds: float, classes: Sequence[str], snr: tuple[float, float]
) -> Scene:
    """Onsets, durations, classes and levels of one clip; times are whole milliseconds.

    The first event's class goes round with the clip's number, so that every class occurs in a small set.
    """
    rng = default_rng([*key, 0])
    wanted = 1 + rng.poisson(max(0.0, _EVENTS_PER_SECOND * seconds - 1))
    labels = [classes[key[2] % len(classes)], *rng.choice(classes, wanted - 1).tolist()]
    events: list[Event] = []
    for label in labels:
        event = _draw(rng, label, seconds)
        if _fits(event, events):
            events.append(event)
    levels = rng.uniform(*snr, len(events)).round(2).tolist()
    ordered = sorted(zip(events, levels, strict=True))
    return Scene(key, seconds, tuple(event for event, _ in ordered), tuple(level for _, level in ordered))


def _draw(rng: Generator, label: str, seconds: float) -> Event:
    sound = SOUNDS[label]
    longest = min(sound.longest, 0.9 * seconds)
    length = np.exp(rng.uniform(np.log(min(sound.shortest, longest)), np.log(longest)))
    onset = rng.uniform(0, seconds - length)
    return Event(round(onset, 3), round(min(onset + length, seconds), 3), label)


def _fits(event: Event, others: Sequence[Event]) -> bool:
    rivals = [
        other
        for other in others
        if other.onset < event.offset + _APART and event.onset < other.offset + _APART
    ]
    return len(rivals) < _POLYPHONY and all(other.label != event.label for other in rivals)


def render_scene(scene: Scene) -> Samples:
    """The clip's samples, (samples,) float32 in ±1 at 16 kHz."""
    samples = round(scene.seconds * SAMPLE_RATE)
    rng = default_rng([*scene.key, 1])
    mixture = _background(rng, samples)
    floor = float(np.sqrt(np.mean(mixture**2)))
    for position, (event, snr) in enumerate(zip(scene.events, scene.snr, strict=True)):
        own = default_rng([*scene.key, 2, position])
        first, end = round(event.onset * SAMPLE_RATE), round(event.offset * SAMPLE_RATE)
        signal = _room(own, SOUNDS[event.label].render(own, end - first))
        signal *= _envelope(own, end - first)
        signal *= floor * 10 ** (snr / 20) / max(float(np.sqrt(np.mean(signal**2))), 1e-9)
        mixture[first:end] += signal
    loudest = float(np.abs(mixture).max())
    return (mixture * min(1.0, 0.98 / loudest)).astype(np.float32)


def _background(rng: Generator, samples: int) -> Signal:
    """Noise whose colour, level and slow changes differ from clip to clip."""
    spectrum = np.fft.rfft(rng.standard_normal(samples))
    frequency = np.maximum(np.fft.rfftfreq(samples, 1 / SAMPLE_RATE), 20.0)
    bump = rng.uniform(0, 2) * np.exp(-(np.log2(frequency / rng.uniform(150, 5000)) ** 2))
    noise = np.fft.irfft(spectrum * frequency ** -rng.uniform(0, 1.0) * (1 + bump), samples)
    knots = rng.uniform(-3, 3, max(2, samples // SAMPLE_RATE))  # dB, about once a second
    swell = np.interp(np.linspace(0, len(knots) - 1, samples), np.arange(len(knots)), knots)
    level = 10 ** (rng.uniform(-50, -32) / 20)
    return np.asarray(noise / noise.std() * level * 10 ** (swell / 20), float)


def _room(rng: Generator, signal: Signal) -> Signal:
    """A tilt of the spectrum and a touch of reverberation, no two alike."""
    tilt = rng.uniform(-0.4, 0.4)
    tilted = signal + tilt * np.concatenate([[0.0], signal[:-1]])
    decay = rng.uniform(0.02, 0.12)
    time = np.arange(int(3 * decay * SAMPLE_RATE)) / SAMPLE_RATE
    tail = rng.standard_normal(len(time)) * np.exp(-time / decay)
    tail *= rng.uniform(0.0, 0.4) / np.sqrt(np.sum(tail**2))
    tail[0] += 1.0
    return np.asarray(fftconvolve(tilted, tail)[: len(signal)], float)


def _envelope(rng: Generator, samples: int) -> Signal:
    """Quick but not clicking edges; the end is softer than the beginning."""
    shape = np.ones(samples)
    for seconds, part in (
        (rng.uniform(0.002, 0.03), slice(None)),
        (rng.uniform(0.01, 0.08), slice(None, None, -1)),
    ):
        ramp = max(1, min(round(seconds * SAMPLE_RATE), samples // 3))
        shape[part][:ramp] *= np.linspace(0, 1, ramp)
    return shape
