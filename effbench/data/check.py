"""Looks for everything that is wrong with a data set, and counts what is in it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial

from effbench.data.audio import audio_info, stream_audio
from effbench.data.check_report import ClassCount, SplitReport
from effbench.data.clips import Audio, Clip, DataSet, Problem
from effbench.data.labels import Event, merge_events
from effbench.data.pool import in_batches
from effbench.data.vocabulary import EVALUATION_ONLY
from effbench.errors import EffbenchError
from effbench.grid import SAMPLE_RATE

TOLERANCE = 0.1
"""Seconds by which an event may pass the end of its clip, and audio differ from the table of durations."""

_BATCH = 32


def check(
    dataset: DataSet,
    *,
    decode: bool = True,
    processes: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> SplitReport:
    """Every problem of a split.

    Fatal, so that the set should not be used before it is mended: audio that can't be decoded, times that are
    not numbers, before the clip, past its end from the start, or the wrong way round; no clip with audio; no
    event of a known class. Worth knowing: audio that is missing or damaged, events that pass the end (they
    are cut there), unknown labels (they are left out), events and files that are there twice, durations that
    differ from the table.

    Args:
        dataset: what ``open_dataset`` gives.
        decode: decode every clip; else headers alone are read, which misses damage.
        processes: how many decode.
        progress: told (clips done, clips in all).
    """
    problems = list(dataset.problems)
    problems += [Problem("no audio", name, "no file with this name") for name in dataset.missing]
    seconds: dict[str, float] = {}
    progress(0, len(dataset))
    done = 0
    work = partial(_read_batch, decode=decode)
    for findings in in_batches(work, list(dataset.audio.items()), size=_BATCH, processes=processes):
        for name, duration, found in findings:
            problems += found
            if duration is not None:
                seconds[name] = duration
            done += 1
            progress(done, len(dataset))
    for clip in dataset:
        problems += _labels(clip, seconds.get(clip.id), dataset)
    counts = _count(dataset)
    problems += _whole(dataset, counts)
    lengths = seconds.values()
    return SplitReport(
        dataset,
        sum(lengths),
        min(lengths, default=0.0),
        max(lengths, default=0.0),
        sum(count.events for count in counts),
        tuple(counts),
        tuple(problems),
    )


def shared_clips(datasets: Sequence[DataSet]) -> list[Problem]:
    """Clips that are in more than one split."""
    splits: dict[str, list[str]] = defaultdict(list)
    for dataset in datasets:
        for name in dataset.ids:
            splits[name].append(dataset.split)
    return [
        Problem("clip in several splits", name, ", ".join(found))
        for name, found in splits.items()
        if len(found) > 1
    ]


_Finding = tuple[str, float | None, list[Problem]]


def _read_batch(items: Iterable[tuple[str, Audio]], decode: bool) -> list[_Finding]:
    return [_read(name, audio, decode) for name, audio in items]


def _read(name: str, audio: Audio, decode: bool) -> _Finding:
    damage: list[str] = []
    try:
        if decode:
            blocks = stream_audio(audio.source(), name=audio.name, on_damage=damage.append)
            duration = sum(len(block) for block in blocks) / SAMPLE_RATE
        else:
            duration = audio_info(audio.source(), name=audio.name).duration
    except EffbenchError as error:
        return name, None, [Problem("audio can't be read", name, str(error).splitlines()[0], fatal=True)]
    return name, duration, [Problem("audio is damaged", name, text) for text in damage]


def _labels(clip: Clip, seconds: float | None, dataset: DataSet) -> Iterator[Problem]:
    """Problems of one clip's labels; ``seconds`` is what was measured."""
    known = clip.duration
    if known is not None and seconds is not None and abs(known - seconds) > TOLERANCE:
        yield Problem("duration differs from the table", clip.id, f"{seconds:.2f} s, not {known:.2f} s")
    end = seconds if seconds is not None else known
    for event, times in Counter(clip.events).items():
        if times > 1:
            yield Problem("event is there twice", clip.id, _text(event))
        if end is not None and event.onset >= end:
            yield Problem("event starts past the end", clip.id, f"{_text(event)}; clip of {end:.2f} s", True)
        elif end is not None and event.offset > end + TOLERANCE:
            yield Problem("event past the end", clip.id, f"{_text(event)}; clip of {end:.2f} s")
    for label in dict.fromkeys([*(event.label for event in clip.events), *clip.weak]):
        if label in EVALUATION_ONLY:
            yield Problem("label that detectors do not have", clip.id, label)
        elif label not in dataset.classes.index:
            yield Problem("unknown label", clip.id, label)


def _text(event: Event) -> str:
    return f"{event.label} {event.onset:g} to {event.offset:g} s"


def _count(dataset: DataSet) -> list[ClassCount]:
    events: Counter[str] = Counter()
    clips: Counter[str] = Counter()
    seconds: dict[str, float] = defaultdict(float)
    for clip in dataset:
        events.update(event.label for event in clip.events)
        clips.update({*(event.label for event in clip.events), *clip.weak})
        for event in merge_events(clip.events):
            seconds[event.label] += event.offset - event.onset
    return [
        ClassCount(label, events[label], clips[label], round(seconds[label], 3)) for label in sorted(clips)
    ]


def _whole(dataset: DataSet, counts: Sequence[ClassCount]) -> Iterator[Problem]:
    if not len(dataset):
        yield Problem("no clip with audio", dataset.split, f"{len(dataset.missing)} clips without", True)
    elif not any(count.label in dataset.classes.index for count in counts):
        yield Problem("no label of a known class", dataset.split, "", True)
