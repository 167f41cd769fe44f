"""Detection by the workers of a cluster: events come back, frames only where their scores are kept."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import groupby

from effbench.detect.detected import DetectedFile, Failure
from effbench.detect.event_decoding import Decoding
from effbench.detect.inputs import Source
from effbench.detect.record import AudioIdentity
from effbench.detect.run import Listeners, OnDamage, bytes_of, decoded, detect_files
from effbench.errors import EffbenchError
from effbench.infer.batches import in_groups
from effbench.infer.on_cluster import MOST_BYTES, ClusterWorkers, Work
from effbench.infer.scorer import FrameScorer, Inference
from effbench.infer.windows import Floats
from effbench.models.detector import SoundEventDetector


@dataclass
class _Heard:
    """Audio of a source up to where it can't be used, why, and what was said of damage."""

    identity: AudioIdentity | None
    blocks: list[Floats] = field(default_factory=list)
    error: EffbenchError | OSError | None = None
    damage: list[str] = field(default_factory=list)

    def audio(self) -> Iterator[Floats]:
        yield from self.blocks
        if self.error is not None:
            raise self.error


@dataclass(frozen=True)
class _Done:
    result: DetectedFile | Failure
    identity: AudioIdentity | None
    damage: list[str]


def detect_on_cluster(
    workers: ClusterWorkers,
    sources: Sequence[Source],
    detector: SoundEventDetector,
    inference: Inference,
    decoding: Decoding,
    *,
    listen: Callable[[Source], Listeners] = lambda _: (),
    keep_scores: bool = False,
    on_damage: OnDamage = lambda _: None,
    on_identity: Callable[[Source, AudioIdentity], None] = lambda *_: None,
) -> Generator[DetectedFile | Failure, None, None]:
    """The results of ``detect_files``, in order; machines read files under the paths that they have here.

    Args:
        workers: of the cluster.
        sources: the audio.
        detector: whose events they are.
        inference: as the workers resolve it.
        decoding: how scores become events.
        listen: as for ``detect_files``; told all scores of a file at once, where they are kept.
        keep_scores: bring the scores of every file here.
        on_damage: called with a message about a file that is used only up to some damage.
        on_identity: called with what the audio of a source was before it was read.
    """
    numbered = in_groups(sources, inference.windows_per_call, bytes_of)
    groups = [[source for _, source in group] for _, group in groupby(numbered, key=lambda item: item[0])]
    work = Work(_decode, _Detect(detector, inference, decoding, keep_scores))
    with closing(workers.run(groups, work, inference)) as results:
        for group, done in zip(groups, results, strict=True):
            for source, one in zip(group, done, strict=True):
                for message in one.damage:
                    on_damage(message)
                if one.identity is not None:
                    on_identity(source, one.identity)
                yield _told(one.result, listen(source)) if keep_scores else one.result


def _told(result: DetectedFile | Failure, listeners: Listeners) -> DetectedFile | Failure:
    """The result without its scores, which go to the listeners."""
    if isinstance(result, Failure):
        return result
    with ExitStack() as stack:
        for listener in [stack.enter_context(listener) for listener in listeners]:
            listener.on_scores(result.scores)
            listener.on_end(result)
    return replace(result, frame_scores=None)


def _identity(source: Source) -> AudioIdentity | None:
    try:
        return AudioIdentity.of(source)
    except OSError:
        return None  # reading it says what is wrong


def _decode(group: Sequence[Source]) -> list[_Heard] | None:
    files, size = [], 0
    for source in group:
        heard = _Heard(_identity(source))
        files.append(heard)
        try:
            for block in decoded(source, heard.damage.append):
                heard.blocks.append(block)
                size += block.nbytes
                if size > MOST_BYTES:
                    return None
        except (EffbenchError, OSError) as error:
            heard.error = error.with_traceback(None)
    return files


@dataclass
class _Detect:
    """Events of a group's files; the model is arranged once."""

    detector: SoundEventDetector
    inference: Inference
    decoding: Decoding
    keep_scores: bool

    @cached_property
    def scorer(self) -> FrameScorer:
        return FrameScorer(self.detector, self.inference, probabilities=True, columns=self.decoding.columns)

    def __call__(self, group: Sequence[Source], heard: list[_Heard] | None) -> list[_Done]:
        files = heard or [_Heard(_identity(source)) for source in group]
        by_name = {source.name: file for source, file in zip(group, files, strict=True)}

        def decode(source: Source, _: OnDamage) -> Iterator[Floats]:
            file = by_name[source.name]
            return decoded(source, file.damage.append) if heard is None else file.audio()

        results = detect_files(group, self.scorer, self.decoding, keep_scores=self.keep_scores, decode=decode)
        return [
            _Done(result, file.identity, file.damage) for file, result in zip(files, results, strict=True)
        ]
