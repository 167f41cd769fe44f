"""``effbench.train`` from Python: what it returns, keeps and refuses."""

import json
import signal

import pytest
import torch

from effbench.data.datasets import open_dataset
from effbench.data.synth import synthesise
from effbench.errors import CheckpointError, Stopped, UsageError
from effbench.models.checkpoints import read_checkpoint
from effbench.results.store import Store
from effbench.train.api import train
from tests.train.small import InterruptAt, save_model

pytest.importorskip("lightning")

CHANGES = ("data.crop_seconds=1", "batch.size=4", "batch.effective=8", "validation.every=1", "epochs=2")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return synthesise(tmp_path_factory.mktemp("api") / "set", clips=8, eval_clips=3, seconds=2)


def trained(data, runs, *changes, **options):
    return train(
        "fmn01",
        "synthetic-cpu",
        data,
        changes=(*CHANGES, *changes),
        runs=runs,
        device="cpu",
        loggers=(),
        **options,
    )


def test_a_result_shows_its_scores_and_its_rows_are_those_of_the_store(data, tmp_path):
    result = trained(data, tmp_path / "runs", name="a", store=tmp_path / "s.sqlite")
    assert result.folder == tmp_path / "runs" / "a"
    assert result.weights == result.folder / "best.pt"
    assert read_checkpoint(result.weights).spec.backbone == "fmn01"
    assert repr(result).startswith("<TrainingResult of fmn01: psds1 ")
    table, line = result.sections()
    assert table.title == "fmn01, best of 2 epochs"
    assert str(result.weights) in line
    content = json.loads(json.dumps(result.to_dict()))
    assert set(content["scores"]) == {"psds1", "psds1_penalised", "pauroc"}
    frame, kept = result.to_frame(), Store(tmp_path / "s.sqlite").read()
    assert list(frame["quantity"]) == list(kept["quantity"]) == list(content["scores"])
    assert list(frame["value"]) == list(kept["value"])
    fingerprint = open_dataset(data, split="eval").fingerprint()
    for conditions in kept["conditions"]:
        assert (conditions["fingerprint"], conditions["precision"]) == (fingerprint, "fp32")


def test_an_interrupted_run_is_resumed_to_the_same_scores(data, tmp_path):
    whole = trained(data, tmp_path, name="whole")
    threads, handler = torch.get_num_threads(), signal.getsignal(signal.SIGINT)
    progress = InterruptAt(1)
    with pytest.raises(Stopped, match="stopped after step 1 of 4"):
        trained(data, tmp_path, name="a", progress=progress, threads=threads + 1)
    assert progress.told == [("began", 0, 4), ("step", 1, 4), ("stopping",)]
    assert (torch.get_num_threads(), signal.getsignal(signal.SIGINT)) == (threads, handler)

    progress = InterruptAt()
    resumed = train(resume=tmp_path / "a", device="cpu", loggers=(), progress=progress)
    assert progress.told[0] == ("began", 1, 4)
    assert resumed.scores == whole.scores != {}
    assert (resumed.folder / "curves.png").is_file()


def test_a_run_whose_data_have_changed_since_is_not_resumed(tmp_path):
    place = synthesise(tmp_path / "set", clips=4, eval_clips=2, seconds=2)
    with pytest.raises(Stopped):
        trained(place, tmp_path, name="a", progress=InterruptAt(1))

    def refused(part, path, content):
        before = path.read_bytes()
        path.write_bytes(content)
        with pytest.raises(UsageError, match=rf"changed since the run began: {part} \('\w+' of .*set\)\n"):
            train(resume=tmp_path / "a", device="cpu", loggers=())
        path.write_bytes(before)

    first, second = sorted((place / "audio" / "eval").glob("*.flac"))
    refused("validation", first, second.read_bytes())
    table = place / "audioset_train_strong.tsv"
    refused("training", table, b"\n".join(table.read_bytes().splitlines()[:-1]))
    assert train(resume=tmp_path / "a", device="cpu", loggers=()).weights.is_file()


def test_a_run_resumes_without_the_file_that_it_was_initialised_from(data, tmp_path):
    start = save_model(tmp_path / "start.pt", ("Speech", "Dog"))
    with pytest.raises(Stopped):
        trained(data, tmp_path, f"initialise={start}", name="a", progress=InterruptAt(1))
    start.unlink()
    assert train(resume=tmp_path / "a", device="cpu", loggers=()).weights.is_file()
    with pytest.raises(CheckpointError, match="no checkpoint file at"):
        trained(data, tmp_path, f"initialise={start}", name="b")


def test_what_can_not_work_is_refused_in_words_of_python(data, tmp_path):
    with pytest.raises(UsageError, match="needs a model, a recipe and data, or a run to resume"):
        train("fmn01", "synthetic-cpu")
    with pytest.raises(UsageError, match="has its model, recipe, data and name already"):
        train("fmn01", resume=tmp_path)
    with pytest.raises(UsageError, match=r"means \d+ models: train one at a time"):
        train("fmn04+*", "synthetic-cpu", data)
    with pytest.raises(UsageError, match="needs pseudo labels") as caught:
        trained(data, tmp_path, "distillation=0.5")
    assert "--" not in str(caught.value)
    assert not list(tmp_path.iterdir())
