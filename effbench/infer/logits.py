"""Frame logits of whole clips, of one model or the mean of several."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import torch

from effbench.data.audio import AudioSource, read_audio
from effbench.infer.windows import Blend, Floats, Window, cut, frames_of
from effbench.models.detector import SoundEventDetector


class LogitModel:
    """Mean frame logits of several detectors over windows of one length.

    Args:
        detectors: in eval mode, with the same classes.
        device: where they run; they are moved there.
        dtype: precision of the networks, by autocast; front-ends stay in float32.
    """

    def __init__(
        self,
        detectors: Sequence[SoundEventDetector],
        *,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.device, self.dtype = torch.device(device), dtype
        self.detectors = [detector.to(self.device) for detector in detectors]
        self.min_samples = max(int(getattr(d.frontend, "min_samples", 1)) for d in detectors)

    @torch.inference_mode()
    def __call__(self, windows: Sequence[Floats]) -> Floats:
        """Windows (samples,) of one length -> (batch, frames, classes)."""
        waveform = torch.from_numpy(np.stack(windows)).to(self.device)
        with torch.autocast(self.device.type, dtype=self.dtype, enabled=self.dtype != torch.float32):
            logits = [detector(detector.frontend(waveform)).strong.float() for detector in self.detectors]
        mean = torch.stack(logits).mean(0) if len(logits) > 1 else logits[0]
        result: Floats = mean.transpose(1, 2).contiguous().cpu().numpy()
        return result


def clip_logits(
    clips: Iterable[tuple[str, AudioSource]],
    model: LogitModel,
    *,
    batch_size: int = 4,
    pad_to: int = 0,
    overlap: bool = True,
) -> Iterator[tuple[str, Floats]]:
    """Logits (frames, classes) of each clip, in order; 40 ms a frame, as many as the audio has.

    Audio of up to 10 s is one window of its own length; longer audio runs in overlapping windows whose
    logits are cross-faded. Windows of one length pass the model together.

    Args:
        clips: name and audio of each clip.
        model: what computes the logits.
        batch_size: windows per call.
        pad_to: samples that shorter audio is filled up to with silence, as in training.
        overlap: without, longer audio is cut every 10 s, and the last piece filled up with silence.

    Raises:
        AudioError: a clip that can't be decoded; names it.
    """
    waiting: list[tuple[str, Window]] = []
    blends: dict[str, tuple[Blend, list[Floats]]] = {}

    def flush() -> Iterator[tuple[str, Floats]]:
        if not waiting:
            return
        batch = model([window.samples for _, window in waiting])
        for (name, window), logits in zip(waiting, batch, strict=True):
            blend, parts = blends.setdefault(name, (Blend(), []))
            parts.append(blend.add(window, logits))
            if window.last:
                del blends[name]
                yield name, np.concatenate(parts)[: frames_of(window.total_samples or 0)]
        waiting.clear()

    for name, audio in clips:
        samples = read_audio(audio)
        samples = np.pad(samples, (0, max(0, pad_to - len(samples))))
        for window in cut([samples], overlap=overlap, min_samples=model.min_samples):
            if len(waiting) == batch_size or (waiting and len(waiting[0][1].samples) != len(window.samples)):
                yield from flush()
            waiting.append((name, window))
    yield from flush()
