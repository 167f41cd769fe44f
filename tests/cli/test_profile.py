"""``effbench profile`` and ``effbench models`` as a user runs them."""

import csv
import io
import json

import pytest
import torch


def test_json_has_the_documented_shape_and_is_alone_on_stdout(effbench):
    done = effbench("profile", "--model", "fmn10+hybrid-512", "--no-throughput", "--format", "json")
    assert done.returncode == 0, done.stderr
    (profile,) = json.loads(done.stdout)
    assert profile["spec"] == "fmn10+hybrid-512"
    parts = ("backbone", "sequence", "strong_head", "weak_head")
    assert sum(profile["parameters"][part] for part in parts) == profile["parameters"]["total"] == 13_367_438
    assert profile["parameters"]["trainable"] == 13_367_438
    assert profile["macs"]["exact"] == profile["macs"]["paper"]
    assert set(profile["macs"]) == {"exact", "paper", "fvcore", "thop", "torch"}
    assert profile["throughput"] == []
    assert profile["environment"]["software"]["torch"] == torch.__version__
    assert "kept in" in done.stderr


def test_timed_profile_is_complete_and_kept(effbench, tmp_path):
    arguments = ("--batch-size", "1", "--part", "network", "--threads", "1", "--seconds", "1")
    done = effbench("profile", "--model", "fmn04", *arguments, "--format", "json")
    assert done.returncode == 0, done.stderr
    (profile,) = json.loads(done.stdout)
    (rate,) = profile["throughput"]
    assert 0 < rate["low"] <= rate["median"] <= rate["high"]
    assert rate["threads"] == 1
    assert len(rate["samples"]) >= 10
    assert 0 < profile["latency"]["p50"] <= profile["latency"]["p90"] <= profile["latency"]["p99"]
    assert profile["memory"]["peak_bytes"] > 0
    out = tmp_path / "rows.csv"
    study = tmp_path / "one.yaml"
    study.write_text("title: one\nmodels: [fmn04]\ntasks: {}\n")
    assert effbench("study", "show", study, "--out", out).returncode == 0
    kept = {row["quantity"] for row in csv.DictReader(out.open())}
    assert {"parameters", "macs_exact", "macs_paper", "throughput", "latency_p99", "memory_peak"} <= kept


def test_glob_makes_a_comparison(effbench):
    done = effbench("profile", "--model", "fmn10+*-256", "--no-throughput", "--no-store", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [row["spec"] for row in rows] == [
        f"fmn10+{name}-256" for name in ("tf", "gru", "attn", "tcn", "mamba", "hybrid")
    ]
    assert rows[1]["macs_exact"] == "1766672064"


def test_counters_are_explained(effbench):
    done = effbench(
        "profile", "--model", "fmn04+gru-104", "--no-throughput", "--no-store", "--counters", "all"
    )
    assert done.returncode == 0, done.stderr
    for text in ("fvcore", "thop", "torch", "GRU: not counted: no rule for aten::gru", "BatchNorm2d"):
        assert text in done.stdout


def test_head_count_of_a_file_shows_in_the_profile(effbench, tmp_path):
    from tests.models import parity

    path = parity.save(parity.renamed_state("fmn06+tf-160"), tmp_path / "eight_heads.pt")
    done = effbench(
        *("profile", "--model", "fmn06+tf-160", "--checkpoint", path),
        *("--no-throughput", "--no-store", "--format", "json"),
    )
    assert json.loads(done.stdout)[0]["parameters"]["total"] == 1_954_834


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--model", "fmn10+hybrd-512"], 2, "did you mean 'fmn10+hybrid-512'?"),
        (["--model", "fmn10+attn-100"], 2, "try fmn10+attn-96 or fmn10+attn-104"),
        (["--model", "fmn10", "--device", "cuda"], 2, "CUDA"),
        (["--model", "fmn10", "--device", "tpu"], 2, "tpu"),
        (["--model", "fmn10", "--precision", "fp8"], 2, "fp32"),
        (["--model", "fmn10", "--part", "head"], 2, "network"),
        (["--model", "fmn10", "--batch-size", "0"], 2, "batch-size"),
        (["--model", "fmn10", "--counters", "fvcor", "--no-throughput"], 2, "did you mean 'fvcore'?"),
        (["--model", "fmn10", "--checkpoint", "nothing.pt"], 1, "nothing.pt"),
        (["--model", "fmn04", "--model", "fmn06", "--checkpoint", "strong"], 2, "one model"),
        (["--model", "fmn04", "--store", "missing/folder/x.sqlite"], 1, "missing/folder"),
        (["--model", "ATST-F", "--no-throughput", "--seconds", "20"], 2, "250 frames of 40 ms"),
        (["--model", "fmn30", "--model", "ATST-F", "--seconds", "20"], 2, "250 frames of 40 ms"),
        (["--model", "zzz*"], 2, "models list"),
        ([], 2, "--model"),
    ],
)
@pytest.mark.skipif(torch.cuda.is_available(), reason="asks for the message where there is no GPU")
def test_bad_input_is_one_clear_message(effbench, arguments, code, told):
    done = effbench("profile", *arguments)
    assert done.returncode == code
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_models_list_filters_and_sorts(effbench):
    done = effbench("models", "list", "--family", "tf", "--sort", "-psds1", "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert len(rows) == 8
    assert rows[0]["model"] == "fmn30+tf-768"
    scores = [float(row["psds1"]) for row in rows]
    assert scores == sorted(scores, reverse=True)
    assert len(list(csv.DictReader(io.StringIO(effbench("models", "list", "--format", "csv").stdout)))) == 46


def test_models_list_finds_what_a_budget_allows_and_the_front_of_it(effbench):
    limits = ("--max-params", "5M", "--max-macs", ".5g", "--sort", "-psds1", "--format", "json")
    rows = json.loads(effbench("models", "list", *limits).stdout)
    assert [row["model"] for row in rows if row["front"]] == ["fmn04+hybrid-104", "fmn04+tf-104", "fmn04"]
    assert all(row["parameters"] <= 5_000_000 and row["macs_exact"] <= 500_000_000 for row in rows)
    assert {"fmn04+gru-104", "fmn06"} <= {row["model"] for row in rows if not row["front"]}
    none = effbench("models", "list", "--max-params", "1k", "--format", "csv")
    assert (none.returncode, none.stderr) == (0, "no model is within these limits\n")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--sort", "psds"], "psds1"),
        (["--family", "gruu"], "'gru'"),
        (["--max-macs", "1x"], "860k"),
        (["--max-params", "-1"], "860k"),
    ],
)
def test_models_list_refuses_by_suggestion(effbench, arguments, told):
    done = effbench("models", "list", *arguments)
    assert done.returncode == 2
    assert told in done.stderr


def test_models_show_adds_up(effbench):
    done = effbench("models", "show", "fmn10+tf-256", "--format", "json")
    shown = json.loads(done.stdout)
    assert sum(layer["macs"] for layer in shown["layers"]) == shown["macs"]["exact"] == 1_495_773_632
    assert sum(layer["parameters"] for layer in shown["layers"]) == shown["parameters"]["total"]
    assert shown["card"]["checkpoint"]["advanced-kd"] == "fmn10+tf-256_advanced-kd-weak-strong.pt"


def test_a_roofline_is_printed_by_layer_and_kept(effbench):
    arguments = ("profile", "--model", "fmn01", "--roofline", "--seconds", "1", "--threads", "1")
    done = effbench(*arguments, "--format", "csv")
    assert done.returncode == 0, done.stderr
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert rows[-1]["layer"] == "all, eager"
    assert all(float(row["roof_seconds"]) > 0 < float(row["call_seconds"]) for row in rows)
    kept = effbench("store", "list", "--quantity", "roof_share", "--format", "json")
    (row,) = json.loads(kept.stdout)
    assert row["value"] == float(rows[-1]["roof_share"])


STOPS = """
import effbench


def stops():
    detector = effbench.build_model("fmn01", seed=0)

    def stop(*_):
        raise RuntimeError("out of luck")

    detector.register_forward_hook(stop)
    return detector
"""


def test_a_model_that_fails_does_not_end_the_rooflines_of_others(effbench, tmp_path):
    (tmp_path / "own.py").write_text(STOPS)
    arguments = ("profile", "--roofline", "--seconds", "1", "--threads", "1", "--format", "json")
    done = effbench(*arguments, "--model", "own.py:stops", "--model", "fmn01")
    assert done.returncode == 1
    assert [found["spec"] for found in json.loads(done.stdout)] == ["fmn01"]
    assert "out of luck" in done.stderr
    assert "error: 1 of 2 models could not be measured" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--hop", "2"), "--hop is for --streams"),
        (("--streams", "--checkpoint", "x.pt"), "--checkpoint can't be given with --streams"),
        (("--streams", "--thorough"), "--thorough can't be given with --streams"),
        (("--roofline", "--training"), "--training can't be given with --roofline"),
        (("--roofline", "--streams"), "--roofline can't be given with --streams"),
        (("--roofline", "--batch-size", "1", "--batch-size", "2"), "one --batch-size"),
    ],
)
def test_options_that_would_do_nothing_are_refused(effbench, options, message):
    done = effbench("profile", "--model", "fmn01", *options)
    assert done.returncode == 2
    assert message in done.stderr
