"""From audio to events: a thread decodes, batches of windows pass the model, frames become events."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from effbench.data.audio import stream_audio
from effbench.detect.events import Detection
from effbench.detect.inputs import Source
from effbench.detect.job import Job, Listener, Settings
from effbench.errors import EffbenchError
from effbench.grid import CLIP_SECONDS, FRAMES_PER_SECOND
from effbench.infer.prefetch import prefetch
from effbench.infer.scorer import Scorer
from effbench.infer.windows import Floats, Window, cut


@dataclass(frozen=True)
class Failure:
    """A file that could not be used, and why in one line."""

    name: str
    message: str


def detect(
    sources: Iterable[Source],
    scorer: Scorer,
    settings: Settings,
    *,
    batch_size: int | None = None,
    listen: Callable[[Source], Sequence[Listener]] | None = None,
    on_damage: Callable[[str], None] | None = None,
    on_seconds: Callable[[Source, float], None] | None = None,
) -> Generator[Detection | Failure, None, None]:
    """Events of each source, in order, as soon as it is complete; what can't be used becomes a ``Failure``.

    Memory depends on the batch size, not on how long the audio is or how many files there are.

    Args:
        sources: the audio.
        scorer: the model; its columns must be those of ``settings``.
        settings: how scores become events.
        batch_size: windows per call of the model, of one or several files; by default what suits the device.
        listen: makes what follows the frames of a source, such as a writer of scores.
        on_damage: told of a file that is used only up to some damage.
        on_seconds: told how much of a source is done.
    """
    size = batch_size or scorer.default_batch_size
    job: Job | None = None
    with closing(
        prefetch(
            _windows(sources, settings.overlap, scorer.min_samples, on_damage or (lambda _: None)), 2 * size
        )
    ) as windows:
        try:
            for source, window, scores in _scored(windows, scorer, size):
                if isinstance(window, Failure):
                    if job is not None:
                        job.abort()
                        job = None
                    yield window
                    continue
                if job is None:
                    job = Job(source, settings, listen(source) if listen else ())
                job.add(window, scores)
                if on_seconds is not None:
                    on_seconds(source, (window.start + len(scores)) / FRAMES_PER_SECOND)
                if window.last:
                    detection = job.finish()
                    job = None
                    yield detection
        finally:
            if job is not None:
                job.abort()


_Item = tuple[Source, Window | Failure]


def _windows(
    sources: Iterable[Source], overlap: bool, min_samples: int, on_damage: Callable[[str], None]
) -> Iterator[_Item]:
    """Every window of every source; runs in the decoding thread."""
    for source in sources:
        label = source.name if isinstance(source.audio, bytes) else str(source.audio)
        try:
            blocks = stream_audio(source.audio, block_seconds=CLIP_SECONDS, name=label, on_damage=on_damage)
            for window in cut(blocks, overlap=overlap, min_samples=min_samples):
                yield source, window
        except EffbenchError as error:
            yield source, Failure(source.name, str(error))
        except OSError as error:
            yield source, Failure(source.name, f"{label}: {error.strerror or error}")


def _scored(
    items: Iterable[_Item], scorer: Scorer, size: int
) -> Iterator[tuple[Source, Window | Failure, Floats]]:
    """The items with their scores: consecutive windows of one length pass the model together."""
    waiting: list[tuple[Source, Window]] = []

    def flush() -> Iterator[tuple[Source, Window, Floats]]:
        if waiting:
            batch = scorer([window.samples for _, window in waiting])
            scored = [
                (source, window, scores) for (source, window), scores in zip(waiting, batch, strict=True)
            ]
            waiting.clear()
            yield from scored

    for source, window in items:
        if isinstance(window, Failure):
            yield from flush()
            yield source, window, np.empty((0, 0), np.float32)
            continue
        if waiting and len(waiting[0][1].samples) != len(window.samples):
            yield from flush()
        waiting.append((source, window))
        if len(waiting) == size:
            yield from flush()
    yield from flush()
