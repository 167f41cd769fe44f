"""From audio to events: windows are scored in batches, and each file's frames become its events."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing
from itertools import groupby

from effbench.data.audio import stream_audio
from effbench.detect.detected import DetectedFile, Failure
from effbench.detect.event_decoding import Decoding
from effbench.detect.file_decoder import FileDecoder, FrameListener
from effbench.detect.inputs import Source
from effbench.errors import EffbenchError
from effbench.files import readable
from effbench.grid import CLIP_SECONDS, FRAMES_PER_SECOND
from effbench.infer.backends.known import find_backend
from effbench.infer.batches import in_groups, score_windows
from effbench.infer.scorer import FrameScorer, Inference
from effbench.infer.windows import Floats, Window, cut
from effbench.models.chosen import ChosenModel
from effbench.version import VERSION

Listeners = Iterable[AbstractContextManager[FrameListener]]
#: Called with a message about a file that is used only up to some damage.
OnDamage = Callable[[str], None]


def decoded(source: Source, on_damage: OnDamage) -> Iterator[Floats]:
    """Audio of a source in blocks, (samples,) each; raises ``AudioError``, or ``OSError``."""
    return stream_audio(source.audio, block_seconds=CLIP_SECONDS, name=_label(source), on_damage=on_damage)


def detect_files(
    sources: Iterable[Source],
    scorer: FrameScorer,
    decoding: Decoding,
    *,
    keep_scores: bool = False,
    listen: Callable[[Source], Listeners] = lambda _: (),
    on_damage: OnDamage = lambda _: None,
    on_seconds: Callable[[Source, float], None] = lambda *_: None,
    decode: Callable[[Source, OnDamage], Iterable[Floats]] = decoded,
) -> Generator[DetectedFile | Failure, None, None]:
    """Events of each source, in order, as soon as it is complete; one that can't be used is a ``Failure``.

    Memory depends on the batch size, not on how long the audio is or how many files there are.

    Args:
        sources: the audio.
        scorer: gives probabilities of the classes of ``decoding``.
        decoding: how scores become events.
        keep_scores: give every file its scores, which are held in memory.
        listen: opens what follows the frames of a source, such as a writer of scores. It is left with an
            exception where the file, or the whole run, fails, and is to leave nothing behind then.
        on_damage: called with a message about a file that is used only up to some damage.
        on_seconds: called with the number of seconds of a source that are done.
        decode: gives the audio of a source.
    """
    result: DetectedFile | Failure
    windows = _windows(sources, scorer, lambda source: decode(source, on_damage))
    with closing(score_windows(windows, scorer)) as scored:
        for (_, (_, source)), steps in groupby(scored, key=lambda item: item[0]):
            decoder: FileDecoder | None = None
            try:
                with ExitStack() as stack:
                    for _, step in steps:
                        if isinstance(step, EffbenchError):
                            raise step
                        if decoder is None:  # nothing is written for a file that can't be read
                            listeners = [stack.enter_context(listener) for listener in listen(source)]
                            decoder = FileDecoder(source.name, decoding, listeners, keep_scores=keep_scores)
                        decoder.add(*step)
                        on_seconds(source, (step.window.start + len(step.scores)) / FRAMES_PER_SECOND)
                    assert decoder is not None
                    result = decoder.finish()
            except Failure as failure:
                result = failure.with_traceback(None)  # it would hold the frames
            yield result


def _windows(
    sources: Iterable[Source], scorer: FrameScorer, decode: Callable[[Source], Iterable[Floats]]
) -> Iterator[tuple[tuple[int, tuple[int, Source]], Window | Failure]]:
    """Every window of every source, with its group; runs in the decoding thread."""
    grouped = in_groups(sources, scorer.inference.windows_per_call, bytes_of)
    for number, (group, source) in enumerate(grouped):
        key = group, (number, source)
        try:
            blocks = decode(source)
            for window in cut(blocks, overlap=scorer.inference.overlap, min_samples=scorer.min_samples):
                yield key, window
        except EffbenchError as error:
            yield key, Failure(source.name, str(error))
        except OSError as error:
            yield key, Failure(source.name, f"{_label(source)}: {error.strerror or error}")


def bytes_of(source: Source) -> int:
    """Size of a source; 0 where it can't be told, which reading it reports."""
    if isinstance(source.audio, bytes):
        return len(source.audio)
    try:
        return source.audio.stat().st_size
    except OSError:
        return 0


def _label(source: Source) -> str:
    return source.name if isinstance(source.audio, bytes) else readable(source.audio)


def run_record(chosen: ChosenModel, decoding: Decoding, inference: Inference) -> dict[str, object]:
    """What identifies a run: program, model, checkpoint and every option that the events depend on."""
    options = decoding.record() | {"overlap": inference.overlap, "precision": inference.precision}
    if not (named := find_backend(inference.backend)).exact:
        options["backend"] = named.name
    return {"effbench": VERSION, **chosen.record(), "options": options}
