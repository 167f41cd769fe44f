"""Run folders that an earlier version made: they are read, scored with, and gone on with."""

import json
import shutil
from pathlib import Path

import pytest
import yaml

from effbench.data.synth import synthesise
from effbench.errors import Stopped
from effbench.models.checkpoints import read_content
from effbench.train.api import train
from effbench.train.runs import Run
from tests.train.small import InterruptAt

pytest.importorskip("lightning")

RUNS = Path(__file__).parents[1] / "fixtures" / "before" / "runs"


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """The clips that the runs were made with."""
    return synthesise(tmp_path_factory.mktemp("old") / "data", clips=6, eval_clips=4)


@pytest.fixture
def old_run(data, tmp_path):
    """A copy of a run whose data lie in ``data``, and whose recipe has other ``epochs``, if given."""

    def copy(name, epochs=None):
        folder = shutil.copytree(RUNS / name, tmp_path / name)
        about = json.loads((folder / "run.json").read_text())
        about["sources"]["data"] = str(data)
        (folder / "run.json").write_text(json.dumps(about))
        if epochs is not None:
            recipe = yaml.safe_load((folder / "recipe.yaml").read_text())
            (folder / "recipe.yaml").write_text(yaml.safe_dump(recipe | {"epochs": epochs}))
        return folder

    return copy


def test_the_best_weights_detect_and_score_what_their_training_noted(effbench, old_run, data):
    folder = old_run("small")
    model = ("--model", "fmn01", "--checkpoint", folder, "--format", "json")
    code, out, _ = effbench("detect", data / "audio" / "eval", *model, "--threshold", "0.1")
    assert code == 0
    assert json.loads(out)
    code, out, _ = effbench("evaluate", *model, "--data", data, "--split", "eval", "--no-store")
    assert code == 0
    best = Run.open(folder).rows()[0]
    assert json.loads(out)["values"]["pauroc"]["value"] == pytest.approx(best["pauroc"], abs=0.01)


def test_a_stopped_run_goes_on_to_what_its_own_version_would_have_computed(old_run):
    """Of epoch 2, in which the run was stopped after the first of six steps, as its own version ended it."""
    folder = old_run("stopped")
    with pytest.raises(Stopped, match="after step 13 of 360"):
        train(resume=folder, device="cpu", threads=1, loggers=(), progress=InterruptAt(13))
    (_, row) = Run.open(folder).rows()
    assert row["step"] == 12
    assert row["loss"] == pytest.approx(0.70374033, rel=1e-5)
    assert row["validation_loss"] == pytest.approx(0.68431062, rel=1e-4)
    # Ranks of few clips: where a processor rounds otherwise, two may change places, which is 0.70 of it.
    assert row["pauroc"] == pytest.approx(14.695878, abs=0.75)
    assert row["lr"] == pytest.approx(0.0018)


def test_the_command_goes_on_with_a_stopped_run(effbench, old_run):
    folder = old_run("stopped", epochs=2)
    code, out, err = effbench("train", "--resume", folder, "--threads", "1", "--no-store", "--logger", "none")
    assert code == 0
    assert "resuming after step 7 of 12" in err
    assert "fmn01, best of 2 epochs" in out
    assert read_content(folder / "last.pt")["training"]["position"]["step"] == 12
