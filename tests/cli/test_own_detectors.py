"""A detector of one's own through the commands: trained, scored, heard, guarded."""

import json

import pytest

import effbench
from effbench.errors import CheckpointError
from effbench.models.checkpoints import save_checkpoint
from effbench.models.chosen import choose_model
from effbench.results.store import Store
from tests.models import own_files

MODEL = "small=./detector.py:detector?width=2"
CHEAP = ("--set", "epochs=1", "--set", "data.crop_seconds=1", "--threads", "1", "--logger", "none")
AUDIO = "synthetic/audio/eval/Yeval0000000.flac"


@pytest.fixture
def mine(tmp_path):
    own_files.write(tmp_path)
    effbench.synthesise(tmp_path / "synthetic", clips=4, eval_clips=2, seconds=1.0)
    return tmp_path


def test_it_is_trained_scored_and_heard(effbench, mine):
    done = effbench("train", "--model", MODEL, "--recipe", "synthetic-cpu", "--data", "synthetic", *CHEAP)
    assert done.returncode == 0, done.stderr
    run = "runs/synthetic-cpu_small_seed0"
    scored = ("--data", "synthetic", "--split", "eval", "--format", "json")
    done = effbench("evaluate", "--model", MODEL, "--checkpoint", run, *scored)
    assert done.returncode == 0, done.stderr
    setting = json.loads(done.stdout)["setting"]
    assert setting["model"] == "small"
    assert setting["code"].startswith("detector.py:detector?width=2 (sha256 ")
    with Store(mine / "results" / "effbench.sqlite") as store:
        rows = store.latest(specs=["small"], quantities=["psds1"])
    assert len(rows) == 2
    assert set(rows["code"]) == {setting["code"]}

    done = effbench("detect", AUDIO, "--model", MODEL, "--checkpoint", run, "--format", "json")
    assert done.returncode == 0, done.stderr
    done = effbench("detect", AUDIO, "--checkpoint", run)
    assert (done.returncode, done.stdout) == (2, "")
    assert "is of the model 'small', which is somebody's own code: name the model as well" in done.stderr
    done = effbench("train", "--resume", run)
    assert "name the model as well" in done.stderr
    done = effbench("train", "--resume", run, "--model", "./detector.py:detector?width=3")
    assert (done.returncode, "trains 'small=" in done.stderr) == (2, True)
    assert effbench("train", "--resume", run, "--model", MODEL, *CHEAP[4:]).returncode == 0
    (mine / "detector.py").write_text(own_files.DETECTOR + "\n# changed\n")
    done = effbench("train", "--resume", run, "--model", MODEL, *CHEAP[4:])
    assert done.returncode == 2
    assert "and its code is now detector.py:detector?width=2 (sha256 " in done.stderr


def test_a_file_of_weights_fits_its_model_alone(mine, monkeypatch):
    monkeypatch.chdir(mine)
    detector = effbench.build_model(MODEL, n_classes=3, seed=1)
    assert (detector.strong_head.out_features, detector.weak_head.out_features) == (3, 3)
    path = mine / "w.pt"
    save_checkpoint(detector, path, MODEL, classes=("a", "b", "c"))
    chosen = choose_model("other=./detector.py:detector?width=2", path)
    assert (chosen.spec, chosen.classes) == ("other", ("a", "b", "c"))
    for other in ("./detector.py:detector?width=1", "./detector.py:rigid", "fmn01"):
        with pytest.raises(CheckpointError, match=r"w\.pt is a checkpoint of small="):
            choose_model(other, path)


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (
            "./network.py:Net",
            "is no detector: that is an effbench.SoundEventDetector",
        ),
        ("./detector.py:rigid", "outputs where 4 are needed: give its factory an argument n_classes"),
        (
            "./detector.py:slow",
            "a frame for each 40 ms, not Predictions of (1, 4, 125) and (1, 4)",
        ),
        ("./detector.py:bare", "gives effbench.Predictions of (1, 4, 250) and (1, 4) for"),
        ("./detector.py:wrong?n_classes=4", "has no argument 'n_classes'"),
    ],
)
def test_what_is_no_detector_for_the_data_is_refused(effbench, mine, model, said):
    (mine / "network.py").write_text(own_files.NETWORK.replace("self, x, *, scale=None", "self, x"))
    model += "?input=1,1,8,8" if "network" in model else ""
    done = effbench("train", "--model", model, "--recipe", "synthetic-cpu", "--data", "synthetic", *CHEAP)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert not (mine / "runs").exists()


def test_it_is_guarded_against_regressions(effbench, mine):
    arguments = ("--model", MODEL, "--baseline", "now.json")
    assert effbench("regress", "save", *arguments).returncode == 0
    assert effbench("regress", "check", *arguments).returncode == 0
    (mine / "detector.py").write_text(own_files.DETECTOR.replace("8 * width, 3, padding=1", "8 * width, 1"))
    done = effbench("regress", "check", *arguments)
    assert (done.returncode, "small" in done.stdout) == (1, True)


def test_it_is_shown_and_studied(effbench, mine):
    done = effbench("models", "show", MODEL)
    assert "strong_head" in done.stdout
    study = "title: mine\nmodels: [{}, {}]\ntasks: {{complexity: {{}}}}\n"
    (mine / "study.yaml").write_text(study.format(f"'{MODEL}'", "fmn01"))
    for done_now in (2, 0, 1):
        done = effbench("study", "run", "study.yaml")
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("complexity") == done_now
        if done_now == 0:
            (mine / "detector.py").write_text(own_files.DETECTOR + "\n# changed\n")
    (mine / "study.yaml").write_text(study.format("a=./detector.py:detector", "a=./detector.py:rigid"))
    done = effbench("study", "run", "study.yaml")
    assert (done.returncode, "two models are called a" in done.stderr) == (1, True), done.stderr
