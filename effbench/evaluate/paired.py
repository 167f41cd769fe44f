"""Two systems on the same clips: how far their scores differ, and how sure that is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

from effbench.data.ground_truth import SURE, OnProblem
from effbench.data.vocabulary import some_of
from effbench.errors import UsageError
from effbench.evaluate.bootstrap import paired_difference
from effbench.evaluate.evaluation import Evaluation
from effbench.evaluate.event_lists import event_options, read_event_list, with_classes
from effbench.evaluate.given import read_given
from effbench.evaluate.incomplete import IncompleteSet, OnMissing, check_on_missing
from effbench.evaluate.protocol import EvaluationOptions, evaluate_given
from effbench.evaluate.same_clips import same_clips
from effbench.evaluate.scoring import MetricResult
from effbench.infer.score_files import ValueKind
from effbench.infer.score_folder import SCORES, kept_scores
from effbench.results.intervals import Estimate
from effbench.results.measurement import UNITS, in_unit
from effbench.shown import Row, Shown, Table, cell, number_of
from effbench.spec import is_spec, row_name

#: Classes that are shown of many.
_MOST_CHANGED = 10


def compare(
    first: str | Path,
    second: str | Path,
    *,
    ground_truth: str | Path,
    events: bool = False,
    durations: str | Path | None = None,
    confidence: float = SURE,
    columns: Sequence[str] = (),
    protocol: str = "paper",
    metrics: Sequence[str] | None = None,
    median_window: int | str | None = None,
    threshold: float | None = None,
    values: ValueKind | None = None,
    on_problem: OnProblem | None = None,
    on_missing: OnMissing | None = None,
    fill_gaps: bool = False,
) -> Comparison:
    """Score two systems on the same ground truth; differences have paired 95 % bootstrap intervals.

    Each resample draws the same clips for both, so that what makes a clip hard for both cancels out.

    Args:
        first: frame scores as ``evaluate`` takes them, or the spec of a model whose logits are kept.
        second: the same of the other system.
        ground_truth: table of the events.
        events: both are lists of detected events instead.
        durations: table of the clips' seconds; by default, clips end where the scores do.
        confidence, columns, protocol, metrics, median_window, threshold, values, on_problem, on_missing,
            fill_gaps: as in ``evaluate``, for both.

    Raises:
        UsageError: scores of other classes or other clips (``IncompleteSet``), or a spec without one folder
            of kept logits.
        EffbenchError: files that can't be read.
    """
    if events:
        if fill_gaps:
            raise UsageError("only tables of scores have gaps between frames that can be filled")
        protocol, metrics = event_options(protocol, metrics)
    check_on_missing(on_missing)
    _ = EvaluationOptions(protocol, metrics, "effbench", median_window, threshold, values, on_problem)
    read = read_event_list if events else partial(read_given, fill_gaps=fill_gaps)
    found = [Path(system) if events else _scores(system) for system in (first, second)]
    a, b = (
        read(
            path,
            Path(ground_truth),
            None if durations is None else Path(durations),
            confidence=confidence,
            on_problem=on_problem,
            columns=columns,
        )
        for path in found
    )
    if events:
        classes = sorted({*a.scores.classes, *b.scores.classes})
        a, b = with_classes(a, classes), with_classes(b, classes)
    scored = []
    for system, files in zip((first, second), same_clips(a, b, found[1], on_missing), strict=True):
        try:
            evaluation = evaluate_given(
                files,
                protocol=protocol,
                metrics=metrics,
                values=values,
                median_window=median_window,
                threshold=threshold,
                on_problem=on_problem,
                on_missing=on_missing or "error",
            )
        except IncompleteSet as error:
            raise IncompleteSet(f"{system}: {error}") from None
        scored.append(evaluation)
    return Comparison(str(first), str(second), *scored)


@dataclass(frozen=True, repr=False)
class Comparison(Shown):
    """Scores of two systems on the same clips and classes, and their differences: ``b`` less ``a``.

    Raises:
        UsageError: when it is made; the systems were scored on other clips or classes, or by other metrics.
    """

    name_a: str
    name_b: str
    a: Evaluation
    b: Evaluation

    def __post_init__(self) -> None:
        classes = [{name for values in x.per_class.values() for name in values} for x in (self.a, self.b)]
        if alone := sorted(classes[0] ^ classes[1]):
            raise UsageError(
                f"the systems were scored on different classes ({some_of(alone)} by one alone): "
                "only scores of the same classes can be compared"
            )
        if alone := sorted({*self.a.clip_names} ^ {*self.b.clip_names}):
            raise IncompleteSet(
                f"the systems were scored on different clips ({some_of(alone)} by one alone): "
                "only scores of the same clips can be compared"
            )
        if self.a.values.keys() != self.b.values.keys():
            raise UsageError("the systems were scored by different metrics")

    @cached_property
    def differences(self) -> Mapping[str, Estimate]:
        """Quantity -> difference with its paired 95 % interval, a fraction."""
        return {name: paired_difference(value, self.b.values[name]) for name, value in self.a.values.items()}

    @cached_property
    def by_class(self) -> ClassChanges:
        """The values of every class, as a table, those first that differ most."""
        return ClassChanges(
            {name: _changes(result, self.b.results[name]) for name, result in self.a.results.items()}
        )

    def __str__(self) -> str:
        shown = [
            f"{row['score']} {cell(row['difference']) or 'undefined'} {row['unit']}" for row in self.rows()
        ]
        rest = ["…"] if len(shown) > 3 else []
        values = ", ".join(shown[:3] + rest)
        return f"{self.name_b} less {self.name_a}: {values}; {number_of(self.a.clips, 'clip')}"

    def sections(self) -> Iterator[Table | str]:
        """``tables``, and the notes."""
        yield from self.tables()
        yield from (f"note: {note}" for note in self.notes)

    def tables(self) -> Iterator[Table | str]:
        """Both systems' values, and the classes that changed most."""
        yield f"a: {self.name_a}"
        yield f"b: {self.name_b}"
        title = f"{self.a.counted}; protocol {self.a.protocol}"
        yield Table(self.rows(), title, minor=("low", "high"))
        for metric, changes in self.by_class.by_metric.items():
            changed = [row for row in _rows(changes) if row["difference"]]
            if changed:
                shown = changed[:_MOST_CHANGED]
                most = f"the {len(shown)} of {len(changes)} classes that changed most"
                yield Table(shown, f"{metric}, %: {most}")

    @property
    def notes(self) -> list[str]:
        """What a reader of the values should know, each once."""
        return list(dict.fromkeys([*self.a.notes, *self.b.notes]))

    def rows(self) -> list[Row]:
        """Both values of every quantity and their difference with its interval, in the quantity's unit."""
        return [
            {
                "score": name,
                "a": _rounded(in_unit(name, self.a.values[name]).value),
                "b": _rounded(in_unit(name, self.b.values[name]).value),
                **_difference(in_unit(name, difference)),
                "unit": UNITS[name],
            }
            for name, difference in self.differences.items()
        ]

    def to_dict(self) -> dict[str, object]:
        """Ready for JSON: what both evaluations say, and the differences, in their units."""
        return {
            "a": {"name": self.name_a, **self.a.to_dict()},
            "b": {"name": self.name_b, **self.b.to_dict()},
            "differences": {row["score"]: dict(row) for row in self.rows()},
            "per_class": self.by_class.to_dict(),
            "per_class_unit": "%",
        }


@dataclass(frozen=True)
class ClassChange:
    """Values of one class by both systems, and ``b`` less ``a`` with its interval; fractions."""

    a: float
    b: float
    difference: Estimate


@dataclass(frozen=True, repr=False)
class ClassChanges(Shown):
    """How much each class changed: metric -> class -> its change, the largest first."""

    by_metric: Mapping[str, Mapping[str, ClassChange]]

    def __str__(self) -> str:
        return f"{', '.join(self.by_metric)} by class"

    def sections(self) -> Iterator[Table | str]:
        """One table a metric, one row a class."""
        for metric, changes in self.by_metric.items():
            yield Table(_rows(changes), f"{metric} by class, %")

    def rows(self) -> list[Row]:
        """One row a metric and class, in per cent."""
        return [
            {"metric": metric, **row} for metric, changes in self.by_metric.items() for row in _rows(changes)
        ]

    def to_dict(self) -> dict[str, object]:
        """Metric -> rows of its classes, in per cent."""
        return {metric: _rows(changes) for metric, changes in self.by_metric.items()}


def _changes(a: MetricResult, b: MetricResult) -> dict[str, ClassChange]:
    changes = {
        name: ClassChange(
            value,
            b.per_class[name],
            paired_difference(
                a.class_intervals.get(name, Estimate(value)),
                b.class_intervals.get(name, Estimate(b.per_class[name])),
            ),
        )
        for name, value in a.per_class.items()
    }
    undefined_last = [(-abs(change.difference.value), name) for name, change in changes.items()]
    ranked = sorted(undefined_last, key=lambda key: (math.isnan(key[0]), key))
    return {name: changes[name] for _, name in ranked}


def _rows(changes: Mapping[str, ClassChange]) -> list[Row]:
    return [
        {
            "class": name,
            "a": _rounded(100 * change.a),
            "b": _rounded(100 * change.b),
            **_difference(change.difference.map(lambda value: 100 * value)),
        }
        for name, change in changes.items()
    ]


def _difference(estimate: Estimate) -> dict[str, float | None]:
    names = {"difference": estimate.value, "low": estimate.low, "high": estimate.high}
    return {name: _rounded(value) for name, value in names.items()}


def _rounded(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 4) + 0.0  # never -0


def _scores(system: str | Path) -> Path:
    """Where the scores of a system are: its path, or the kept logits of a spec or of a model of one's own."""
    if Path(system).exists():
        return Path(system)
    known = is_spec(str(system))
    spec = row_name(str(system)) if known else str(system)
    folders = kept_scores(spec)
    if not folders and not known:
        return Path(system)
    if len(folders) != 1:
        found = "\n".join(str(folder.path) for folder in folders) or "Evaluate it on the data first."
        count = "no logits are kept" if not folders else f"{len(folders)} folders of logits are kept"
        raise UsageError(f"{count} of {spec} under {SCORES}: give the folder of its scores\n{found}")
    return folders[0].path
