"""``effbench pareto`` and ``effbench recommend``, from what ships and from a store."""

from __future__ import annotations

import csv
import io
import json

import pytest

import effbench
from effbench.results.declared import declared
from effbench.results.measurement import Measurement
from effbench.results.store import Store


def test_a_front_comes_from_what_ships_alone(effbench, tmp_path):
    done = effbench("pareto", "--metrics", "psds1,macs,throughput", "--format", "json")
    found = json.loads(done.stdout)
    assert not list(tmp_path.iterdir())
    assert {"BEATs", "fmn04"} <= set(found["front"])
    assert found["metrics"]["throughput"]["device"].startswith("NVIDIA H100")
    assert found["knee"]
    assert 0 < found["hypervolume"] < 1
    assert len(found["models"]) == 46
    assert all((row["probability"] > 0) or not row["front"] for row in found["models"])


def test_a_front_can_be_read(effbench):
    done = effbench("pareto", "--model", "fmn10+*", "--metrics", "psds1,parameters")
    assert done.stdout.startswith("Pareto front of psds1 high and parameters low: ")
    assert "knee" in done.stdout
    assert "parameters: counted by effbench" in done.stdout
    assert "beaten by" not in done.stdout
    every = effbench("pareto", "--model", "fmn10+*", "--metrics", "psds1,parameters", "--all").stdout
    assert "beaten by" in every
    rows = list(csv.DictReader(io.StringIO(effbench("pareto", "--format", "csv").stdout)))
    assert {row["psds1_origin"] for row in rows} == {"published"}


def test_the_hypervolume_begins_where_it_is_said(effbench):
    def volume(*references):
        options = [word for reference in references for word in ("--reference", reference)]
        metrics = ("--metrics", "psds1,parameters", "--model", "fmn10", "--model", "fmn20")
        return json.loads(effbench("pareto", *metrics, *options, "--format", "json").stdout)["volume"]

    fmn10, fmn20 = 3_830_798, 13_359_254
    union = (43.86 - 40) * (2e7 - fmn20) + (42.28 - 40) * (fmn20 - fmn10)
    assert volume("psds1=40", "parameters=20M") == pytest.approx(union)
    assert volume() == 0


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["pareto", "--metrics", "psds1"], "at least two metrics"),
        (["pareto", "--metrics", "psds1,speed"], "unknown quantity 'speed'"),
        (["pareto", "--reference", "throughput=5"], "none of the metrics"),
        (["pareto", "--device", "A100", "--metrics", "psds1,throughput"], "no timings on 'A100'"),
        (["recommend", "--max-latency", "5"], "not clear without its unit: s, ms"),
        (["recommend", "--max-memory", "5 mb"], "its units are bytes, kB, MB"),
        (["recommend", "--max-memory", "much"], "not a number: 'much'"),
        (["recommend", "--min-psds1", "0.4"], "not clear without its unit"),
        (["recommend", "--min-psds1", "40", "--score", "psds2"], "--min-score"),
        (["recommend", "--max-params", "0"], "a limit is above 0, and finite: parameters ≤ 0 M can't be"),
        (["recommend", "--min-throughput", "inf", "--format", "json"], "a limit is above 0, and finite"),
        (["recommend", "--min-throughput", "nan"], "a limit is above 0, and finite"),
        (["recommend", "--score", "parameters"], "ranked by a score"),
        (["recommend", "--percentile", "95"], "50, 90 and 99, not 95"),
        (["recommend", "--condition", "precision"], "--condition takes KEY=VALUE"),
        (["recommend", "--model", "fmn1O"], "did you mean 'fmn10'"),
    ],
)
def test_what_can_not_be_meant_is_refused(effbench, arguments, says):
    done = effbench(*arguments)
    assert done.returncode == 2
    assert says in done.stderr
    assert not done.stdout


def test_the_best_model_within_limits_is_recommended_with_reasons(effbench):
    done = effbench("recommend", "--max-params", "5M", "--max-macs", "2G")
    assert done.stdout.startswith("Best psds1 with parameters ≤ 5 M and macs_exact ≤ 2 G: fmn10+hybrid-128\n")
    assert "best psds1 within the limits" in done.stdout
    assert " −0.70 psds1 for 0.96 × MACs " in done.stdout
    assert "Without parameters ≤ 5 M: nearest fmn10+tf-256 (+0.41 psds1" in done.stdout
    assert "effbench detect AUDIO --model fmn10+hybrid-128 --checkpoint strong" in done.stderr
    assert "advanced-kd" not in done.stdout.split("Without")[1]


def test_models_without_published_weights_can_be_left_out(effbench):
    limits = ("--max-params", "5M", "--max-latency", "10ms")
    done = effbench("recommend", *limits)
    assert done.stdout.splitlines()[0].endswith(" ms on NVIDIA H100 80GB HBM3, fp32: fmn10+attn-256")
    assert "no weights of fmn10+attn-256 are published" in done.stderr
    assert "no --device, so times are of NVIDIA H100" in done.stderr
    done = effbench("recommend", *limits, "--with-weights", "--device", "h100")
    assert done.stdout.splitlines()[0].endswith(": fmn10+gru-128")
    assert "attn" not in done.stdout
    assert "no --device" not in done.stderr


def test_better_weights_of_another_training_are_told(effbench):
    done = effbench("recommend", "--max-params", "6M")
    assert "After the training advanced-kd, fmn10+tf-256 is published with psds1 45.25 %." in done.stdout


def test_where_nothing_is_within_limits_it_says_what_would_be(effbench):
    limits = ("--max-params", "1M", "--max-latency", "8ms", "--min-psds1", "43")
    done = effbench("recommend", *limits)
    assert done.returncode == 0
    asked = "parameters ≤ 1 M, psds1 ≥ 43 % and latency_p99 ≤ 8 ms on NVIDIA H100 80GB HBM3, fp32"
    assert done.stdout.splitlines()[0] == f"No model of 46 has {asked}."
    way_out = "Without parameters ≤ 1 M: nearest fmn10+attn-256 (psds1 43.43 %; parameters 3.976 M)"
    assert way_out in done.stdout
    found = json.loads(effbench("recommend", *limits, "--format", "json").stdout)
    assert found["best"] is None
    assert found["beyond"][0]["without"] == ["parameters ≤ 1 M"]


def test_live_streams_are_those_measured_else_extrapolated_from_one_clip(effbench, tmp_path):
    def ranked(*more):
        options = ("--real-time", "20", "--hop", "0.2", "--format", "json", *more)
        found = json.loads(effbench("recommend", *options).stdout)
        (limit,) = found["limits"]
        assert (limit["quantity"], limit["bound"]) == ("streams", 20)
        return {row["spec"]: row for row in found["models"] if row["rank"]}

    before = ranked()
    assert before
    for row in before.values():
        assert row["streams_origin"] == "extrapolated"
        assert row["latency_p99"] <= 0.01
        assert row["streams"] == int(0.2 / row["latency_p99"] + 1e-9)
    slow, fast = next(iter(before)), "BEATs"
    assert fast not in before
    device = "NVIDIA H100 80GB HBM3"
    (tmp_path / "results").mkdir()
    with Store(tmp_path / "results" / "effbench.sqlite", create=True) as store:
        for spec, streams in ((slow, 3.0), (fast, 40.0)):
            for hop, limit, carried in ((0.2, 1.0, streams), (1.0, 1.0, 9.0), (0.2, 0.5, 7.0)):
                conditions = {"part": "both", "precision": "fp32", "backend": "folded", "batch_size": 32}
                conditions |= {"hop": hop, "look_ahead": 1.0, "limit": limit}
                row = Measurement.here(spec, "streams", carried, device=device, conditions=conditions)
                store.add([row])
    after = ranked("--device", "H100")
    assert slow not in after
    assert (after[fast]["streams"], after[fast]["streams_origin"]) == (40.0, "measured")
    assert fast not in ranked("--device", "H100", "--limit", "0.5")
    told = effbench("recommend", "--real-time", "20", "--hop", "0.2", "--device", "H100")
    assert "streams ≥ 20 streams (a clip every 0.2 s each)" in told.stdout
    assert "extrapolated from the time of one clip" in told.stdout
    assert "streams is" in told.stdout


def test_memory_that_is_known_for_large_batches_alone_is_told(effbench):
    done = effbench("recommend", "--max-memory", "1MiB")
    assert (
        "46 models may fit in smaller batches: their memory is known for 128 clips and more." in done.stdout
    )


def test_models_of_ones_own_take_part(effbench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with Store(create=True) as store:
        store.add(
            [
                declared("mynet", quantity, value, source="us")
                for quantity, value in (("psds1", 44.9), ("parameters", 4e6), ("macs_exact", 1e9))
            ]
        )
    done = effbench("recommend", "--max-params", "5M")
    assert done.stdout.splitlines()[0].endswith(": mynet")
    assert "declared by the user (1)" in done.stdout
    assert "mynet" in json.loads(effbench("pareto", "--format", "json").stdout)["front"]


def test_scores_of_ones_own_data_are_compared_alone(effbench, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    scored = {"data": "street", "fingerprint": "aa", "protocol": "paper", "classes": 12}
    with Store(create=True) as store:
        for spec, values in {"fmn04": (60, 62, 61), "fmn10": (64, 65, 66)}.items():
            store.add(
                Measurement.here(spec, "psds1", value, conditions={**scored, "seed": seed})
                for seed, value in enumerate(values)
            )
    done = effbench("recommend", "--scores", "measured")
    assert done.stdout.splitlines()[0] == "Best psds1: fmn10"
    assert "psds1: measured, mean of 3 seeds" in done.stdout
    assert " and 38 more.\n" in done.stdout
    assert "checkpoint" not in done.stderr
    assert "fmn10" in effbench("pareto", "--condition", "data=street", "--format", "csv").stdout
    assert effbench("pareto", "--condition", "data=road").returncode == 1


def test_the_same_in_python(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = effbench.recommend(max_params=5e6, max_macs=2e9)
    assert found.best == "fmn10+hybrid-128"
    assert repr(found).startswith("<Recommendation of fmn10+hybrid-128 (")
    assert found.to_frame()["rank"].notna().sum() == len(found.ranked)
    front = effbench.pareto(metrics=("psds1", "throughput"), precision="fp16", draws=100)
    again = effbench.pareto(metrics=("psds1", "throughput"), precision="fp16", draws=100)
    assert front.probability == again.probability
    assert "ATST-F" in front.front
    assert str(front) == f"psds1, throughput: {len(front.front)} of 46 models"
    assert "<table" in front._repr_html_()
