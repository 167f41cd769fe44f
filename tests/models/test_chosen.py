"""Which detector a model and a checkpoint stand for, and what it knows of itself."""

import json

import pytest

import effbench
from effbench.errors import CheckpointError, UsageError
from effbench.models.checkpoints import save_checkpoint
from effbench.models.chosen import choose_model
from tests.detect import heard
from tests.models import parity

CLASSES = ("bark", "meow", "purr")


@pytest.fixture
def run(tmp_path):
    """Folder of a run whose detector has three classes of its own."""
    folder = tmp_path / "runs" / "pets"
    folder.mkdir(parents=True)
    detector = effbench.build_model("fmn01", n_classes=3, seed=1)
    save_checkpoint(detector, folder / "best.pt", "fmn01", classes=CLASSES)
    return folder


def test_a_run_knows_its_model_and_its_classes(run):
    for checkpoint in (run, run / "best.pt"):
        chosen = choose_model(None, checkpoint)
        assert (chosen.spec, chosen.classes) == ("fmn01", CLASSES)
    detector = effbench.build_model("fmn01", checkpoint=run / "best.pt")
    assert detector.classes == CLASSES
    assert "classes" not in detector.state_dict()
    assert choose_model(detector).class_names == CLASSES
    assert effbench.build_model("fmn01").classes[0] == choose_model("fmn01").classes[0]
    assert choose_model(effbench.build_model("fmn01", n_classes=2)).class_names == ("class 0", "class 1")


def test_a_model_and_a_checkpoint_of_another_are_both_named(run):
    with pytest.raises(CheckpointError, match=r"best\.pt is a checkpoint of fmn01, not of fmn01\+gru-16"):
        choose_model("fmn01+gru-16", run)
    with pytest.raises(UsageError, match="no model is named"):
        choose_model(None)
    with pytest.raises(UsageError, match="'strong' checkpoints are published for many models"):
        choose_model(None, "strong")


def test_a_file_that_does_not_state_its_model_asks_for_it(tmp_path):
    path = parity.save(parity.renamed_state("fmn04"), tmp_path / "fmn04.pt")
    with pytest.raises(CheckpointError, match=r"fmn04\.pt does not say which model it is of"):
        choose_model(None, path)


@pytest.mark.parametrize(
    ("wanted", "file", "classes", "told"),
    [
        ("fmn04", "fmn01", 447, "a fmn04 backbone is needed"),
        ("fmn04", "fmn04", 3, "3 classes of events instead of 447"),
        ("fmn04+tf-104", "fmn04", 447, "no sequence model"),
    ],
)
def test_a_file_that_was_put_in_the_cache_is_what_its_card_says(
    wanted, file, classes, told, tmp_path, monkeypatch
):
    monkeypatch.setenv("EFFBENCH_CACHE", str(tmp_path))
    path = tmp_path / f"{wanted}_strong.pt"
    save_checkpoint(effbench.build_model(file, n_classes=classes, seed=0), path, file)
    for build in (
        lambda: choose_model(wanted, "strong"),
        lambda: effbench.build_model(wanted, checkpoint="strong"),
    ):
        with pytest.raises(CheckpointError, match=told) as caught:
            build()
        assert str(path) in str(caught.value)


def test_commands_take_the_model_of_a_run(effbench, run, tmp_path):
    heard.write(tmp_path / "a.wav", 1)
    done = effbench("detect", "a.wav", "--checkpoint", run, "--format", "json", "--threshold", 0)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["model"] == "fmn01"
    assert {event["label"] for event in document["files"][0]["events"]} == set(CLASSES)
    counted = effbench("profile", "--checkpoint", run, "--no-throughput", "--format", "json", "--no-store")
    assert json.loads(counted.stdout)[0]["spec"] == "fmn01"
    for command in (("detect", "a.wav"), ("profile",), ("pseudo-labels", "--data", ".", "--out", "x.h5")):
        refused = effbench(*command)
        assert refused.returncode == 2
        assert "give --model, or the --checkpoint of a run" in refused.stderr
    other = effbench("detect", "a.wav", "--model", "fmn02", "--checkpoint", run)
    assert other.returncode == 1
    assert "fmn01, not of fmn02" in other.stderr


def test_detection_from_python_takes_the_run_s_model_and_names_its_classes(run, tmp_path):
    path = heard.write(tmp_path / "a.wav", 1)
    for options in ({"checkpoint": run}, {"model": effbench.build_model("fmn01", checkpoint=run)}):
        (file,) = effbench.detect(path, thresholds=0, **options)
        assert set(file.events["label"]) == set(CLASSES)
