"""Clips of the ground truth that are missing: an error, or left out and counted."""

import pytest

from effbench.errors import UsageError
from effbench.evaluate.incomplete import IncompleteSet
from effbench.evaluate.protocol import evaluate_scores
from tests.evaluate.scoring_jobs import random_job


def incomplete(protocol):
    """A job of 20 clips without the scores of two, and the events that go with them."""
    job = random_job(1, clips=20)
    lost = sum(len(job.ground_truth[clip]) for clip in ("clip003", "clip007"))
    del job.scores["clip003"], job.scores["clip007"]
    total = sum(map(len, job.ground_truth.values()))
    return job, {"protocol": protocol}, lost, total


@pytest.mark.parametrize("protocol", ["paper", "desed"])
def test_missing_clips_are_an_error_that_counts_them(protocol):
    job, options, lost, total = incomplete(protocol)
    with pytest.raises(IncompleteSet) as caught:
        job.score(evaluate_scores, **options)
    assert str(caught.value).splitlines()[0] == (
        f"2 of 20 clips of the ground truth are missing, and with them {lost} of {total} events "
        f"({100 * lost / total:.3g} %): clip003; clip007"
    )


@pytest.mark.parametrize("protocol", ["paper", "desed"])
def test_skipped_clips_leave_the_score_of_the_others_and_are_told(protocol):
    job, options, lost, total = incomplete(protocol)
    skipped = job.score(evaluate_scores, on_missing="skip", **options)
    for clip in ("clip003", "clip007"):
        del job.ground_truth[clip]
    others = job.score(evaluate_scores, **options)
    assert skipped.values == others.values
    assert any(note.startswith("2 of 20 clips of the ground truth are missing") for note in skipped.notes)
    told = {"missing_clips": 2, "missing_events": f"{100 * lost / total:.3g} %"}
    assert skipped.conditions == {**others.conditions, **told}
    assert "missing_clips" not in others.conditions
    assert skipped.measurements("fmn10")[0].conditions["missing_clips"] == 2


def test_nothing_but_missing_clips_is_an_error_all_the_same():
    job = random_job(2)
    job.scores = {f"other {clip}": scores for clip, scores in job.scores.items()}
    with pytest.raises(IncompleteSet, match="12 of 12 clips"):
        job.score(evaluate_scores, on_missing="skip")


def test_another_way_is_refused():
    with pytest.raises(UsageError, match="error or skip, not 'drop'"):
        random_job(2).score(evaluate_scores, on_missing="drop")
