"""From audio to events: a thread decodes, batches of windows pass the model, frames become events."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass

from effbench.data.audio import stream_audio
from effbench.detect.events import Detection
from effbench.detect.inputs import Source
from effbench.detect.job import Job, Listener, Settings
from effbench.errors import EffbenchError
from effbench.grid import CLIP_SECONDS, FRAMES_PER_SECOND
from effbench.infer.batches import WindowScorer, score_windows
from effbench.infer.windows import Window, cut


@dataclass(frozen=True)
class Failure:
    """A file that could not be used, and why in one line."""

    name: str
    message: str


def detect(
    sources: Iterable[Source],
    scorer: WindowScorer,
    settings: Settings,
    *,
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
        listen: makes what follows the frames of a source, such as a writer of scores.
        on_damage: told of a file that is used only up to some damage.
        on_seconds: told how much of a source is done.
    """
    windows = _windows(sources, scorer, on_damage or (lambda _: None))
    job: Job | None = None
    with closing(score_windows(windows, scorer)) as steps:
        try:
            for (_, source), step in steps:
                if isinstance(step, EffbenchError):
                    if job is not None:
                        job.abort()
                        job = None
                    yield Failure(source.name, str(step))
                    continue
                if job is None:
                    job = Job(source, settings, listen(source) if listen else ())
                job.add(*step)
                if on_seconds is not None:
                    on_seconds(source, (step.window.start + len(step.scores)) / FRAMES_PER_SECOND)
                if step.window.last:
                    detection = job.finish()
                    job = None
                    yield detection
        finally:
            if job is not None:
                job.abort()


def _windows(
    sources: Iterable[Source], scorer: WindowScorer, on_damage: Callable[[str], None]
) -> Iterator[tuple[tuple[int, Source], Window | EffbenchError]]:
    """Every window of every source; runs in the decoding thread."""
    for number, source in enumerate(sources):
        label = source.name if isinstance(source.audio, bytes) else str(source.audio)
        try:
            blocks = stream_audio(source.audio, block_seconds=CLIP_SECONDS, name=label, on_damage=on_damage)
            for window in cut(blocks, overlap=scorer.inference.overlap, min_samples=scorer.min_samples):
                yield (number, source), window
        except EffbenchError as error:
            yield (number, source), error
        except OSError as error:
            yield (number, source), EffbenchError(f"{label}: {error.strerror or error}")
