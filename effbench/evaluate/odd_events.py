"""Events as people annotate them: some without length, given twice, or overlapping others of their class."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping

from effbench.data.ground_truth import OnProblem
from effbench.data.labels import Event
from effbench.errors import UsageError
from effbench.evaluate.scoring_inputs import GroundTruth

_IMPOSSIBLE = "events that end before they begin"
_NO_LENGTH = "events without length"
_TWICE = "events given twice"
_OVERLAPPING = "events that overlap others of their class"

_EACH = "F-scores count each, PSDS and pAUROC their union"
#: What the scores make of odd events where they are kept.
_SCORED: Mapping[str, str] = {
    _NO_LENGTH: "F-scores count them, PSDS and pAUROC do not",
    _TWICE: _EACH,
    _OVERLAPPING: _EACH,
}
_DROPPED = frozenset((_IMPOSSIBLE, _NO_LENGTH, _TWICE))


def sort_out(
    ground_truth: GroundTruth, on_problem: OnProblem | None
) -> tuple[dict[str, list[Event]], list[str]]:
    """Events of every clip in order of onset, and notes on odd ones: how many of a kind, and the first.

    Args:
        ground_truth: clip -> onset, offset, class.
        on_problem: ``drop`` leaves out those without length, given again, or ending before they begin;
            ``None`` keeps what a score may count.

    Raises:
        UsageError: an event that ends before it begins, unless such are dropped; with ``error``, any odd one.
    """
    counts: Counter[str] = Counter()
    first: dict[str, str] = {}
    kept: dict[str, list[Event]] = {}
    for clip, given in ground_truth.items():
        kept[clip] = []
        for event, kind in _with_kinds(sorted(Event(float(on), float(off), name) for on, off, name in given)):
            if kind is not None:
                place = f"'{event.label}' from {event.onset:g} to {event.offset:g} s in clip '{clip}'"
                if on_problem == "error" or (on_problem is None and kind == _IMPOSSIBLE):
                    raise UsageError(f"{kind}: {place}")
                counts[kind] += 1
                first.setdefault(kind, place)
                if on_problem == "drop" and kind in _DROPPED:
                    continue
            kept[clip].append(event)
    results = {**_SCORED, **(dict.fromkeys(_DROPPED, "left out") if on_problem == "drop" else {})}
    return kept, [f"{kind}: {count:,} ({first[kind]}); {results[kind]}" for kind, count in counts.items()]


def _with_kinds(events: list[Event]) -> Iterator[tuple[Event, str | None]]:
    """Events of a clip in order, and what is odd about each."""
    last: dict[str, Event] = {}
    reached: dict[str, float] = {}
    for event in events:
        onset, offset, label = event
        if not (math.isfinite(onset) and math.isfinite(offset) and onset <= offset):
            yield event, _IMPOSSIBLE
            continue
        kind = None
        if event == last.get(label):
            kind = _TWICE
        elif onset == offset:
            kind = _NO_LENGTH
        elif onset < reached.get(label, -math.inf):
            kind = _OVERLAPPING
        last[label], reached[label] = event, max(offset, reached.get(label, offset))
        yield event, kind
