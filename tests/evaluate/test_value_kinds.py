"""Probabilities or logits, and the frames that a filter is over: what is assumed, said and refused."""

import numpy as np
import pytest

from effbench.errors import UsageError
from effbench.evaluate.protocol import evaluate_scores
from tests.evaluate.scoring_jobs import Job, random_job

F1 = {"metrics": ["event_f1"], "median_window": 1}


def two_clips(low, high):
    """Clips in which one class is at ``high`` for its event and at ``low`` otherwise; the other is low."""
    scores = np.full((250, 2), low)
    scores[50:100, 0] = high
    truth = {clip: [(2.0, 4.0, "Dog")] for clip in "ab"}
    return Job({"a": scores, "b": scores.copy()}, truth, dict.fromkeys("ab", 10.0), ["Dog", "Cat"])


@pytest.mark.parametrize(
    ("low", "high", "kind"),
    [
        (0.1, 0.9, "probabilities"),
        (-np.inf, 0.9, "probabilities"),
        (0.0, 1.0000001, "probabilities"),
        (-1e-7, 1.0, "probabilities"),
        (-0.5, 0.2, "logits"),
        (-np.inf, 3.0, "logits"),
        (-2.0, np.inf, "logits"),
        (-np.inf, np.inf, "logits"),
    ],
)
def test_what_scores_are_shows_in_all_of_them(low, high, kind):
    job = two_clips(low, high)
    if (low, high) == (-np.inf, 3.0):
        job.scores["a"][0, 1] = -1.0
    evaluation = job.score(evaluate_scores, **F1)
    assert evaluation.conditions["values"] == kind
    assert evaluation.values["event_f1"].value == 1.0
    assert f"taken for {kind}: they lie from" in " ".join(evaluation.notes)


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        (-3.0, -0.05, "logits: they lie from -3 to -0.05, none above 0 (as log-probabilities would)"),
        (-np.inf, -np.inf, "probabilities: all are -inf"),
    ],
)
def test_scores_that_detect_nothing_are_told(low, high, told):
    evaluation = two_clips(low, high).score(evaluate_scores, **F1)
    assert evaluation.values["event_f1"].value == 0.0
    assert f"scores are taken for {told}" in evaluation.notes


def test_scores_of_several_types_are_numbers_and_text_is_not():
    job = two_clips(0.1, 0.9)
    job.scores["a"] = job.scores["a"].astype(object)
    assert job.score(evaluate_scores, **F1).values["event_f1"].value == 1.0
    job.scores["a"][3, 1] = "Dog"
    with pytest.raises(UsageError, match="scores of clip 'a' are not numbers"):
        job.score(evaluate_scores, **F1)


def test_the_last_clip_may_decide():
    """Its neighbours are decoded as logits, too."""
    job = two_clips(-1.0, 0.3)
    job.scores["a"] = np.clip(job.scores["a"], 0.0, None)
    decided = job.score(evaluate_scores, **F1)
    declared = job.score(evaluate_scores, **F1, values="logits")
    assert decided.values == declared.values
    assert decided.values["event_f1"].value == 1.0
    assert not any("taken for" in note for note in declared.notes)


def test_a_score_of_another_kind_than_declared_is_refused():
    with pytest.raises(UsageError, match="clip 'a' has a score of 3, which is no probability"):
        two_clips(-2.0, 3.0).score(evaluate_scores, **F1, values="probabilities")
    with pytest.raises(UsageError, match="unknown values 'odds'; expected probabilities or logits"):
        two_clips(0.1, 0.9).score(evaluate_scores, **F1, values="odds")


def test_scores_that_are_neither_are_refused_where_a_threshold_depends_on_it():
    job = two_clips(4.0, 97.0)
    with pytest.raises(UsageError, match=r"from 4 to 97, are no probabilities.* say which they are"):
        job.score(evaluate_scores, **F1)
    assert job.score(evaluate_scores, **F1, threshold=50.0).values["event_f1"].value == 1.0
    assert job.score(evaluate_scores, metrics=["psds1"], median_window=1).values["psds1"].value == 1.0


@pytest.mark.parametrize("threshold", [-0.5, 1.0, 50.0])
def test_thresholds_that_probabilities_never_cross_are_refused(threshold):
    with pytest.raises(UsageError, match=f"a threshold of {threshold:g} is none for probabilities"):
        two_clips(0.1, 0.9).score(evaluate_scores, **F1, threshold=threshold)
    assert (
        two_clips(-60.0, 60.0).score(evaluate_scores, **F1, threshold=threshold).values["event_f1"].value == 1
    )


@pytest.mark.parametrize("metric", ["psds1", "psds2", "pauroc", "event_f1", "segment"])
@pytest.mark.parametrize("window", [1, 9, 101])
def test_nan_is_refused_by_every_metric_and_filter_in_any_class(metric, window):
    job = two_clips(0.1, 0.9)
    job.scores["b"][31, 1] = np.nan
    with pytest.raises(UsageError, match="clip 'b' hold NaN for class 'Cat' in frame 32 of 250"):
        job.score(evaluate_scores, metrics=[metric], median_window=window)


@pytest.mark.parametrize(("frame", "frames"), [(0.04, 6), (0.05, 5), (0.02, 12), (0.01, 25)])
def test_a_filter_in_seconds_is_as_long_at_any_frame_rate(frame, frames):
    job = random_job(3, clips=6, classes=2, frames=200)
    options = {"metrics": ["onset_f1", "segment"], "frame_seconds": frame}
    job.durations = dict.fromkeys(job.scores, 200 * frame)
    timed, counted = (job.score(evaluate_scores, **options, median_window=w) for w in ("250ms", frames))
    assert timed.values == counted.values
    assert timed.conditions == counted.conditions
    hear = job.score(evaluate_scores, protocol="dcase2016", frame_seconds=frame)
    assert hear.conditions["median_window"] == frames


def test_a_filter_in_frames_of_another_length_is_said():
    job = random_job(3, frames=50)
    notes = " ".join(job.score(evaluate_scores, frame_seconds=0.02).notes)
    assert "frames last 20 ms, not 40: the median filter of 9 frames is one of 180 ms" in notes
    assert "frames last" not in " ".join(
        job.score(evaluate_scores, frame_seconds=0.02, median_window="360ms").notes
    )


def frames_of(lengths):
    return np.append(0.0, np.cumsum(lengths))


@pytest.mark.parametrize(
    ("times", "other"),
    [
        (frames_of([0.04] * 49 + [0.06]), None),
        (frames_of([0.04] * 25 + [0.08] * 25), None),
        (frames_of([0.04] * 50), frames_of([0.08] * 50)),
        (frames_of([0.04] * 50), frames_of([0.041] * 50)),
    ],
)
@pytest.mark.parametrize("window", [9, "250ms"])
def test_frames_of_several_lengths_are_not_filtered(times, other, window):
    job = random_job(3, frames=50, clips=3)
    job.options["timestamps"] = dict.fromkeys(job.scores, times) | {
        "clip002": times if other is None else other
    }
    told = "differ in length" if other is None else r"last 4?[81]0? ms, those of clips before it 40 ms"
    with pytest.raises(UsageError, match=f"frames of clip 'clip00.' {told}"):
        job.score(evaluate_scores, median_window=window)
    job.score(evaluate_scores, median_window=1)


def test_times_of_few_decimals_and_a_short_last_frame_are_regular():
    job = random_job(3, frames=50, clips=3)
    exact = job.score(evaluate_scores, frame_seconds=0.032 / 3).values["psds1"].value
    times = frames_of([0.032 / 3] * 50)
    job.options["timestamps"] = {clip: times.round(3) for clip in job.scores}
    rounded = job.score(evaluate_scores)
    assert rounded.conditions["median_window"] == 9
    assert rounded.values["psds1"].value == pytest.approx(exact, abs=0.1)
    job.options["timestamps"] = np.append(times[:-1], times[-2] + 0.001)
    assert job.score(evaluate_scores).values["psds1"].value == pytest.approx(exact, abs=0.1)
