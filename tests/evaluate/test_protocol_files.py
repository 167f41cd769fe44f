"""Protocols as files: those that ship mean what their names say, and anybody's own is followed."""

import numpy as np
import pytest

from effbench.errors import EffbenchError, UsageError
from effbench.evaluate.metrics import METRICS
from effbench.evaluate.protocol import evaluate_scores
from effbench.evaluate.protocol_files import load_protocol, protocol_name, protocol_rows
from effbench.evaluate.psds.score import psds1, psds2
from effbench.results.measurement import UNITS
from effbench.yaml_files import shipped
from tests.evaluate.scoring_jobs import random_job

MINE = "title: mine\nmetrics: {psds1: {dtc: 0.5, gtc: 0.4}}\n"


def written(folder, text, name="mine.yaml"):
    (folder / name).write_text(text)
    return str(folder / name)


@pytest.mark.parametrize("name", shipped("protocols"))
def test_shipped_protocols_mean_what_rows_of_their_names_were_computed_by(name):
    protocol = load_protocol(name)
    assert protocol_name(protocol) == name
    assert protocol_name(load_protocol(protocol.kept)) == name
    # What others change in a file is another protocol, wherever it lies.
    changed = protocol.model_copy(update={"median_window": 3})
    assert protocol_name(changed).startswith(f"{name}-")


def test_every_metric_has_units_and_may_be_asked_for_alone():
    job = random_job(1)
    for name in METRICS:
        values = job.score(evaluate_scores, metrics=[name], median_window=1, resamples=0).values
        assert set(values) <= set(UNITS), name
        rising = load_protocol({"title": name, "metrics": {name: {}}}).percentages
        assert set(rising) == {quantity for quantity in values if UNITS[quantity] == "%"}, name


def test_desed_is_what_the_reference_calls_it():
    pytest.importorskip("sed_scores_eval", reason="the extra 'reference' is not installed")
    job = random_job(2, clips=16, classes=3)
    job.scores = {clip: 1 / (1 + np.exp(-scores.astype(float))) for clip, scores in job.scores.items()}
    job.scores["quiet"], job.ground_truth["quiet"], job.durations["quiet"] = job.scores["clip000"], [], 2.0
    ours = job.score(evaluate_scores, protocol="desed", values="probabilities")
    theirs = job.score(evaluate_scores, protocol="desed", values="probabilities", engine="reference")
    assert ours.clips == 17
    assert (ours.conditions["median_window"], ours.conditions["threshold"]) == (1, 0.5)
    # sed_eval does not say how many matches are possible regardless of class.
    for name in set(ours.values) - {"event_error_rate"}:
        assert ours.values[name].value == pytest.approx(theirs.values[name].value, abs=1e-9), name
    assert ours.values["psds1_penalised"].value == job.score(psds1).penalised
    assert ours.values["psds2_penalised"].value == job.score(psds2).penalised


def test_an_own_file_is_followed_and_told_apart(tmp_path):
    job = random_job(3, clips=16)
    mine = job.score(evaluate_scores, protocol=written(tmp_path, MINE))
    assert mine.values["psds1"].value == job.score(psds1, dtc=0.5, gtc=0.4, resamples=0).macro
    assert mine.protocol.startswith("mine-")
    other = job.score(evaluate_scores, protocol=written(tmp_path, MINE.replace("0.5", "0.6")))
    assert other.protocol != mine.protocol
    same = job.score(evaluate_scores, protocol=written(tmp_path, MINE.replace("title: mine", "title: other")))
    assert same.protocol == mine.protocol
    row = mine.measurements("fmn10", environment={"cpu": "any"})[0]
    assert row.conditions["protocol"] == mine.protocol
    assert row.environment["cpu"] == "any"
    assert row.environment["protocol"]["metrics"]["psds1"]["dtc"] == 0.5
    assert row.environment["protocol"]["median_window"] == 1


def test_a_copy_of_a_shipped_file_has_its_name(tmp_path):
    from effbench.resources import share

    copy = written(tmp_path, (share("protocols") / "paper.yaml").read_text())
    assert random_job(4).score(evaluate_scores, protocol=copy).protocol == "paper"


def test_everything_that_is_wrong_with_a_file_is_said(tmp_path):
    wrong = "title: mine\nmedian_window: 9x\nmetrics: {psds3: {}, psds1: {dct: 0.7}, psds2: {gtc: 1.5}}\n"
    with pytest.raises(EffbenchError) as caught:
        load_protocol(written(tmp_path, wrong))
    said = str(caught.value)
    assert "mine.yaml has 4 problems" in said
    assert "metrics.psds3: unknown key; did you mean 'psds" in said
    assert "metrics.psds1.dct: unknown key; did you mean 'dtc'?" in said
    assert "metrics.psds2.gtc: 1.5: " in said
    assert "median_window: '9x' is not a length" in said


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("title: mine\nmetrics: {}\n", "name at least one"),
        ("title: mine\nmetrics: {psds1: {}}\nthreshold: 2\n", "2.0 is no probability"),
        ("title: mine\n", "metrics: is missing"),
        ("title: mine\nmedian_window: 3\nmetrics: {pipsds1: {}}\n", "pipsds1 tries filters itself"),
    ],
)
def test_a_file_that_makes_no_protocol_is_refused(tmp_path, text, told):
    with pytest.raises(EffbenchError, match=told):
        load_protocol(written(tmp_path, text))


def test_the_reference_has_one_collar(tmp_path):
    pytest.importorskip("sed_eval", reason="the extra 'reference' is not installed")
    text = "title: mine\nmetrics: {event_f1: {onset: 0.2, offset: 0.5}}\n"
    with pytest.raises(
        UsageError, match=r"one collar for onsets and offsets, not 0.2 and 0.5 s \(event_f1\)"
    ):
        random_job(5).score(evaluate_scores, protocol=written(tmp_path, text), engine="reference")


def test_protocols_are_listed():
    rows = {row["protocol"]: row for row in protocol_rows()}
    assert list(rows) == ["dcase2016", "desed", "events", "maestro", "paper"]
    assert rows["paper"]["metrics"] == ["psds1", "pauroc"]


BY_CLASS = """title: mine
median_window: {class 0: 3, class 2: 200ms, default: 1}
threshold: {class 1: 0.7, default: 0.4}
metrics: {event_f1: {}, intersection_f1: {}, segment: {}}
"""


def test_classes_have_their_own_filters_and_thresholds(tmp_path):
    job = random_job(6, clips=16)
    job.scores = {clip: 1 / (1 + np.exp(-scores.astype(float))) for clip, scores in job.scores.items()}
    mine = written(tmp_path, BY_CLASS)
    whole = job.score(evaluate_scores, protocol=mine, values="probabilities", resamples=0)
    assert (whole.conditions["median_window"], whole.conditions["threshold"]) == ("by class", "by class")
    for name, window, threshold in [("class 0", 3, 0.4), ("class 1", 1, 0.7), ("class 2", 5, 0.4)]:
        metrics = ["event_f1", "intersection_f1", "segment"]
        options = {"median_window": window, "threshold": threshold, "metrics": metrics, "resamples": 0}
        alike = job.score(evaluate_scores, protocol="desed", values="probabilities", **options)
        for metric in metrics:
            assert whole.per_class[metric][name] == alike.per_class[metric][name]
    logits = {clip: np.log(scores / (1 - scores)) for clip, scores in job.scores.items()}
    job.scores = logits
    again = job.score(evaluate_scores, protocol=mine, values="logits", resamples=0)
    assert again.per_class["event_f1"] == pytest.approx(whole.per_class["event_f1"])


def test_the_reference_takes_thresholds_of_classes(tmp_path):
    pytest.importorskip("sed_scores_eval", reason="the extra 'reference' is not installed")
    job = random_job(7, clips=16)
    options = {"protocol": written(tmp_path, BY_CLASS), "values": "logits", "resamples": 0}
    ours = job.score(evaluate_scores, metrics=["intersection_f1"], **options)
    theirs = job.score(evaluate_scores, metrics=["intersection_f1"], engine="reference", **options)
    assert ours.per_class["intersection_f1"] == pytest.approx(theirs.per_class["intersection_f1"], abs=1e-9)


@pytest.mark.parametrize(
    ("thresholds", "told"),
    [
        ("{class 0: 0.4}", "no threshold for class 1; class 2; class 3: add a line for each, or 'default'"),
        ("{clas 0: 0.4, default: 0.5}", "threshold for 'clas 0', which has no scores; did you mean"),
    ],
)
def test_a_class_without_threshold_or_scores_is_named(tmp_path, thresholds, told):
    text = f"title: mine\nthreshold: {thresholds}\nmetrics: {{segment: {{}}}}\n"
    with pytest.raises(UsageError, match=told):
        random_job(8).score(evaluate_scores, protocol=written(tmp_path, text))
