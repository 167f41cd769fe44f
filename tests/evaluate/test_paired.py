"""Two systems on the same clips: what differs, and how sure that is."""

import numpy as np
import pytest

from effbench.errors import UsageError
from effbench.evaluate.bootstrap import ClipBootstrap
from effbench.evaluate.paired import Comparison
from effbench.evaluate.protocol import evaluate_scores
from effbench.evaluate.psds.score import psds1
from tests.evaluate.scoring_jobs import random_job

METRICS = ("psds1", "pauroc", "event_f1", "segment")


def comparison(job, other, **options):
    options = {"metrics": METRICS, **options}
    return Comparison(
        "a", "b", job.score(evaluate_scores, **options), other.score(evaluate_scores, **options)
    )


def jobs(noise=0.3):
    """A system, and the same after some noise."""
    job, other = random_job(1, clips=40, frames=100), random_job(1, clips=40, frames=100)
    generator = np.random.default_rng(0)
    other.scores = {
        clip: scores + generator.normal(0, noise, scores.shape).astype(np.float32)
        for clip, scores in job.scores.items()
    }
    return job, other


def test_a_system_does_not_differ_from_itself():
    same = comparison(*jobs(noise=0))
    for name, difference in same.differences.items():
        assert (difference.value, difference.low, difference.high) == (0, 0, 0), name
    for changes in same.by_class.by_metric.values():
        assert all(change.difference.value == 0 for change in changes.values() if change.a == change.a)


def test_differences_are_of_the_same_resampled_clips():
    job, other = jobs()
    compared = comparison(job, other, metrics=["psds1"], median_window=1)
    difference = compared.differences["psds1"]
    drawn = []
    for weights in ClipBootstrap().weights(len(job.scores)).T:
        values = []
        for system in (job, other):
            clips = [(clip, k) for clip, n in zip(sorted(job.scores), weights, strict=True) for k in range(n)]
            named = {f"{clip}_{k}": clip for clip, k in clips}
            tables = (system.scores, system.ground_truth, system.durations)
            parts = ({new: table[clip] for new, clip in named.items()} for table in tables)
            values.append(psds1(*parts, classes=job.classes, resamples=0).macro)
        drawn.append(values[1] - values[0])
    reach = 1.959964 * np.std(drawn, ddof=1)
    assert difference.value == compared.b.values["psds1"].value - compared.a.values["psds1"].value
    assert difference.high - difference.value == pytest.approx(reach, rel=1e-5)
    assert difference.value - difference.low == pytest.approx(reach, rel=1e-5)


def test_pairs_tell_more_than_two_intervals_do():
    compared = comparison(*jobs(noise=0.02))
    a, difference = compared.a.values["psds1"], compared.differences["psds1"]
    assert difference.high - difference.low < 0.5 * (a.high - a.low)


def test_classes_come_by_what_changed_and_undefined_ones_last():
    job, other = jobs()
    for each in (job, other):
        each.classes = [*each.classes, "Silence"]
        each.scores = {clip: np.column_stack([s, s[:, 0] * 0 - 9]) for clip, s in each.scores.items()}
    compared = comparison(job, other, protocol="dcase2016", metrics=["event_f1"])
    rows = compared.by_class.rows()
    sizes = [abs(row["difference"]) for row in rows[:-1]]
    assert sizes == sorted(sizes, reverse=True)
    assert rows[-1] == {
        **{"metric": "event_f1", "class": "Silence"},
        **dict.fromkeys(("a", "b", "difference", "low", "high")),
    }
    assert rows[0]["low"] < rows[0]["difference"] < rows[0]["high"]
    assert compared.to_dict()["differences"]["event_f1"]["a"] == compared.rows()[0]["a"]


def test_other_clips_or_classes_can_t_be_compared():
    job, other = jobs()
    del other.ground_truth["clip003"], other.scores["clip003"]
    with pytest.raises(UsageError, match=r"different clips \(clip003 by one alone\)"):
        comparison(job, other)
    job, other = jobs()
    other.classes = ["class 0", "class 1", "class 2", "class x"]
    other.ground_truth = {
        clip: [event for event in events if event[2] != "class 3"]
        for clip, events in other.ground_truth.items()
    }
    with pytest.raises(UsageError, match=r"different classes \(class 3 by one alone\)"):
        comparison(job, other)
