"""Segment-based partial AUROC against sed_scores_eval."""

import numpy as np
import pytest
from hypothesis import given, reject, settings
from hypothesis import strategies as st

import effbench
from effbench.errors import EffbenchError, UsageError
from effbench.evaluate.bootstrap import ClipBootstrap
from effbench.evaluate.pauroc import pauroc
from tests.evaluate.psds.test_score import jobs
from tests.evaluate.scoring_jobs import Job, random_job
from tests.evaluate.test_bootstrap import drawn


def assert_equals_reference(job: Job, **options) -> None:
    ours = job.score(pauroc, resamples=0, **options)
    try:
        theirs = job.score(pauroc, engine="reference", **options)
    except EffbenchError:
        reject()
    assert ours.macro == pytest.approx(theirs.macro, abs=1e-9, nan_ok=True)
    assert ours.per_class == pytest.approx(theirs.per_class, abs=1e-9, nan_ok=True)


@pytest.mark.parametrize("levels", [0, 1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_equals_the_reference(levels, seed):
    assert_equals_reference(random_job(seed, levels=levels, frames=250, clips=15))


def test_equals_the_reference_on_constant_scores():
    job = random_job(1, frames=100)
    job.scores = {clip: np.zeros_like(scores) for clip, scores in job.scores.items()}
    assert_equals_reference(job)


@pytest.mark.slow
def test_equals_the_reference_on_407_classes():
    assert_equals_reference(random_job(2, clips=6, classes=407, frames=100, density=0.02))


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
@settings(max_examples=100, deadline=None)
@given(jobs(), st.sampled_from([0.2, 0.25, 0.5, 1.0, 0.77]), st.sampled_from([0.05, 0.1, 0.5, 1.0]))
def test_equals_the_reference_in_every_case(job, segment_seconds, max_fpr):
    assert_equals_reference(job, segment_seconds=segment_seconds, max_fpr=max_fpr)


def longer_than_its_scores(dtype=np.float64) -> Job:
    """Two clips of three seconds with logits for two, the third of them an event in one clip."""
    job = Job({}, {}, {"a": 3.0, "b": 3.0}, ["Bark"])
    job.scores = {"a": np.full((50, 1), -4.0, dtype), "b": np.full((50, 1), -6.0, dtype)}
    job.scores["a"][10] = -2.0
    job.ground_truth = {"a": [(0.4, 0.5, "Bark")], "b": []}
    return job


def test_segments_past_the_scores_count_as_zero_as_in_the_reference():
    job = longer_than_its_scores()
    assert_equals_reference(job, max_fpr=1.0)
    # Two of the five negatives, with logit 0, outrank the only positive.
    assert job.score(pauroc, max_fpr=1.0).macro == pytest.approx(1 - 2 / 5)


def test_segments_past_the_scores_may_count_as_lowest():
    job = longer_than_its_scores()
    assert job.score(pauroc, max_fpr=1.0, missing="lowest").macro == 1.0
    with pytest.raises(UsageError, match="the score 0 and no other"):
        job.score(pauroc, missing="lowest", engine="reference")


def test_a_class_without_negatives_is_not_defined():
    job = random_job(3, clips=4, classes=2, frames=50)
    job.ground_truth = {clip: [(0.0, 2.0, "class 0"), (0.0, 0.5, "class 1")] for clip in job.scores}
    result = job.score(pauroc)
    assert np.isnan(result.per_class["class 0"])
    assert result.macro == result.per_class["class 1"]


def test_nan_is_refused_by_name():
    job = random_job(3)
    job.scores["clip003"][4, 2] = np.nan
    with pytest.raises(UsageError, match=r"clip 'clip003'.*NaN.*'class 2'"):
        job.score(pauroc)


def test_a_replicate_is_the_score_of_the_drawn_clips():
    for levels in (0, 2):
        job = random_job(4, clips=30, frames=100, levels=levels, ragged=True, density=0.1)
        replicates = job.score(pauroc, resamples=15, seed=7).intervals["macro"].replicates
        weights = ClipBootstrap(15, 7).weights(30)
        for number in range(15):
            again = drawn(job, weights[:, number]).score(pauroc, resamples=0)
            assert replicates[number] == pytest.approx(again.macro, abs=1e-12, nan_ok=True)


def test_intervals_hold_the_value():
    result = random_job(5, clips=40).score(pauroc)
    for name, estimate in {**result.intervals, **result.class_intervals}.items():
        assert 0 <= estimate.low <= estimate.value <= estimate.high <= 1, name
        assert estimate.low < estimate.high


def test_is_exported():
    assert effbench.pauroc is pauroc
