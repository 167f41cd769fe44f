"""``effbench.evaluate`` from Python: models on data, and files of scores."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from effbench.data.datasets import open_dataset
from effbench.data.labels import encode_events
from effbench.data.synth import synthesise
from effbench.errors import DataError, EffbenchWarning, UsageError
from effbench.evaluate.api import evaluate
from effbench.infer.score_folder import ScoreFolder
from effbench.models.build import build_model
from effbench.results.store import Store
from tests.train.small import save_model


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return synthesise(tmp_path_factory.mktemp("data") / "set", clips=1, eval_clips=4)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def files(data, tmp_path):
    """A folder of perfect logits, and a table of the events that belong to them."""
    dataset = open_dataset(data, split="eval")
    labels = sorted({event.label for clip in dataset for event in clip.events})
    folder = ScoreFolder.create(tmp_path / "logits", labels, {})
    rows = []
    for clip in dataset:
        folder.add(clip.id, 8 * encode_events(clip.events, labels).T - 4)
        rows += [(clip.id, *event) for event in clip.events]
    truth = tmp_path / "truth.tsv"
    columns = ["filename", "onset", "offset", "event_label"]
    pd.DataFrame(rows, columns=columns).to_csv(truth, sep="\t", index=False)
    return {"scores": folder.path, "ground_truth": truth}


def test_a_spec_and_the_detector_behind_it_have_the_same_values(data, tmp_path):
    counts = []
    with pytest.warns(EffbenchWarning, match="untrained: the values are those of chance"):
        by_spec = evaluate(
            "fmn04",
            data=data,
            split="eval",
            metrics=["psds2", "segment"],
            store=tmp_path / "store.sqlite",
            progress=lambda *n: counts.append(n),
        )
    assert counts[-1] == (4, 4)
    (folder,) = (tmp_path / "results" / "scores").iterdir()
    assert by_spec.origin == {
        "model": "fmn04",
        "checkpoint": None,
        "seed": 0,
        "data": "set",
        "split": "eval",
        "fingerprint": open_dataset(data, split="eval").fingerprint(),
        "precision": "fp32",
        "scores": str(folder.relative_to(tmp_path)),
    }
    assert repr(by_spec).startswith("<Evaluation of fmn04 on set: psds2 ")
    assert len(ScoreFolder.open(folder)) == 4
    with Store(tmp_path / "store.sqlite") as store:
        kept = store.read(specs=["fmn04"])
    assert set(kept["quantity"]) == set(by_spec.values)
    assert {conditions["data"] for conditions in kept["conditions"]} == {"set"}

    before = set(tmp_path.rglob("*"))
    detector = build_model("fmn04", seed=0)
    opened = open_dataset(data, split="eval")
    by_detector = evaluate(detector, data=opened, metrics=["psds2", "segment"])
    assert by_detector.values == by_spec.values
    assert by_spec.values["segment_f1"].value > 0.1
    assert set(tmp_path.rglob("*")) == before


def test_rows_of_a_data_set_that_are_no_events_are_said_or_refused(tmp_path):
    folder = synthesise(tmp_path / "own", clips=1, eval_clips=2)
    table = folder / "audioset_eval_strong.tsv"
    first = table.read_text().splitlines()[1].split("\t")
    with table.open("a") as rows:
        rows.write("\t".join([first[0], "2.0", "1.0", first[3]]) + "\n")
    options = {"data": folder, "split": "eval", "metrics": ["segment"], "keep_scores": "no"}
    with pytest.warns(EffbenchWarning, match=r"2.0 to 1.0: onset is not before offset \(1 bad row.*left out"):
        evaluate("fmn01", **options)
    with pytest.raises(DataError, match="onset is not before offset"), pytest.warns(EffbenchWarning):
        evaluate("fmn01", **options, on_problem="error")


def test_a_table_and_its_folder_are_kept_apart(data):
    table = data / "audioset_eval_strong.tsv"
    with pytest.warns(EffbenchWarning):
        evaluation = evaluate("fmn04", data=table, metrics=["segment"], work="logits")
    assert evaluation.origin["data"] == table.name
    assert len(ScoreFolder.open(Path("logits"))) == evaluation.clips == 4


def test_files_of_scores_are_held_against_a_table(files, data):
    evaluation = evaluate(**files, metrics=["psds1", "segment"], median_window=1)
    assert evaluation.values["psds1"].value == pytest.approx(1.0)
    assert evaluation.values["segment_error_rate"].value == 0.0
    assert evaluation.origin == {"model": str(files["scores"]), "data": "truth.tsv"}


def test_durations_may_come_from_a_table(files, tmp_path):
    """Ten times as long clips have a tenth of the false positives per hour."""
    logits = ScoreFolder.open(files["scores"])
    for clip in list(logits):
        noise = np.random.default_rng(0).normal(size=logits[clip].shape)
        logits.add(clip, (logits[clip] / 4 + noise).astype(np.float32))
    table = tmp_path / "durations.csv"
    table.write_text("".join(f"{clip},100\n" for clip in logits))
    short, long = (evaluate(**files, metrics=["psds1"], durations=path) for path in (None, table))
    assert short.values["psds1"].value < long.values["psds1"].value < 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "a model on a data set, or of scores against ground truth"),
        ({"model": "fmn04"}, "a model on a data set"),
        ({"model": "fmn04", "data": "DATA", "scores": "scores"}, "a model on a data set"),
        ({"scores": "FILES", "store": "store.sqlite"}, "by their specs"),
        ({"model": "DETECTOR", "data": "DATA", "store": "store.sqlite"}, "by their specs"),
        ({"model": "DETECTOR", "data": "DATA", "split": "eval", "work": "logits"}, "by their specs"),
        ({"model": "DETECTOR", "data": "DATA", "split": "eval", "checkpoint": "strong"}, "has its weights"),
        ({"model": "fmn04", "data": "OPEN", "split": "eval"}, "has its layout, split and audio already"),
        ({"model": "fmn04", "data": "DATA", "split": "eval", "engine": "fast"}, "unknown engine 'fast'"),
        ({"model": "fmn04", "data": "DATA", "split": "eval", "median_window": 0}, "1 or more, not 0"),
        ({"model": "fmn04", "data": "DATA", "split": "eval", "metrics": ["psds3"]}, "unknown metric"),
    ],
)
def test_what_can_t_be_done_is_said_before_any_work(files, data, tmp_path, arguments, message):
    known = {
        "DATA": lambda: data,
        "OPEN": lambda: open_dataset(data, split="eval"),
        "DETECTOR": lambda: build_model("fmn04", seed=0),
    }
    given = {key: known[value]() if str(value) in known else value for key, value in arguments.items()}
    if given.get("scores") == "FILES":
        given |= files
    with pytest.raises(UsageError, match=message):
        evaluate(**given)
    assert not (tmp_path / "results").exists()
    assert not (tmp_path / "store.sqlite").exists()


def test_classes_that_a_model_and_data_do_not_share_are_said_before_the_first_clip(data, tmp_path):
    def told(done, total):
        raise AssertionError("a clip was scored")

    dataset = open_dataset(data, split="eval")
    present = sorted({event.label for clip in dataset for event in clip.events})
    others = save_model(tmp_path / "others.pt", ("Kazoo", "Spoons"))
    with pytest.raises(DataError) as caught:
        evaluate("fmn01", data=dataset, checkpoint=others, progress=told)
    first, theirs, own = str(caught.value).splitlines()
    assert first == f"{data}: none of its events ('eval') is of a class that the model has"
    assert theirs.startswith(f"Data: {present[0]}; ")
    assert own == "Model: Kazoo; Spoons"

    some = save_model(tmp_path / "some.pt", ("Kazoo", *present[1:]))
    assert f"events of 1 class without scores were left out: {present[0]}" in (
        evaluate("fmn01", data=dataset, checkpoint=some).notes
    )
    with pytest.raises(DataError, match=f"events that the model has no class for .{present[0]}"):
        evaluate("fmn01", data=dataset, checkpoint=some, protocol="dcase2016", progress=told)
