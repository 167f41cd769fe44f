"""Counts what is in a data set, and finds everything that is wrong with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial

from effbench.data.audio import audio_info, stream_audio
from effbench.data.clips import Audio, Clip, DataSet, Problem
from effbench.data.labels import merge_events
from effbench.data.pool import in_batches
from effbench.data.vocabulary import EVALUATION_ONLY
from effbench.errors import EffbenchError
from effbench.grid import SAMPLE_RATE
from effbench.shown import Row, Shown, Table, number_of

TOLERANCE = 0.1
"""Seconds by which an event may pass the end of its clip, and audio differ from the table of durations."""

_BATCH = 32


@dataclass(frozen=True)
class ClassCount:
    """How often a class occurs."""

    label: str
    events: int
    clips: int
    seconds: float


@dataclass(frozen=True)
class SplitReport:
    """What a split holds, and its problems. Seconds are of the clips whose audio could be read."""

    dataset: DataSet
    seconds: float
    shortest: float
    longest: float
    classes: tuple[ClassCount, ...]
    problems: tuple[Problem, ...]

    @property
    def usable(self) -> bool:
        """Whether no problem is fatal."""
        return not any(problem.fatal for problem in self.problems)

    @property
    def events(self) -> int:
        """Number of events of all classes."""
        return sum(count.events for count in self.classes)

    def summary(self) -> Row:
        """One row."""
        return {
            "split": self.dataset.split,
            "layout": self.dataset.layout,
            "clips": len(self.dataset),
            "missing": len(self.dataset.missing),
            "hours": round(self.seconds / 3600, 4),
            "shortest_s": round(self.shortest, 3),
            "longest_s": round(self.longest, 3),
            "events": self.events,
            "classes": sum(count.label in self.dataset.classes.index for count in self.classes),
            "problems": len(self.problems),
            "usable": self.usable,
        }

    def kinds(self) -> list[Row]:
        """Problems by kind, the fatal first: how many, and the first as an example."""
        return _kinds(self.problems, split=self.dataset.split)


@dataclass(frozen=True, repr=False)
class DataReport(Shown):
    """A check of some splits; ``per_class`` shows every class too, and in ``rows`` instead of problems."""

    splits: tuple[SplitReport, ...]
    per_class: bool = False

    def __str__(self) -> str:
        splits = ", ".join(report.dataset.split for report in self.splits)
        return f"{splits}: {number_of(self.problems, 'problem')}, {self.fatal:,} of them fatal"

    @cached_property
    def shared(self) -> list[Problem]:
        """Clips that are in more than one split."""
        splits: dict[str, list[str]] = defaultdict(list)
        for report in self.splits:
            for name in report.dataset.ids:
                splits[name].append(report.dataset.split)
        kind = "clip in several splits"
        return [Problem(kind, name, ", ".join(found)) for name, found in splits.items() if len(found) > 1]

    @property
    def problems(self) -> int:
        """How many there are."""
        return sum(len(report.problems) for report in self.splits) + len(self.shared)

    @property
    def fatal(self) -> int:
        """How many of them make the data unusable."""
        return sum(problem.fatal for report in self.splits for problem in report.problems)

    def sections(self) -> Iterator[Table | str]:
        """The splits, their classes if wanted, and the kinds of problems."""
        yield Table([report.summary() for report in self.splits])
        if self.per_class:
            yield Table(self._classes())
        kinds = [row for report in self.splits for row in report.kinds()] + _kinds(self.shared)
        if kinds:
            yield Table(kinds)

    def rows(self) -> list[Row]:
        """Every problem, or every class."""
        return self._classes() if self.per_class else self._problems()

    def to_dict(self) -> dict[str, object]:
        """Splits, classes and problems, and whether the data is usable."""
        return {
            "usable": not self.fatal,
            "splits": [report.summary() for report in self.splits],
            "classes": self._classes(),
            "problems": self._problems(),
        }

    def _classes(self) -> list[Row]:
        return [
            {
                "split": report.dataset.split,
                "class": count.label,
                "events": count.events,
                "clips": count.clips,
                "seconds": count.seconds,
            }
            for report in self.splits
            for count in report.classes
        ]

    def _problems(self) -> list[Row]:
        found = [(report.dataset.split, problem) for report in self.splits for problem in report.problems]
        return [
            {
                "split": split,
                "problem": item.kind,
                "fatal": item.fatal,
                "clip": item.clip,
                "detail": item.detail,
            }
            for split, item in [*found, *(("", problem) for problem in self.shared)]
        ]


def _kinds(problems: Iterable[Problem], **where: str) -> list[Row]:
    groups: dict[tuple[bool, str], list[Problem]] = defaultdict(list)
    for problem in problems:
        groups[not problem.fatal, problem.kind].append(problem)
    return [
        {
            **where,
            "problem": kind,
            "count": len(group),
            "fatal": not harmless,
            "first": f"{group[0].clip}: {group[0].detail}" if group[0].detail else group[0].clip,
        }
        for (harmless, kind), group in sorted(groups.items())
    ]


def check_split(
    dataset: DataSet,
    *,
    decode: bool = True,
    processes: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> SplitReport:
    """Every problem of a split.

    Fatal, so that the set should not be used before it is corrected: audio that can't be decoded; times that
    are not finite, before the clip, past its end from the start, or in the wrong order; no clip with audio;
    no event of a known class. Worth knowing: audio that is missing or damaged, events that pass the end (they
    are cut there), unknown labels (they are left out), duplicate events and files, durations that differ from
    the table.

    Args:
        dataset: as ``open_dataset`` returns it.
        decode: decode every clip; otherwise only headers are read, which misses damage.
        processes: how many decode.
        progress: called with the clips done and the clips in all.
    """
    problems = list(dataset.problems)
    problems += [Problem("no audio", name, "no file of this name") for name in dataset.missing]
    seconds: dict[str, float] = {}
    progress(0, len(dataset))
    work = partial(_read_batch, decode=decode)
    batches = in_batches(work, list(dataset.audio.items()), size=_BATCH, processes=processes)
    for done, (name, duration, found) in enumerate((one for batch in batches for one in batch), 1):
        problems += found
        if duration is not None:
            seconds[name] = duration
        progress(done, len(dataset))
    for clip in dataset:
        problems += _labels(clip, seconds.get(clip.id), dataset)
    classes = _count(dataset)
    if not len(dataset):
        detail = f"{len(dataset.missing)} clips without"
        problems.append(Problem("no clip with audio", dataset.split, detail, fatal=True))
    elif not any(count.label in dataset.classes.index for count in classes):
        problems.append(Problem("no label of a known class", dataset.split, "", fatal=True))
    lengths = seconds.values()
    shortest, longest = min(lengths, default=0.0), max(lengths, default=0.0)
    return SplitReport(dataset, sum(lengths), shortest, longest, tuple(classes), tuple(problems))


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
        text = f"{event.label} {event.onset:g} to {event.offset:g} s"
        if times > 1:
            yield Problem("duplicate event", clip.id, text)
        if end is not None and event.onset >= end:
            yield Problem("event starts past the end", clip.id, f"{text}; clip of {end:.2f} s", fatal=True)
        elif end is not None and event.offset > end + TOLERANCE:
            yield Problem("event past the end", clip.id, f"{text}; clip of {end:.2f} s")
    for label in dict.fromkeys([*(event.label for event in clip.events), *clip.weak]):
        if label in EVALUATION_ONLY:
            yield Problem("label that detectors do not have", clip.id, label)
        elif label not in dataset.classes.index:
            yield Problem("unknown label", clip.id, label)


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
