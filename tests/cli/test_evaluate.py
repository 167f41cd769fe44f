"""``effbench evaluate`` as a user runs it: a model on data, and anybody's scores."""

import json
import shutil
from unittest.mock import ANY

import numpy as np
import pandas as pd
import pytest

from effbench.data.datasets import open_dataset
from effbench.data.synth import synthesise
from effbench.infer.score_folder import ScoreFolder
from effbench.results.store import Store
from tests.evaluate.scoring_jobs import write_scores


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return synthesise(tmp_path_factory.mktemp("data") / "set", clips=2, eval_clips=6)


@pytest.fixture(scope="module")
def truth(dataset, tmp_path_factory):
    rows = [
        {"filename": f"{clip.id}.flac", "onset": e.onset, "offset": e.offset, "event_label": e.label}
        for clip in open_dataset(dataset, split="eval")
        for e in clip.events
    ]
    path = tmp_path_factory.mktemp("truth") / "truth.tsv"
    pd.DataFrame(rows).to_csv(path, sep="\t", index=False)
    return path


def test_model_on_data_is_scored_kept_and_goes_on(effbench, dataset, tmp_path):
    arguments = ["evaluate", "--model", "fmn04", "--data", dataset, "--split", "eval", "--format", "json"]
    first = effbench(*arguments, "--plot", "roc.svg")
    assert first.returncode == 0, first.stderr
    found = json.loads(first.stdout)
    assert found["clips"] == 6
    assert set(found["values"]) == {"psds1", "psds1_penalised", "pauroc"}
    assert "untrained" in first.stderr
    assert (tmp_path / "roc.svg").stat().st_size > 1000
    (folder,) = (tmp_path / "results" / "scores").iterdir()
    logits = sorted(folder.glob("*.npz"))
    assert len(logits) == 6
    stamps = [path.stat().st_mtime_ns for path in logits[1:]]
    logits[0].unlink()
    again = effbench(*arguments)
    assert "5 of 6 clips done before" in again.stderr
    assert json.loads(again.stdout) == found
    assert [path.stat().st_mtime_ns for path in logits[1:]] == stamps
    other = effbench(*arguments[:1], "--model", "fmn06", *arguments[3:], "--work", folder)
    assert other.returncode == 1
    assert "holds other scores (model 'fmn04', now 'fmn06'" in other.stderr
    study = tmp_path / "one.yaml"
    study.write_text("title: one\nmodels: [fmn04]\ntasks: {}\n")
    kept = json.loads(effbench("study", "show", study, "--format", "json").stdout)
    assert {row["quantity"] for row in kept} == {"psds1", "psds1_penalised", "pauroc"}


def test_scores_of_eight_bits_say_so_and_what_they_were_calibrated_on(
    effbench, dataset, monkeypatch, tmp_path
):
    monkeypatch.setenv("EFFBENCH_CACHE", str(tmp_path / "cache"))
    arguments = ["evaluate", "--model", "fmn01", "--data", dataset, "--split", "eval", "--metric", "segment"]
    done = effbench(*arguments, "--backend", "onnx-int8", "--format", "json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)["setting"]
    assert said["backend"] == "onnx-int8"
    assert said["calibration"] == "16 synthetic soundscapes, MinMax, 7-bit weights"
    refused = effbench(*arguments, "--backend", "onnx-int8", "--precision", "bf16")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "onnx-int8 computes in fp32 alone" in refused.stderr


def test_an_exported_file_is_scored_as_it_is(effbench, dataset, tmp_path):
    of = ("--model", "fmn01", "--input", "features", "--numbers", "int8", "--calibration", "MinMax")
    file = tmp_path / "small.onnx"
    made = effbench("export", *of, "--calibrate", dataset, "--split", "train", "--clips", "2", "--out", file)
    assert made.returncode == 0, made.stderr
    arguments = ["evaluate", "--data", dataset, "--split", "eval", "--metric", "segment", "--backend", file]
    done = effbench(*arguments, "--model", "fmn01", "--format", "json")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)["setting"]
    assert said["backend"].startswith("small.onnx ")
    assert said["calibration"] == "2 clips, MinMax, 7-bit weights"
    refused = effbench(*arguments, "--model", "fmn02")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "small.onnx' is of the model fmn01, not fmn02" in refused.stderr


def test_kept_logits_are_listed_and_cleared(effbench, dataset, tmp_path):
    arguments = ["evaluate", "--model", "fmn01", "--data", dataset, "--split", "eval", "--metric", "segment"]
    assert "results/scores/fmn01_" in effbench(*arguments).stderr
    assert "done before" not in effbench(*arguments, "--precision", "bf16", "--work", "mine").stderr
    assert not effbench(*arguments, "--keep-scores", "no").stderr.count("frame logits")
    refused = effbench(*arguments, "--keep-scores", "double")
    assert refused.returncode == 2
    assert "not 'double'" in refused.stderr
    (row,) = json.loads(effbench("scores", "list", "--format", "json").stdout)
    assert (row["model"], row["clips"], row["kept"]) == ("fmn01", 6, "half")
    assert effbench("scores", "clear", dataset).returncode == 2
    assert "1 folder removed" in effbench("scores", "clear", "mine").stderr
    assert "1 folder removed" in effbench("scores", "clear").stderr
    assert not list((tmp_path / "results" / "scores").iterdir())


def test_engines_agree_on_anybodys_scores(effbench, dataset, truth, tmp_path):
    pytest.importorskip("sed_scores_eval")
    write_scores(dataset, tmp_path / "scores", noise=0.2)
    arguments = ["evaluate", "--scores", "scores", "--ground-truth", truth, "--format", "json"]
    metrics = ["--metric", "psds1", "--metric", "psds2", "--metric", "pauroc"]
    ours = effbench(*arguments, *metrics)
    assert ours.returncode == 0, ours.stderr
    reference = effbench(*arguments, *metrics, "--engine", "reference")
    assert reference.returncode == 0, reference.stderr
    own, other = (json.loads(done.stdout)["values"] for done in (ours, reference))
    assert own["psds1"]["value"] > 20
    assert own["psds1"]["low"] <= own["psds1"]["value"] <= own["psds1"]["high"]
    for name in ("psds1", "psds2", "pauroc"):
        assert own[name]["value"] == pytest.approx(other[name]["value"], abs=1e-7)


def test_perfect_scores_are_perfect(effbench, dataset, truth, tmp_path):
    write_scores(dataset, tmp_path / "scores", noise=0.0)
    arguments = ["evaluate", "--scores", "scores", "--ground-truth", truth, "--median-window", "1"]
    metrics = ["--metric", "psds1", "--metric", "event_f1", "--metric", "segment"]
    done = effbench(*arguments, *metrics, "--threshold", "0.5", "--per-class", "--format", "json")
    values = json.loads(done.stdout)["values"]
    assert values["psds1"] == {"value": pytest.approx(100.0), "low": ANY, "high": ANY, "unit": "%"}
    assert values["event_f1"]["value"] == pytest.approx(100.0)
    assert values["segment_error_rate"]["value"] == pytest.approx(0.0, abs=0.1)


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        ([], 2, "with --data"),
        (["--model", "fmn04"], 2, "--data"),
        (["--scores", "none", "--ground-truth", "none.tsv"], 2, "none"),
        (["--model", "fmn04", "--data", "none"], 1, "none"),
        (["--model", "fmn04", "--data", "DATA"], 2, "several splits"),
        (["--model", "fmn04", "--data", "DATA", "--split", "evl"], 2, "'eval'"),
        (["--model", "fmn04", "--data", "DATA", "--split", "eval", "--protocol", "papr"], 2, "'paper'"),
        (["--model", "fmn04", "--data", "DATA", "--split", "eval", "--protocol", "no.yaml"], 2, "no.yaml"),
        (["--model", "fmn04", "--data", "DATA", "--split", "eval", "--metric", "psds3"], 2, "'psds"),
        (["--model", "fmn04", "--data", "DATA", "--split", "eval", "--median-window", "5000"], 2, "1,001"),
        (["--model", "fmn04", "--data", "DATA", "--split", "eval", "--median-window", "9 m"], 2, "360ms"),
        (["--model", "fmn04", "--data", "DATA", "--split", "eval", "--values", "logits"], 2, "is known"),
        (["--model", "fmn04", "--data", "DATA", "--split", "eval", "--on-problem", "no"], 2, "not 'no'"),
        (["--model", "fmn04", "--data", "DATA", "--split", "eval", "--threshold", "nan"], 2, "not nan"),
        (["--model", "fmn04", "--data", "DATA", "--split", "eval", "--device", "cuda"], 2, "CUDA"),
        (["--model", "fmn04", "--data", "DATA", "--split", "eval", "--plot", "roc.jpg"], 2, ".svg"),
    ],
)
def test_bad_input_is_one_clear_message_before_any_work(effbench, dataset, tmp_path, arguments, code, told):
    done = effbench("evaluate", *(str(dataset) if a == "DATA" else a for a in arguments))
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.npy"))


def test_clips_without_audio_are_told_or_refused(effbench, dataset, tmp_path):
    shutil.copytree(dataset, tmp_path / "less")
    next(iter(sorted((tmp_path / "less" / "audio" / "eval").iterdir()))).unlink()
    arguments = ["evaluate", "--model", "fmn01", "--data", "less", "--split", "eval", "--metric", "segment"]
    refused = effbench(*arguments, "--missing", "error")
    assert refused.returncode == 2
    assert "1 of 6 clips of the ground truth are missing" in refused.stderr
    assert "--missing skip" in refused.stderr
    assert not list(tmp_path.rglob("*.npz"))
    done = effbench(*arguments, "--format", "json")
    setting = json.loads(done.stdout)["setting"]
    assert (setting["clips"], setting["missing_clips"]) == (5, 1)
    assert setting["missing_events"].endswith(" %")
    assert "1 of 6 clips of the ground truth are missing" in done.stderr


def test_an_own_protocol_is_followed_stored_and_named(effbench, dataset, tmp_path):
    (tmp_path / "mine.yaml").write_text("title: mine\nmetrics: {segment: {seconds: 0.5}}\n")
    arguments = ["evaluate", "--model", "fmn01", "--data", dataset, "--split", "eval"]
    done = effbench(*arguments, "--protocol", "mine.yaml", "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["followed"]["metrics"] == {"segment": {"seconds": 0.5}}
    assert found["protocol"] == found["setting"]["protocol"]
    assert found["protocol"].startswith("mine-")
    with Store(tmp_path / "results" / "effbench.sqlite") as store:
        rows = store.read()
    assert [here["protocol"] for here in rows["environment"]] == [found["followed"]] * 3


def test_protocols_are_listed(effbench):
    done = effbench("evaluate", "--list-protocols", "--format", "csv")
    assert done.returncode == 0
    assert [line.split(",")[0] for line in done.stdout.splitlines()[1:]] == [
        *("dcase2016", "desed", "events", "maestro", "paper")
    ]


def test_nan_scores_are_refused_by_name(effbench, dataset, truth, tmp_path):
    opened = open_dataset(dataset, split="eval")
    labels = sorted({event.label for clip in opened for event in clip.events})
    folder = ScoreFolder.create(tmp_path / "scores", labels, {})
    for clip in opened.ids:
        folder.add(clip, np.full((250, len(labels)), np.nan, np.float32))
    done = effbench("evaluate", "--scores", "scores", "--ground-truth", truth)
    assert done.returncode == 2
    assert "NaN" in done.stderr
