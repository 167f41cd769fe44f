"""Inference by workers of a Ray cluster has the values of one machine, also where workers die."""

import json
import os
import signal
import time
from dataclasses import replace
from functools import partial
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import psutil
import pytest
import soundfile
import torch

from effbench.data.datasets import open_dataset
from effbench.errors import DeviceError, EffbenchError, UsageError
from effbench.infer.dataset import dataset_scores
from effbench.infer.on_cluster import ClusterWorkers, Work
from effbench.infer.score_files import read_scores
from effbench.infer.scorer import Inference
from effbench.machine.cluster import connect
from effbench.models.chosen import choose_model
from tests.command import started

pytest.importorskip("ray")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address():
    from ray.cluster_utils import Cluster

    started = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
    yield started.address
    started.shutdown()


@pytest.fixture
def workers(address):
    ray = connect(address)
    yield ClusterWorkers(ray, threads=1, count=2)
    ray.shutdown()


@pytest.fixture
def cluster(address):
    """Options of commands that run there, by two workers."""
    return ("--executor", "ray", "--address", address)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def write_audio(folder, count=70):
    random = np.random.default_rng(0)
    folder.mkdir()
    for number in range(count):
        seconds = 11 if number % 30 == 7 else 1 + number % 2
        soundfile.write(folder / f"{number:03}.wav", random.normal(0, 0.1, seconds * 16000), 16000)


def test_detection_gives_the_same_events_scores_and_errors(effbench, cluster, tmp_path):
    write_audio(tmp_path / "audio")
    (tmp_path / "audio" / "041.wav").write_bytes(b"no audio")
    # Logits of transformers depend on what is in a batch.
    command = ("detect", "audio", "--model", "fmn01+tf-64", "--threshold", 0.1, "--batch-size", 3)
    command += ("--format", "csv", "--threads", 1)
    here = effbench(*command, "--out", "here", "--scores", "here-scores")
    there = effbench(*command, "--out", "there", "--scores", "there-scores", *cluster)
    assert (here.returncode, there.returncode) == (1, 1)
    told = [[line for line in done.stderr.splitlines() if "041" in line] for done in (here, there)]
    assert told[0] == told[1] != []
    events = sorted(path.name for path in (tmp_path / "here").glob("*.csv"))
    assert len(events) == 69
    for name in events:
        assert (tmp_path / "here" / name).read_bytes() == (tmp_path / "there" / name).read_bytes()
        name = name.replace(".csv", ".parquet")
        frames = [pd.read_parquet(tmp_path / folder / name) for folder in ("here-scores", "there-scores")]
        pd.testing.assert_frame_equal(*frames, check_exact=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("toys")
    write_audio(folder / "audio", 34)
    events = ["filename\tonset\toffset\tevent_label"]
    events += [f"{number:03}.wav\t0.1\t0.9\tSpeech" for number in range(34)]
    (folder / "eval.tsv").write_text("\n".join(events) + "\n")
    return folder


@pytest.fixture(scope="module")
def toys(folder):
    return open_dataset(folder / "eval.tsv", audio=folder / "audio")


def kill_a_worker():
    scoring = [process for process in psutil.process_iter() if "ray::MapWorker" in process.name()]
    os.kill(scoring[0].pid, signal.SIGKILL)


def test_scores_of_a_data_set_are_the_same_also_if_a_worker_is_killed(workers, toys):
    model, inference, names = choose_model("fmn01+tf-64"), Inference(batch_size=3), [*toys.ids] * 8
    here = dataset_scores(toys, names, [model.detector], inference)
    there = dataset_scores(toys, names, [model.detector], inference, workers)
    for number, ((clip, mine), (other, theirs)) in enumerate(zip(here, there, strict=True)):
        assert clip == other == names[number]
        np.testing.assert_array_equal(mine, theirs)
        if number == 0:
            kill_a_worker()


def test_evaluation_and_pseudo_labels_are_the_same(effbench, folder, cluster, tmp_path):
    data = ("--data", folder / "eval.tsv", "--audio", folder / "audio", "--model", "fmn01+tf-64")
    scores = ("evaluate", *data, "--batch-size", 3, "--threads", 1, "--no-store", "--format", "json")
    here = effbench(*scores, "--work", "here")
    there = effbench(*scores, "--work", "there", *cluster)
    assert (here.returncode, there.returncode) == (0, 0), there.stderr
    mine, theirs = (json.loads(done.stdout) for done in (here, there))
    assert {"seconds"} >= {name for name in mine if mine[name] != theirs[name]}
    labels = ("pseudo-labels", *data, "--batch-size", 3, "--threads", 1)
    assert effbench(*labels, "--out", "here.h5").returncode == 0
    assert effbench(*labels, "--out", "there.h5", *cluster).returncode == 0
    assert_same_labels(tmp_path / "here.h5", tmp_path / "there.h5")


def assert_same_labels(one, other):
    with h5py.File(one) as mine, h5py.File(other) as theirs:
        assert list(mine) == list(theirs)
        for name in mine:
            np.testing.assert_array_equal(mine[name][()], theirs[name][()])


def written(folder):
    files = [*folder.glob("[!.]*.csv"), *folder.glob("[!.]*.npz")]
    return {path: path.stat().st_mtime_ns for path in files}


def killed_and_resumed(effbench, folder, command, out):
    """Kills a command as soon as some of ``out`` is written, and runs it again; what was done stays.

    The last file may not have been noted as done when the command was killed.
    """
    with started(folder, *command) as driver:
        try:
            while len(before := written(folder / out)) < 2:
                assert driver.poll() is None, driver.stderr.read()
                time.sleep(0.01)
        finally:
            driver.kill()
    assert driver.returncode == -signal.SIGKILL
    done = effbench(*command)
    assert done.returncode == 0, done.stderr
    del before[max(before, key=before.__getitem__)]
    assert before.items() <= written(folder / out).items()


def test_a_command_that_is_killed_goes_on_to_the_same_scores(effbench, folder, cluster, tmp_path):
    # The last bits of a score depend on its neighbours in a batch, and a resumed run has others.
    how = ("--model", "fmn01", "--batch-size", 1, "--threads", 1)
    cluster += ("--workers", 1)
    detect = ("detect", folder / "audio", *how, "--format", "csv")
    assert effbench(*detect, "--out", "here").returncode == 0
    killed_and_resumed(effbench, tmp_path, (*detect, "--out", "there", *cluster), "there")
    mine, theirs = (sorted((tmp_path / name).glob("*.csv")) for name in ("here", "there"))
    assert [path.read_bytes() for path in mine] == [path.read_bytes() for path in theirs]
    evaluate = ("evaluate", "--data", folder / "eval.tsv", "--audio", folder / "audio", *how, "--no-store")
    assert effbench(*evaluate, "--work", "one").returncode == 0
    killed_and_resumed(effbench, tmp_path, (*evaluate, "--work", "two", *cluster), "two")
    mine, theirs = (read_scores(tmp_path / name).scores for name in ("one", "two"))
    assert sorted(mine) == sorted(theirs)
    for clip in mine:
        np.testing.assert_array_equal(mine[clip], theirs[clip])


def note(folder, what, number, *decoded):
    (folder / f"{what}-{number}").touch()
    time.sleep(0.1 if decoded else 0)
    return number if decoded else np.zeros(1 << 22)


def noting(folder):
    return Work(partial(note, folder, "decoded"), partial(note, folder, "scored"))


def test_decoding_waits_for_slow_takers(workers, tmp_path):
    results = workers.run(range(90), noting(tmp_path), Inference())
    first = next(results)
    time.sleep(2)
    # 32 MB each, of the 1 GB that two workers may have waiting.
    assert len(list(tmp_path.glob("decoded-*"))) < 60
    assert [first, *results] == list(range(90))


def test_audio_that_a_machine_cannot_see_is_named(workers, tmp_path):
    with pytest.raises(EffbenchError, match=r"can.t see .nowhere\.wav.: audio must lie where"):
        workers.check(Path("nowhere.wav"))


def test_more_workers_than_there_is_room_for_are_refused(workers):
    many = replace(workers, count=1000)
    with pytest.raises(EffbenchError, match=r"room for \d+ workers of 1 CPU each, not for 1000"):
        next(many.run([0], noting(Path()), Inference()))


def test_a_cluster_without_a_gpu_says_so(workers):
    assert workers.inference("auto").device == "cpu"
    with pytest.raises(DeviceError, match="no machine of the cluster has a GPU for 'cuda'"):
        workers.inference("cuda")
    with pytest.raises(UsageError, match="Ray chooses the GPU"):
        workers.inference("cuda:1")


def test_what_does_not_go_on_a_cluster_is_refused(effbench):
    for arguments, message in {
        ("--workers", 2): "--address and --workers are of a Ray cluster: give --executor ray",
        ("--executor", "ray", "--plot", "x.png"): "figures and standard input stay here",
    }.items():
        done = effbench("detect", "x.wav", "--model", "fmn01", *arguments)
        assert done.returncode == 2
        assert message in done.stderr
