"""Which values of models are compared: alike ones, of the best origin that is known."""

from __future__ import annotations

from dataclasses import replace

import pytest

from effbench.errors import UsageError
from effbench.plots.values import MissingResults, mean_of_seeds
from effbench.reports.candidates import Candidates
from effbench.reports.fair_times import fitting_memory
from effbench.results.declared import declared
from effbench.results.measurement import Measurement
from tests.rows import complexity, frame, timings

SCORED = {"protocol": "paper", "classes": 407, "data": "audioset", "split": "eval", "fingerprint": "aa"}


def score(spec, value, **conditions):
    return Measurement.here(spec, "psds1", value, conditions={**SCORED, **conditions})


def metric(rows, quantity, models=None, **choices):
    return Candidates(rows, models, **choices).metrics([quantity])[quantity]


def values(*arguments, **choices):
    return {spec: known.value.value for spec, known in metric(*arguments, **choices).known.items()}


def test_counts_are_those_of_rows_else_those_of_cards_else_declared():
    measured = replace(complexity()[0], spec="fmn10", value=5.0)
    mine = declared("mynet", "parameters", "4010000", source="us")
    found = metric(frame([measured, mine]), "parameters").known
    assert found["fmn10"].value.value == 5
    assert [found[spec].origin for spec in ("fmn10", "fmn20", "mynet")] == ["counted", "counted", "declared"]


def test_published_scores_have_measured_ones_beside_them_only_of_models_that_nobody_published():
    rows = frame([score("mynet", 41.0), score("fmn10", 1.0), score("other", 99.0, classes=10)])
    assert values(rows, "psds1", ["mynet", "fmn10"]) == {"mynet": 41.0, "fmn10": 42.28}
    assert "other" not in metric(rows, "psds1").known
    assert values(rows, "psds1", ["fmn10"], scores="measured") == {"fmn10": 1.0}
    with pytest.raises(UsageError, match="published or measured, not 'both'"):
        Candidates(rows, scores="both")


def test_declared_scores_of_other_data_stand_beside_no_published_ones():
    rows = frame([declared("mynet", "psds1", 60, source="us", conditions={"data": "desed"})])
    assert "mynet" not in metric(rows, "psds1").known
    assert values(rows, "psds1", conditions={"data": "desed"}) == {"mynet": 60.0}


def test_scores_of_two_data_sets_are_refused_with_the_condition_that_chooses_one():
    rows = frame([score("a", 40.0), score("b", 41.0), score("c", 42.0, fingerprint="bb")])
    with pytest.raises(MissingResults, match=r"differ in data set(.|\n)*by its conditions: fingerprint=aa"):
        metric(rows, "psds1", ["a", "b", "c"])
    assert set(values(rows, "psds1", ["a", "b", "c"], conditions={"fingerprint": "aa"})) == {"a", "b"}


def test_several_seeds_are_their_mean_with_its_interval():
    seeds = [
        score("mynet", value, seed=n, run=f"street_seed{n}") for n, value in enumerate([40.0, 41.0, 42.0])
    ]
    known = metric(frame(seeds), "psds1", ["mynet"]).known["mynet"]
    assert known.seeds == 3
    # Mean 41, standard deviation 1; the quantile of Student's t with 2 degrees of freedom is 4.3027.
    assert known.value.value == 41
    assert known.value.high - 41 == pytest.approx(4.30265 / 3**0.5, abs=1e-4)
    assert mean_of_seeds([2.0, 2.0]).low == 2


def test_seeds_of_runs_that_were_named_apart_have_no_mean():
    long, short = (
        score("mynet", 50.0, seed=0, run="long_seed0"),
        score("mynet", 40.0, seed=1, run="short_seed1"),
    )
    known = metric(frame([long, short]), "psds1", ["mynet"]).known["mynet"]
    assert known.seeds == 1
    assert known.value.value == 40


def test_times_are_of_one_device_and_one_setting():
    rows = frame(timings("Box A"), timings("Box B", specs=["fmn04"], precision="fp16"))
    assert metric(rows, "throughput").device == "Box A"
    assert set(values(rows, "throughput", device="box b")) == {"fmn04"}
    with pytest.raises(UsageError, match="no timings on 'C'"):
        metric(rows, "throughput", device="C")
    with pytest.raises(
        MissingResults, match="no throughput of these models is known on Box A with precision"
    ):
        metric(rows, "throughput", device="A", precision="bf16")


def test_published_throughput_is_of_an_unknown_device_and_is_asked_for_by_name():
    rows = frame(timings("Box"))
    assert metric(rows, "throughput", device="published").device is None
    assert metric(frame(), "throughput").origins == ("published",)


def test_times_that_are_declared_for_a_device_are_taken_where_nothing_was_measured_on_it():
    phone = declared("fmn04", "latency_p50", 20, unit="ms", source="us", device="Phone")
    rows = frame(timings("Box"), [phone])
    found = metric(rows, "latency_p50", device="phone")
    assert found.known["fmn04"].origin == "declared"
    assert found.known["fmn04"].value.value == 0.02


def memory(size, value):
    (like,) = timings("Box", specs=["fmn04"], batch_sizes=[size])
    return replace(like, quantity="memory_peak", value=value, low=None, high=None)


def test_memory_is_that_at_the_batch_size_of_the_throughput():
    sizes = {1: 10, 8: 80, 32: 320}
    rows = frame(
        timings("Box", specs=["fmn04"], batch_sizes=sizes), [memory(*pair) for pair in sizes.items()]
    )

    def found(limit):
        metrics = Candidates(fitting_memory(rows, limit)).metrics(["memory_peak", "throughput"])
        rate, memory = metrics["throughput"].known["fmn04"], metrics["memory_peak"].known["fmn04"]
        return rate.batch_size, memory.batch_size, memory.value.value

    assert found(1000) == (32, 32, 320)
    assert found(100) == (8, 8, 80)
    assert found(1) == (1, 1, 10)


def test_names_that_are_not_known_are_refused():
    rows = frame()
    with pytest.raises(UsageError, match="did you mean"):
        Candidates(rows, ["fmn1O"])
    with pytest.raises(UsageError, match="unknown condition 'presicion'"):
        Candidates(rows, conditions={"presicion": "fp16"})
    with pytest.raises(UsageError, match="unknown quantity"):
        metric(rows, "speed")
