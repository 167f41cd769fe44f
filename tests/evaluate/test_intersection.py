"""F1 by the intersection criteria, at best thresholds, and mAP: closed forms, and the reference's values."""

import numpy as np
import pytest

from effbench.errors import UsageError
from effbench.evaluate.bootstrap import ClipBootstrap
from effbench.evaluate.protocol import evaluate_scores
from tests.evaluate.scoring_jobs import Job, random_job

BEST = ("event_f1_best", "intersection_f1_best", "segment_f1_best")
NEW = ("intersection_f1", "map", *BEST)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("options", [{}, {"levels": 3}, {"ragged": True, "frames": 80}])
def test_new_metrics_are_those_of_sed_scores_eval(seed, options):
    pytest.importorskip("sed_scores_eval", reason="the extra 'reference' is not installed")
    job = random_job(seed, clips=14, classes=4, **options)
    asked = {"metrics": NEW, "resamples": 0, "protocol": "paper", "values": "logits"}
    ours = job.score(evaluate_scores, **asked)
    theirs = job.score(evaluate_scores, engine="reference", **asked)
    assert ours.values["intersection_f1"].value > 0
    for name, estimate in ours.values.items():
        assert estimate.value == pytest.approx(theirs.values[name].value, abs=1e-9), name
        for metric in NEW:
            assert ours.per_class[metric] == pytest.approx(theirs.per_class[metric], abs=1e-9)


def one_clip(active: np.ndarray, events, classes=("Bark",)) -> Job:
    scores = np.where(active, 1.0, -1.0).reshape(len(active), -1)
    return Job({"a": scores}, {"a": events}, {"a": len(active) * 0.04}, list(classes))


@pytest.mark.parametrize(
    ("on", "event", "f1"),
    [
        ((25, 75), (1.0, 3.0), 1.0),
        ((25, 50), (1.0, 3.0), 1.0),  # half of the event, all of the detection
        ((25, 49), (1.0, 3.0), 0.0),  # the event is missed, the detection is true
        ((25, 100), (1.0, 2.5), 1.0),  # half of the detection
        ((25, 101), (1.0, 2.5), 0.0),
    ],
)
def test_half_of_both_is_enough(on, event, f1):
    active = np.zeros(125, bool)
    active[slice(*on)] = True
    job = one_clip(active, [(*event, "Bark")])
    score = job.score(evaluate_scores, metrics=["intersection_f1"], median_window=1, resamples=0)
    assert score.values["intersection_f1"].value == f1


def test_fragments_that_cover_an_event_together_find_it():
    active = np.zeros(125, bool)
    active[25:45] = active[50:75] = True
    job = one_clip(active, [(1.0, 3.0, "Bark")])
    score = job.score(evaluate_scores, metrics=["intersection_f1"], median_window=1, resamples=0)
    assert score.results["intersection_f1"].precision == 1.0
    assert score.values["intersection_f1"].value == 1.0


@pytest.mark.parametrize("metric", NEW)
def test_replicates_are_the_scores_of_the_drawn_clips(metric):
    job = random_job(3, clips=10, classes=2, levels=4)
    options = {"metrics": [metric], "protocol": "desed", "values": "logits"}
    whole = job.score(evaluate_scores, **options).results[metric].class_intervals["class 0"].replicates
    for weights, replicate in list(zip(ClipBootstrap().weights(10).T, whole, strict=True))[:8]:
        named = {
            f"{clip}_{k}": clip for clip, n in zip(sorted(job.scores), weights, strict=True) for k in range(n)
        }
        tables = ({new: table[clip] for new, clip in named.items()} for table in job.parts)
        drawn = evaluate_scores(*tables, classes=job.classes, resamples=0, **options)
        assert replicate == pytest.approx(drawn.per_class[metric]["class 0"], nan_ok=True)


AT_ONE = {
    "event_f1_best": "event_f1",
    "intersection_f1_best": "intersection_f1",
    "segment_f1_best": "segment",
}


@pytest.mark.parametrize("best", BEST)
@pytest.mark.parametrize("levels", [0, 3])
def test_no_threshold_is_better_than_the_best(best, levels):
    job = random_job(5, clips=6, classes=2, frames=25, levels=levels, dtype=np.float16)
    job.ground_truth["clip000"] += [(0.4, 0.4, "class 0"), (0.1, 0.5, "class 0"), (0.3, 0.6, "class 0")]
    job.scores["clip001"][3] = np.inf
    job.scores["clip002"][:9] = -np.inf
    options = {"protocol": "desed", "values": "logits", "resamples": 0}
    found = job.score(evaluate_scores, metrics=[best], **options).results[best]

    def at(threshold, label):
        score = job.score(evaluate_scores, metrics=[AT_ONE[best]], threshold=threshold, **options)
        return score.per_class[AT_ONE[best]][label]

    every = np.unique(np.concatenate([scores.ravel() for scores in job.scores.values()]))
    for label, value in found.per_class.items():
        assert value == pytest.approx(max(at(float(threshold), label) for threshold in every)), label
        assert value == pytest.approx(at(found.thresholds[label], label)), label


@pytest.mark.parametrize("best", BEST[:2])
def test_the_best_threshold_is_of_events_between_borders(best):
    with pytest.raises(UsageError, match=f"{best} judges events between the borders of frames"):
        random_job(1).score(evaluate_scores, protocol="dcase2016", metrics=[best])


def test_the_reference_says_its_threshold_and_refuses_unclear_scores():
    pytest.importorskip("sed_scores_eval", reason="the extra 'reference' is not installed")
    job = random_job(1)
    options = {"protocol": "desed", "metrics": ["intersection_f1"], "engine": "reference"}
    assert job.score(evaluate_scores, **options).conditions["threshold"] == 0
    assert "threshold" not in job.score(evaluate_scores, **{**options, "metrics": ["psds1"]}).conditions
    job.scores = {clip: np.exp(scores) for clip, scores in job.scores.items()}
    with pytest.raises(UsageError, match="say which they are"):
        job.score(evaluate_scores, **options)


def test_what_the_reference_can_t_decode_is_refused():
    pytest.importorskip("sed_scores_eval", reason="the extra 'reference' is not installed")
    with pytest.raises(UsageError, match="between the borders of frames"):
        random_job(1).score(
            evaluate_scores, protocol="dcase2016", engine="reference", metrics=["intersection_f1"]
        )
