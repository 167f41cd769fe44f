"""Resampled scores are what scoring the drawn clips again would give."""

import numpy as np
import pytest

from effbench.evaluate.bootstrap import ClipBootstrap, score_interval
from effbench.evaluate.psds import replicates as sources
from effbench.evaluate.psds import score as psds_module
from effbench.evaluate.psds.score import psds1, psds2
from tests.evaluate.scoring_jobs import Job, random_job


def drawn(job: Job, weights: np.ndarray) -> Job:
    """The job with each clip as often as its weight says."""
    copies = {
        f"{clip} {copy}": clip
        for clip, weight in zip(sorted(job.scores), weights, strict=True)
        for copy in range(weight)
    }
    parts = [{name: part[clip] for name, clip in copies.items()} for part in job.parts]
    return Job(*parts, job.classes, job.options)


@pytest.fixture
def replicates(monkeypatch):
    """Keeps the replicates that intervals are made from."""
    kept = []

    def keep(*args):
        kept.append(sources.psds_replicates(*args))
        return kept[-1]

    monkeypatch.setattr(psds_module, "psds_replicates", keep)
    return kept


@pytest.mark.parametrize("function", [psds1, psds2])
@pytest.mark.parametrize("levels", [0, 2])
def test_a_replicate_is_the_score_of_the_drawn_clips(function, levels, replicates):
    job = random_job(1, clips=30, levels=levels, ragged=True, density=0.2)
    job.score(function, resamples=12, seed=3, max_efpr=300.0)
    weights = ClipBootstrap(12, 3).weights(30)
    for number in range(12):
        again = drawn(job, weights[:, number]).score(function, resamples=0, max_efpr=300.0)
        expected = [again.per_class[name] for name in job.classes]
        assert replicates[0].per_class[:, number] == pytest.approx(expected, abs=1e-12, nan_ok=True)
        assert replicates[0].penalised[number] == pytest.approx(again.penalised, abs=0.01)


def test_a_resample_draws_as_many_clips_as_there_are():
    weights = ClipBootstrap(200, 0).weights(50)
    assert (weights.sum(axis=0) == 50).all()
    assert weights.mean(axis=1) == pytest.approx(np.ones(50), abs=0.4)
    assert (weights == ClipBootstrap(200, 0).weights(50)).all()
    assert (weights != ClipBootstrap(200, 1).weights(50)).any()


def test_intervals_hold_the_value_and_stay_between_zero_and_one():
    result = random_job(2, clips=10).score(psds1, max_efpr=1e4)
    for name, estimate in {**result.intervals, **result.class_intervals}.items():
        value = result.per_class.get(name, getattr(result, name, None))
        assert estimate.value == value
        assert 0 <= estimate.low <= value <= estimate.high <= 1


def test_intervals_narrow_with_the_number_of_clips():
    widths = [
        estimate.high - estimate.low
        for clips in (25, 400)
        for estimate in [random_job(4, clips=clips).score(psds1, max_efpr=1e4).intervals["macro"]]
    ]
    assert widths[1] == pytest.approx(widths[0] / 4, rel=0.5)


def test_intervals_cover_the_score_of_many_clips():
    """Of forty sets from one source, most have intervals that hold the score of a large one."""
    truth = random_job(99, clips=1500, classes=2, frames=30).score(psds1, resamples=0, max_efpr=1e4).macro
    held = 0
    for seed in range(40):
        job = random_job(seed, clips=60, classes=2, frames=30)
        estimate = job.score(psds1, seed=seed, max_efpr=1e4).intervals["macro"]
        held += estimate.low <= truth <= estimate.high
    assert held >= 34


def test_a_value_without_replicates_has_no_interval():
    estimate = score_interval(0.5, np.array([np.nan, 0.4]))
    assert np.isnan([estimate.low, estimate.high]).all()
