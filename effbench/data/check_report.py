"""What a check of a data set found, and how it is shown."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from effbench.data.clips import DataSet, Problem
from effbench.shown import Row, Shown, Table


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
    events: int
    classes: tuple[ClassCount, ...]
    problems: tuple[Problem, ...]

    @property
    def usable(self) -> bool:
        """Whether no problem is fatal."""
        return not any(problem.fatal for problem in self.problems)

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
        return [{"split": self.dataset.split, **row} for row in _kinds(self.problems)]


@dataclass(frozen=True)
class DataReport(Shown):
    """What a check of some splits of a data set found.

    Attributes:
        splits: what each of them holds, and its problems.
        shared: clips that are in more than one of them.
        per_class: show every class: as a table, and as the rows in place of the problems.
    """

    splits: tuple[SplitReport, ...]
    shared: tuple[Problem, ...] = ()
    per_class: bool = False

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
            yield Table(list(self._classes()))
        kinds = [row for report in self.splits for row in report.kinds()] + _kinds(self.shared)
        if kinds:
            yield Table(kinds)

    def rows(self) -> list[Row]:
        """Every problem, or every class."""
        return list(self._classes() if self.per_class else self._problems())

    def to_dict(self) -> dict[str, object]:
        """Splits, classes and problems, and whether the data is usable."""
        return {
            "usable": all(report.usable for report in self.splits),
            "splits": [report.summary() for report in self.splits],
            "classes": list(self._classes()),
            "problems": list(self._problems()),
        }

    def _classes(self) -> Iterator[Row]:
        for report in self.splits:
            for count in report.classes:
                yield {
                    "split": report.dataset.split,
                    "class": count.label,
                    "events": count.events,
                    "clips": count.clips,
                    "seconds": count.seconds,
                }

    def _problems(self) -> Iterator[Row]:
        found = [(report.dataset.split, problem) for report in self.splits for problem in report.problems]
        for split, problem in [*found, *(("", problem) for problem in self.shared)]:
            yield {
                "split": split,
                "problem": problem.kind,
                "fatal": problem.fatal,
                "clip": problem.clip,
                "detail": problem.detail,
            }


def _kinds(problems: Sequence[Problem]) -> list[Row]:
    groups: dict[tuple[bool, str], list[Problem]] = defaultdict(list)
    for problem in problems:
        groups[not problem.fatal, problem.kind].append(problem)
    return [
        {
            "problem": kind,
            "count": len(group),
            "fatal": not harmless,
            "first": f"{group[0].clip}: {group[0].detail}" if group[0].detail else group[0].clip,
        }
        for (harmless, kind), group in sorted(groups.items())
    ]
