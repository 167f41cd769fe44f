"""The grid that every model shares: 10-s clips at 16 kHz, one output frame every 40 ms."""

from __future__ import annotations

SAMPLE_RATE = 16_000  # Hz
FRAME_SAMPLES = 640
CLIP_SECONDS = 10.0

FRAMES_PER_SECOND = SAMPLE_RATE // FRAME_SAMPLES
FRAME_SECONDS = FRAME_SAMPLES / SAMPLE_RATE
CLIP_FRAMES = round(CLIP_SECONDS * FRAMES_PER_SECOND)
CLIP_SAMPLES = CLIP_FRAMES * FRAME_SAMPLES

#: Audio that decoders, of MP3 above all, may add to a clip of 10 s: 50 ms.
TAIL_SAMPLES = SAMPLE_RATE // 20
