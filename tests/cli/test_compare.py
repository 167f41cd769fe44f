"""``effbench compare``: two folders of scores, or kept logits, on the same ground truth."""

import json

import numpy as np
import pandas as pd
import pytest

from effbench.data.datasets import open_dataset
from effbench.data.synth import synthesise

CLASSES = ["Bark", "Siren"]


@pytest.fixture
def systems(tmp_path):
    """Folders ``good`` and ``worse`` of score tables, and ``truth.tsv``."""
    generator = np.random.default_rng(0)
    events = []
    for folder in ("good", "worse"):
        (tmp_path / folder).mkdir()
    bounds = np.round(np.arange(51) * 0.04, 6)
    for number in range(8):
        active = np.zeros((50, 2))
        start = int(generator.integers(5, 20))
        active[start : start + 20, number % 2] = 0.8
        times = {"onset": bounds[start], "offset": bounds[start + 20]}
        events.append({"filename": f"{number}.wav", **times, "event_label": CLASSES[number % 2]})
        for folder, noise in {"good": 0.05, "worse": 0.6}.items():
            values = np.clip(active + 0.1 + noise * generator.standard_normal(active.shape), 0, 1)
            values[:, 1] = (active[:, 1] + 0.1) if folder == "good" else values[:, 1]
            table = pd.DataFrame(values, columns=CLASSES)
            table.insert(0, "offset", bounds[1:])
            table.insert(0, "onset", bounds[:-1])
            table.to_csv(tmp_path / folder / f"{number}.tsv", sep="\t", index=False)
    pd.DataFrame(events).to_csv(tmp_path / "truth.tsv", sep="\t", index=False)
    return tmp_path


def test_two_folders_are_compared(effbench, systems):
    arguments = ["compare", "good", "worse", "--ground-truth", "truth.tsv", "--metric", "psds1"]
    done = effbench(*arguments, "--format", "json", "--plot", "changes.svg")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    each = [
        json.loads(
            effbench(
                *("evaluate", "--scores", name, "--ground-truth", "truth.tsv", "--metric", "psds1"),
                *("--format", "json"),
            ).stdout
        )["values"]["psds1"]
        for name in ("good", "worse")
    ]
    difference = found["differences"]["psds1"]
    assert difference["difference"] == pytest.approx(each[1]["value"] - each[0]["value"], abs=1e-3)
    assert difference["low"] <= difference["difference"] <= difference["high"]
    assert found["a"]["values"]["psds1"] == each[0]
    assert [row["class"] for row in found["per_class"]["psds1"]] == [
        row["class"] for row in sorted(found["per_class"]["psds1"], key=lambda row: -abs(row["difference"]))
    ]
    assert (systems / "changes.svg").stat().st_size > 1000
    assert "changes of psds1 in changes.svg" in done.stderr
    shown = effbench(*arguments)
    assert "a: good" in shown.stdout
    assert "psds1, %: the 2 of 2 classes that changed most" in shown.stdout
    assert "left out in" not in shown.stdout
    rows = effbench(*arguments, "--per-class", "--format", "csv").stdout.splitlines()
    assert rows[0] == "metric,class,a,b,difference,low,high"
    assert len(rows) == 3


def test_clips_that_one_system_lacks_or_names_otherwise(effbench, systems):
    arguments = ["compare", "good", "worse", "--ground-truth", "truth.tsv", "--metric", "psds1"]
    plain = effbench(*arguments, "--format", "json")
    (systems / "worse" / "audio").mkdir()
    for number in range(8):
        (systems / "worse" / f"{number}.tsv").rename(systems / "worse" / "audio" / f"{number}.wav.tsv")
    good, worse = systems / "good", systems / "worse" / "audio"
    for number in range(6):
        (good / f"{number}.tsv").rename(good / f"Y{number}aaaaaaaaaa_30.000_40.000.tsv")
        (worse / f"{number}.wav.tsv").rename(worse / f"{number}aaaaaaaaaa.tsv")
    truth = (systems / "truth.tsv").read_text()
    for number in range(6):
        truth = truth.replace(f"\n{number}.wav", f"\nY{number}aaaaaaaaaa_30000.wav")
    (systems / "truth.tsv").write_text(truth)
    named = effbench(*arguments, "--format", "json")
    assert named.returncode == 0, named.stderr
    found, expected = (json.loads(done.stdout)["differences"]["psds1"] for done in (named, plain))
    assert (found["a"], found["b"]) == (expected["a"], expected["b"])
    assert "scores (worse): names are ids of YouTube" in named.stderr
    (good / "7.tsv").unlink()
    (worse / "0aaaaaaaaaa.tsv").unlink()
    refused = effbench(*arguments)
    assert refused.returncode == 2
    assert "error: good: 1 of 8 clips of the ground truth are missing" in refused.stderr
    assert "--missing skip" in refused.stderr
    skipped = effbench(*arguments, "--missing", "skip", "--format", "json")
    assert skipped.returncode == 0, skipped.stderr
    assert skipped.stderr.count("2 of 8 clips of the ground truth are missing") == 1
    found = json.loads(skipped.stdout)
    assert (found["a"]["clips"], found["b"]["setting"]["missing_clips"]) == (6, 2)


def test_clips_that_last_longer_for_one_system_are_told(effbench, systems):
    for number in range(8):
        table = systems / "worse" / f"{number}.tsv"
        table.write_text("\n".join(table.read_text().splitlines()[:41]) + "\n")
    arguments = ["compare", "good", "worse", "--ground-truth", "truth.tsv", "--metric", "psds1"]
    told = "clips last 16 s in all by the scores of the first system, 12.8 s by those of the second"
    assert told in effbench(*arguments).stderr
    (systems / "durations.csv").write_text("".join(f"{number}.wav,2\n" for number in range(8)))
    assert told not in effbench(*arguments, "--durations", "durations.csv").stderr


def test_lists_of_events_are_compared(effbench, systems):
    truth = (systems / "truth.tsv").read_text()
    head, *events = truth.splitlines(keepends=True)
    (systems / "half.tsv").write_text(head + "".join(events[:4]) + "7.wav\t0\t0.1\tHorn\n")
    lists = ["compare", "truth.tsv", "half.tsv", "--ground-truth", "truth.tsv", "--format", "json"]
    done = effbench(*lists, "--events", "--metric", "event_f1", "--metric", "intersection_f1")
    assert done.returncode == 0, done.stderr
    differences = json.loads(done.stdout)["differences"]
    assert differences["event_f1"]["a"] == 100
    assert differences["event_f1"]["b"] == pytest.approx(100 * 8 / 13, abs=1e-4)
    assert effbench(*lists).stderr.endswith("Give it as --events.\n")


def test_kept_logits_are_named_by_their_spec(effbench, tmp_path):
    synthesise(tmp_path / "set", clips=2, eval_clips=4, seconds=2.0)
    for model in ("fmn01", "fmn02"):
        done = effbench("evaluate", "--model", model, "--data", "set", "--split", "eval", "--no-store")
        assert done.returncode == 0, done.stderr
    table = open_dataset(tmp_path / "set", split="eval").to_frame()
    table.columns = ["filename", "onset", "offset", "event_label"]
    table.to_csv(tmp_path / "eval.tsv", sep="\t", index=False)
    arguments = ["--ground-truth", "eval.tsv", "--metric", "segment", "--format", "csv"]
    done = effbench("compare", "FMN01", "fmn02", *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "score,a,b,difference,low,high,unit"
    done = effbench("compare", "fmn01", "fmn03", *arguments)
    assert done.returncode == 2
    assert "no logits are kept of fmn03 under results/scores" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["good", "none", "--ground-truth", "truth.tsv"], "no scores in 'none'"),
        (["good", "worse"], "--ground-truth"),
        (["good", "worse", "--ground-truth", "truth.tsv", "--plot", "a.gif"], ".svg"),
        (["good", "worse", "--ground-truth", "truth.tsv", "--metric", "psds"], "did you mean 'psds2'"),
    ],
)
def test_what_can_t_be_compared_is_said_in_words(effbench, systems, arguments, told):
    done = effbench("compare", *arguments)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr
