"""Events that are odd: what each score makes of them, and what is said."""

import pytest

from effbench.errors import UsageError
from effbench.evaluate.odd_events import sort_out
from effbench.evaluate.protocol import evaluate_scores
from tests.evaluate.scoring_jobs import random_job

METRICS = ("psds1", "psds2", "pauroc", "event_f1", "segment")
ODD = {
    "events without length: 1": [(3.5, 3.5, "class 0")],
    "events given twice: 2": [(3.0, 4.0, "class 0")] * 3,
    "events that overlap others of their class: 1": [(3.0, 4.0, "class 0"), (3.5, 5.0, "class 0")],
}


def with_events(events):
    job = random_job(3, clips=6, frames=150, classes=2)
    job.ground_truth["clip000"] = [(0.5, 1.0, "class 1"), *events]
    return job


@pytest.mark.parametrize("kind", ODD)
def test_each_score_counts_what_it_can(kind):
    evaluation = with_events(ODD[kind]).score(evaluate_scores, metrics=METRICS)
    (note,) = (note for note in evaluation.notes if note.startswith("events "))
    assert note.startswith(f"{kind} ('class 0' from 3")
    assert "in clip 'clip000'); F-scores count" in note
    union = {"events without length: 1": [], "events given twice: 2": [(3.0, 4.0, "class 0")]}
    merged = with_events(union.get(kind, [(3.0, 5.0, "class 0")])).score(evaluate_scores, metrics=METRICS)
    for name in ("psds1", "psds1_penalised", "psds2", "pauroc"):
        assert evaluation.values[name] == merged.values[name]
    assert evaluation.results["event_f1"].recall < merged.results["event_f1"].recall


@pytest.mark.parametrize("kind", ODD)
def test_odd_events_are_refused_or_left_out_where_that_is_asked_for(kind):
    job = with_events(ODD[kind])
    with pytest.raises(UsageError, match=f"{kind.split(':')[0]}: 'class 0' from 3"):
        job.score(evaluate_scores, on_problem="error")
    events, notes = sort_out(job.ground_truth, "drop")
    left = {"events without length: 1": [], "events given twice: 2": [(3.0, 4.0, "class 0")]}
    assert events["clip000"] == [(0.5, 1.0, "class 1"), *left.get(kind, ODD[kind])]
    assert ("left out" in notes[0]) == (kind in left)


@pytest.mark.parametrize("times", [(4.0, 3.0), (float("nan"), 3.0), (3.0, float("inf"))])
def test_events_that_can_t_be_are_refused_unless_dropped(times):
    job = with_events([(*times, "class 0")])
    for on_problem in (None, "error"):
        with pytest.raises(UsageError, match="events that end before they begin: 'class 0' from"):
            job.score(evaluate_scores, on_problem=on_problem)
    assert "left out" in " ".join(job.score(evaluate_scores, on_problem="drop").notes)


def test_an_unknown_way_is_refused():
    with pytest.raises(UsageError, match="not 'ignore'"):
        with_events([]).score(evaluate_scores, on_problem="ignore")
