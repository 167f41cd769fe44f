"""The sounds of synthetic soundscapes: one small recipe per AudioSet-strong class, drawn for every event.

A recipe takes a random generator and a number of samples at 16 kHz, and gives a signal that is audible from
its first sample to about its last. Level does not matter: the scene sets it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.signal import butter, sosfilt

from effbench.grid import SAMPLE_RATE

Signal: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class Sound:
    """A recipe and the range of durations, in seconds, that its events have."""

    render: Callable[[Generator, int], Signal]
    shortest: float
    longest: float


def band(signal: Signal, low: float, high: float, order: int = 2) -> Signal:
    """``signal`` between two frequencies in Hz; 0 as ``low`` or 8000 as ``high`` leave that side open."""
    if low <= 0:
        filtered = sosfilt(butter(order, high, "lowpass", fs=SAMPLE_RATE, output="sos"), signal)
    elif high >= SAMPLE_RATE / 2:
        filtered = sosfilt(butter(order, low, "highpass", fs=SAMPLE_RATE, output="sos"), signal)
    else:
        filtered = sosfilt(butter(order, (low, high), "bandpass", fs=SAMPLE_RATE, output="sos"), signal)
    return np.asarray(filtered, float)


def _time(samples: int) -> Signal:
    return np.arange(samples) / SAMPLE_RATE


def _tone(frequency: Signal | float, samples: int, phase: float = 0.0) -> Signal:
    """A sine whose frequency, in Hz, may change from sample to sample."""
    cycles = np.cumsum(np.broadcast_to(frequency, samples)) / SAMPLE_RATE
    return np.sin(2 * np.pi * cycles + phase)


def _drift(rng: Generator, samples: int, rate: float) -> Signal:
    """A random curve in about ±1 that changes ``rate`` times a second."""
    knots = rng.uniform(-1, 1, int(samples / SAMPLE_RATE * rate) + 3)
    return np.interp(_time(samples) * rate, np.arange(len(knots)), knots)


def _place(samples: int, starts: Iterable[float], grain: Callable[[], Signal]) -> Signal:
    """A fresh grain at every start, in seconds; what reaches beyond the end is cut."""
    signal = np.zeros(samples)
    for start in starts:
        first = int(start * SAMPLE_RATE)
        if first < samples:
            piece = grain()[: samples - first]
            signal[first : first + len(piece)] += piece
    return signal


def _repeats(rng: Generator, samples: int, interval: float, jitter: float) -> Signal:
    """Times in seconds from 0 on, ``interval`` apart, each interval varied by the share ``jitter``."""
    count = int(samples / SAMPLE_RATE / interval * (1 + jitter)) + 2
    gaps = interval * (1 + rng.uniform(-jitter, jitter, count))
    return np.concatenate([[0.0], np.cumsum(gaps)])


def _decay(samples: int, seconds: float) -> Signal:
    return np.exp(-_time(samples) / seconds)


def _edges(samples: int, seconds: float) -> Signal:
    """1 with short ramps at both ends."""
    ramp = max(1, min(int(seconds * SAMPLE_RATE), samples // 2))
    shape = np.ones(samples)
    shape[:ramp] = np.linspace(0, 1, ramp)
    shape[samples - ramp :] = np.linspace(1, 0, ramp)
    return shape


def siren(rng: Generator, samples: int) -> Signal:
    """Wails and yelps: a few harmonics that sweep up and down."""
    base, depth = rng.uniform(450, 900), rng.uniform(0.3, 0.7)
    rate = rng.choice([rng.uniform(0.2, 0.6), rng.uniform(2, 4)])
    cycle = np.sin(2 * np.pi * (rate * _time(samples) + rng.uniform()))
    frequency = base * 2 ** (depth * cycle)
    return sum((_tone(k * frequency, samples) * 0.5**k for k in range(1, 5)), np.zeros(samples))


def beep(rng: Generator, samples: int) -> Signal:
    """Equal short tones of one pitch."""
    length = int(rng.uniform(0.08, 0.3) * SAMPLE_RATE)
    tone = _tone(rng.uniform(900, 3000), length) * _edges(length, 0.004)
    starts = _repeats(rng, samples, length / SAMPLE_RATE * rng.uniform(1.4, 2.0), 0.0)
    return _place(samples, starts, lambda: tone)


def bell(rng: Generator, samples: int) -> Signal:
    """Strikes with inharmonic partials that die away, high ones first."""
    pitch, ring = rng.uniform(350, 1000), rng.uniform(0.4, 1.2)
    partials = pitch * np.array([0.5, 1, 1.19, 1.5, 2, 2.52, 3.01, 4.16]) * rng.uniform(0.99, 1.01, 8)
    weights = rng.uniform(0.3, 1, 8)
    length = int(1.5 * ring * SAMPLE_RATE)

    def strike() -> Signal:
        parts = (
            weight * _tone(partial, length) * _decay(length, ring * pitch / (pitch + partial))
            for partial, weight in zip(partials, weights, strict=True)
        )
        return rng.uniform(0.7, 1) * sum(parts, np.zeros(length))

    return _place(samples, _repeats(rng, samples, rng.uniform(0.4, 1.2), 0.1), strike)


def engine(rng: Generator, samples: int) -> Signal:
    """A low, slightly uneven pulse train with noise in its rhythm."""
    frequency = rng.uniform(22, 70) * 2 ** (0.25 * _drift(rng, samples, 0.7))
    phase = np.cumsum(frequency) / SAMPLE_RATE
    pulses = np.exp(-8 * (phase % 1.0)) - 0.12
    noise = rng.standard_normal(samples) * (0.3 + pulses)
    return band(pulses + 0.4 * noise, 30, rng.uniform(500, 1400))


def whistle(rng: Generator, samples: int) -> Signal:
    """A nearly pure gliding tone with some breath."""
    vibrato = 0.01 * np.sin(2 * np.pi * rng.uniform(4, 7) * _time(samples))
    frequency = rng.uniform(1100, 2600) * 2 ** (0.35 * _drift(rng, samples, 2.0) + vibrato)
    breath = band(rng.standard_normal(samples), 1000, 5000)
    return _tone(frequency, samples) * (1 + 0.3 * _drift(rng, samples, 3.0)) + 0.05 * breath


def static(rng: Generator, samples: int) -> Signal:
    """Hiss that crackles and breaks off for moments."""
    level = np.repeat(rng.uniform(0.05, 1, samples // 400 + 1) ** 2, 400)[:samples]
    hiss = band(rng.standard_normal(samples), rng.uniform(800, 2000), 8000)
    crackle = rng.standard_normal(samples) * (rng.uniform(size=samples) < 0.004) * 4
    return hiss * level + crackle


def rain(rng: Generator, samples: int) -> Signal:
    """Many small drops over a soft, steady noise."""
    hits = np.zeros(samples)
    count = rng.poisson(rng.uniform(150, 600) * samples / SAMPLE_RATE)
    hits[rng.integers(0, samples, count)] = rng.exponential(1.0, count)
    length = 400
    drop = rng.standard_normal(length) * _decay(length, 0.004)
    drops = band(np.convolve(hits, drop)[:samples], rng.uniform(1200, 2200), 6500)
    soft = band(rng.standard_normal(samples), 400, rng.uniform(3500, 6000), 1)
    return np.asarray(drops + 0.6 * drops.std() / soft.std() * soft, float)


def clicking(rng: Generator, samples: int) -> Signal:
    """Dry clicks in a fairly regular row."""
    length, low = 160, rng.uniform(1500, 3500)

    def click() -> Signal:
        return band(rng.standard_normal(length) * _decay(length, 0.0015), low, 7500)

    return _place(samples, _repeats(rng, samples, 1 / rng.uniform(4, 14), 0.2), click)


def buzzer(rng: Generator, samples: int) -> Signal:
    """A harsh steady tone full of harmonics."""
    pitch, duty = rng.uniform(90, 280), rng.uniform(0.15, 0.5)
    square = np.where((pitch * _time(samples)) % 1.0 < duty, 1.0, -1.0)
    return band(square, rng.uniform(150, 500), rng.uniform(2500, 5000))


def chirp(rng: Generator, samples: int) -> Signal:
    """Bird calls: quick sweeps high up, in groups."""
    low, interval = rng.uniform(2500, 4500), rng.uniform(0.12, 0.3)

    def call() -> Signal:
        length = int(rng.uniform(0.05, 0.1) * SAMPLE_RATE)
        sweep = low * 2 ** (rng.uniform(0.15, 0.7) * np.linspace(0, 1, length) ** rng.uniform(0.5, 2))
        return _tone(sweep[:: rng.choice([-1, 1])], length) * np.hanning(length)

    return _place(samples, _repeats(rng, samples, interval, 0.35), call)


def knock(rng: Generator, samples: int) -> Signal:
    """Raps on wood: short, dull and in quick succession."""
    length, pitch = int(0.09 * SAMPLE_RATE), rng.uniform(120, 350)

    def rap() -> Signal:
        body = _tone(pitch, length, 0.5) * _decay(length, 0.02)
        contact = band(rng.standard_normal(length), 300, 2500) * _decay(length, 0.006)
        return rng.uniform(0.7, 1) * (body + contact)

    return _place(samples, _repeats(rng, samples, rng.uniform(0.13, 0.28), 0.1), rap)


def hum(rng: Generator, samples: int) -> Signal:
    """A mains transformer: 50 or 60 Hz and its harmonics, steady."""
    pitch = rng.choice([50.0, 60.0]) * rng.uniform(0.998, 1.002)
    weights = rng.uniform(0.2, 1, 8) / np.sqrt(np.arange(1, 9))
    parts = (w * _tone(2 * k * pitch, samples, rng.uniform(0, 6)) for k, w in enumerate(weights, 1))
    return sum(parts, np.zeros(samples)) * (1 + 0.1 * _drift(rng, samples, 1.0))


SOUNDS: Mapping[str, Sound] = {
    "Beep, bleep": Sound(beep, 0.3, 3.0),
    "Bell": Sound(bell, 0.8, 4.0),
    "Buzzer": Sound(buzzer, 0.3, 3.0),
    "Chirp, tweet": Sound(chirp, 0.3, 3.0),
    "Clicking": Sound(clicking, 0.6, 5.0),
    "Engine": Sound(engine, 1.5, 8.0),
    "Hum": Sound(hum, 2.0, 8.0),
    "Knock": Sound(knock, 0.4, 2.0),
    "Rain": Sound(rain, 2.0, 9.0),
    "Siren": Sound(siren, 1.5, 7.0),
    "Static": Sound(static, 0.8, 5.0),
    "Whistle": Sound(whistle, 0.4, 2.5),
}
