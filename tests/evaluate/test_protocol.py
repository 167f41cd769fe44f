"""Whole evaluations: what a protocol does to scores, and what comes out."""

import json
import math
import warnings

import numpy as np
import pytest
from scipy import ndimage

import effbench
from effbench.data.labels import Event, merge_events
from effbench.errors import UsageError
from effbench.evaluate.metrics import METRICS
from effbench.evaluate.pauroc import pauroc
from effbench.evaluate.protocol import evaluate_scores
from effbench.evaluate.psds.score import psds1
from effbench.results.measurement import UNITS
from effbench.yaml_files import shipped
from tests.evaluate.psds.test_score import Lazy
from tests.evaluate.scoring_jobs import Job, random_job


def filtered(scores, window=9):
    return ndimage.median_filter(scores, size=(window, 1), mode="reflect")


def audioset(seed=0) -> Job:
    """Six classes, of which "class 4" has no event; clips without events; events of unknown classes."""
    job = random_job(seed, clips=30, classes=6, frames=250, density=0.04, strength=2.5)
    job.durations = {clip: 10.0 + (number % 5 == 0) * 0.3 for number, clip in enumerate(job.scores)}
    for clip, events in job.ground_truth.items():
        job.ground_truth[clip] = [event for event in events if event[2] != "class 4"]
    job.ground_truth["clip002"].append((0.5, 1.0, "Studio recording"))
    job.ground_truth["clip020"] = [(0.5, 1.0, "Studio recording")]
    return job


def by_hand(job: Job, function, **options):
    columns = [0, 1, 2, 3, 5]
    names = [job.classes[column] for column in columns]
    truth = {
        clip: [event for event in events if event[2] in names] for clip, events in job.ground_truth.items()
    }
    truth = {clip: events for clip, events in truth.items() if events}
    scores = {clip: filtered(job.scores[clip])[:, columns] for clip in truth}
    return function(scores, truth, job.durations, classes=names, **options)


def test_the_paper_s_protocol_is_what_it_says():
    job = audioset()
    evaluation = job.score(evaluate_scores)
    scored = by_hand(job, psds1)
    assert evaluation.values["psds1"] == scored.intervals["macro"]
    assert evaluation.values["psds1_penalised"] == scored.intervals["penalised"]
    assert evaluation.values["pauroc"] == by_hand(job, pauroc).intervals["macro"]
    assert evaluation.per_class["psds1"] == scored.per_class
    assert (evaluation.clips, evaluation.classes) == (len([e for e in job.ground_truth.values() if e]) - 1, 5)
    assert evaluation.conditions["median_window"] == 9


def test_the_reference_engine_gives_the_same():
    pytest.importorskip("sed_scores_eval", reason="the extra 'reference' is not installed")
    metrics = ("psds1", "psds2", "pauroc", "event_f1", "segment")
    job = audioset(1)
    ours = job.score(evaluate_scores, metrics=metrics, resamples=0)
    theirs = job.score(evaluate_scores, metrics=metrics, engine="reference", resamples=0)
    assert list(ours.values) == list(theirs.values)
    assert all(math.isnan(estimate.low) for estimate in theirs.values.values())
    for name, estimate in ours.values.items():
        assert estimate.value == pytest.approx(theirs.values[name].value, abs=1e-9)
    # Where nothing is detected sed_eval has no F1.
    nothing = {"metrics": metrics[3:], "threshold": 1e3}
    assert job.score(evaluate_scores, **nothing).values["event_f1"].value == 0
    silent = job.score(evaluate_scores, engine="reference", **nothing)
    assert math.isnan(silent.values["event_f1"].value)
    assert math.isnan(silent.values["segment_f1"].value)
    assert silent.values["segment_error_rate"].value == pytest.approx(1)


def test_the_reference_engine_scores_clips_without_events_and_names_that_sed_eval_would_change():
    pytest.importorskip("sed_eval", reason="the extra 'reference' is not installed")
    job = random_job(5, clips=4, classes=3, frames=1000, density=1.0, strength=2.0)
    names = {"class 0": "Bell, church", "class 1": "a\\b", "class 2": " 3 "}
    job.classes = [names[name] for name in job.classes]
    job.ground_truth = {
        clip: merge_events(Event(onset, offset, names[name]) for onset, offset, name in events)
        for clip, events in job.ground_truth.items()
    }
    job.ground_truth[min(job.ground_truth)] = []
    ours = job.score(evaluate_scores, protocol="dcase2016")
    theirs = job.score(evaluate_scores, protocol="dcase2016", engine="reference")
    for name in ("onset_f1", "onset_f1_macro", "onset_f1_50ms", "segment_f1", "segment_error_rate"):
        assert 0 < ours.values[name].value == pytest.approx(theirs.values[name].value)
    assert ours.per_class["segment"] == pytest.approx(theirs.per_class["segment"])


def test_probabilities_score_as_their_logits_do():
    job = audioset(2)
    job.scores = {clip: scores.astype(np.float64) - 3.0 for clip, scores in job.scores.items()}
    metrics = ("psds1", "psds2", "event_f1", "segment")
    logits = job.score(evaluate_scores, metrics=(*metrics, "pauroc"))
    job.scores = {clip: 1 / (1 + np.exp(-scores)) for clip, scores in job.scores.items()}
    for values in ("probabilities", None):
        probabilities = job.score(evaluate_scores, metrics=metrics, values=values)
        assert probabilities.conditions["values"] == "probabilities"
        assert probabilities.values == {name: logits.values[name] for name in probabilities.values}
    # Segments without frames have a score of 0, as in the reference: the lowest of probabilities alone.
    assert job.score(evaluate_scores).values["pauroc"].value > logits.values["pauroc"].value


def test_every_clip_is_loaded_once_for_all_metrics():
    job = audioset(3)
    lazy = Lazy(job.scores)
    evaluation = evaluate_scores(
        lazy, job.ground_truth, job.durations, classes=job.classes, metrics=list(METRICS), median_window=1
    )
    assert len(lazy.asked) == evaluation.clips
    assert evaluation.values == job.score(evaluate_scores, metrics=list(METRICS), median_window=1).values


def test_an_evaluation_is_ready_for_json_and_for_the_store():
    metrics = [name for name in METRICS if not name.startswith("pipsds")]
    evaluation = audioset(4).score(evaluate_scores, metrics=metrics)
    loaded = json.loads(json.dumps(evaluation.to_dict(), allow_nan=False))
    assert set(loaded["values"]) == set(evaluation.values)
    assert loaded["values"]["psds1"]["value"] == 100 * evaluation.values["psds1"].value
    assert {name: value["unit"] for name, value in loaded["values"].items()} == {
        name: UNITS[name] for name in evaluation.values
    }
    assert loaded["per_class_unit"] == "%"
    for row in evaluation.rows():
        assert row["value"] == pytest.approx(loaded["values"][row["score"]]["value"], abs=1e-4)
        assert (row["unit"], row["protocol"]) == (UNITS[row["score"]], "paper")
    rows = {row.quantity: row for row in evaluation.measurements("fmn10", conditions={"data": "synthetic"})}
    assert rows["psds1"].environment["per_class"] == evaluation.by_class.to_dict()["psds1"]
    assert "per_class" not in rows["psds1_penalised"].environment
    row = rows["psds1"]
    assert set(rows) == set(evaluation.values)
    assert (row.value, row.unit) == (100 * evaluation.values["psds1"].value, "%")
    assert row.low < row.value < row.high
    assert row.conditions == {**evaluation.conditions, "data": "synthetic"}
    assert rows["segment_error_rate"].value == evaluation.values["segment_error_rate"].value


def test_without_resamples_there_are_no_intervals():
    evaluation = audioset(4).score(evaluate_scores, resamples=0)
    assert all(math.isnan(estimate.low) for estimate in evaluation.values.values())
    assert all(row.low is None and row.high is None for row in evaluation.measurements("fmn10"))
    assert evaluation.to_dict()["values"]["psds1"]["low"] is None


def test_what_was_left_out_is_said():
    notes = " ".join(audioset().score(evaluate_scores).notes)
    assert "events of 1 class without scores were left out: Studio recording" in notes
    assert "of 30 clips have no event of a scored class" in notes
    assert "the events are of 5 classes; published values are means over 407" in notes


def hear_events(scores, classes):
    """As the functions of HEAR make them: SciPy's even window, frame centres in ms, 125 ms at least."""
    smooth = ndimage.median_filter(scores, size=(6, 1))
    events = []
    for cls, name in enumerate(classes):
        on = np.flatnonzero(smooth[:, cls] > 0.5)
        runs = [run for run in np.split(on, np.flatnonzero(np.diff(on) > 1) + 1) if len(run)]
        spans = [(20 + 40.0 * run[0], 20 + 40.0 * run[-1]) for run in runs]
        events += [(start / 1000, end / 1000, name) for start, end in spans if end - start >= 125]
    return events


def test_classes_that_never_occur_are_said_where_they_count():
    job = random_job(1, clips=6, classes=2)
    job.classes = [*job.classes, "fold"]
    job.scores = {clip: np.column_stack([scores, scores[:, 0]]) for clip, scores in job.scores.items()}
    told = "1 class with scores, but without events: fold"
    assert told in job.score(evaluate_scores, protocol="desed", values="logits").notes
    assert told not in job.score(evaluate_scores, protocol="paper", values="logits").notes


def test_the_protocol_of_dcase_2016_equals_hear_and_sed_eval():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        sed_eval = pytest.importorskip("sed_eval", reason="the extra 'reference' is not installed")
    job = random_job(5, clips=4, classes=3, frames=1000, density=1.0, strength=2.0)
    job.ground_truth = {
        clip: merge_events(Event(*event) for event in events) for clip, events in job.ground_truth.items()
    }
    found = {clip: hear_events(scores, job.classes) for clip, scores in job.scores.items()}
    values = job.score(evaluate_scores, protocol="dcase2016").values

    def listed(events, clip):
        return [{"event_onset": a, "event_offset": b, "event_label": c, "file": clip} for a, b, c in events]

    def overall(metric):
        for clip, events in job.ground_truth.items():
            metric.evaluate(listed(events, clip), listed(found[clip], clip))
        return metric.results_overall_metrics()

    events, segments = sed_eval.sound_event.EventBasedMetrics, sed_eval.sound_event.SegmentBasedMetrics
    for name, collar in (("onset_f1", 0.2), ("onset_f1_50ms", 0.05)):
        expected = overall(events(job.classes, evaluate_offset=False, t_collar=collar))
        assert values[name].value == pytest.approx(expected["f_measure"]["f_measure"])
    expected = overall(segments(job.classes, time_resolution=1.0))
    assert values["segment_error_rate"].value == pytest.approx(expected["error_rate"]["error_rate"])
    assert 0.05 < values["onset_f1"].value < 0.95


def test_threshold_and_window_may_be_given():
    job = audioset(6)
    low = job.score(evaluate_scores, metrics=["event_f1"], threshold=-1.0, median_window=1)
    assert low.conditions["threshold"] == -1.0
    assert low.conditions["median_window"] == 1
    given = {"median_window": 1, "threshold": -1.0, "threshold_of": "scores"}
    assert {name: low.followed[name] for name in given} == given
    assert low.values != job.score(evaluate_scores, metrics=["event_f1"]).values


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "papr"}, "unknown protocol 'papr'; did you mean 'paper'"),
        ({"metrics": ["psds3"]}, "unknown metric 'psds3'; did you mean 'psds"),
        ({"median_window": 0}, "1 or more, not 0"),
        ({"classes": ["a", "b"]}, "no clip has both scores and an event of one of their classes"),
    ],
)
def test_what_can_t_be_done_is_said(options, message):
    job = random_job(7)
    with pytest.raises(UsageError, match=message):
        evaluate_scores(*job.parts, **{"classes": job.classes, **options})


def test_every_protocol_runs():
    for name in shipped("protocols"):
        assert random_job(8).score(evaluate_scores, protocol=name).protocol == name
    assert effbench.evaluate_scores is evaluate_scores


def test_an_evaluation_shows_itself():
    evaluation = audioset(4).score(evaluate_scores, metrics=["psds1", "event_f1"])
    psds = 100 * evaluation.values["psds1"].value
    table, note, *_ = evaluation.sections()
    assert table.title == f"{evaluation.clips} clips, 5 classes, {evaluation.events} events; protocol paper"
    assert table.rows[0]["value"] == round(psds, 4)
    assert note.startswith("note: ")
    assert repr(evaluation).startswith(f"<Evaluation of psds1 {psds:.4g} %, psds1_penalised ")
    assert repr(evaluation).endswith(f", …; {evaluation.clips} clips>")
    assert "<td" in evaluation._repr_html_()
    frame = evaluation.to_frame().set_index("score")
    assert frame.loc["psds1", "value"] == round(psds, 4)
    assert frame.loc["event_error_rate", "unit"] == "errors/event"
    classes = evaluation.by_class.to_frame().set_index("class")
    assert list(classes) == ["psds1", "event_f1"]
    assert classes.loc["class 0", "psds1"] == round(100 * evaluation.per_class["psds1"]["class 0"], 4)


def test_a_value_that_is_not_defined_shows_as_nothing():
    job = random_job(3, clips=4, classes=2, frames=50)
    job.ground_truth = {clip: [(0.0, 2.0, "class 0"), (0.0, 0.5, "class 1")] for clip in job.scores}
    evaluation = job.score(evaluate_scores, metrics=["pauroc"])
    assert evaluation.by_class.rows()[0] == {"class": "class 0", "pauroc": None}
    job.ground_truth = {clip: [(0.0, 2.0, "class 0")] for clip in job.scores}
    nothing = job.score(evaluate_scores, metrics=["pauroc"])
    assert repr(nothing) == "<Evaluation of pauroc undefined %; 4 clips>"
    assert evaluation.to_dict()["per_class"]["pauroc"]["class 0"] is None


@pytest.mark.parametrize(("threshold", "onset"), [(0.5, 0.2), (0.49, 0.0)])
def test_a_class_is_on_where_its_score_is_above_the_threshold(threshold, onset):
    scores = np.array([0.5] * 5 + [0.6] * 2)[:, None]
    job = Job({"a": scores}, {"a": [(onset, 0.28, "Bark")]}, {"a": 0.28}, ["Bark"])
    options = {"metrics": ["onset_f1_50ms"], "threshold": threshold, "median_window": 1}
    assert job.score(evaluate_scores, **options).values["onset_f1_50ms"].value == 1.0


def test_each_kind_of_quantity_comes_from_its_metric_alone():
    evaluation = audioset(4).score(evaluate_scores, metrics=["onset_f1_50ms", "segment", "psds2"])
    assert set(evaluation.values) == {
        *("onset_f1_50ms", "onset_f1_50ms_macro", "onset_50ms_error_rate"),
        *("segment_f1", "segment_f1_macro", "segment_error_rate"),
        *("psds2", "psds2_penalised"),
    }
    assert evaluation.values["segment_f1"] == evaluation.results["segment"].f1.intervals["micro"]


def test_an_unknown_engine_is_refused():
    with pytest.raises(UsageError, match="unknown engine 'fast'; expected effbench or reference"):
        random_job(7).score(evaluate_scores, engine="fast")
