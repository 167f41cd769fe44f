import os
import signal
import subprocess
import sys

import numpy as np
import psutil
import pytest
import soundfile
import torch

from effbench.data.datasets import open_dataset
from effbench.data.pseudo_label_files import PseudoLabelWriter
from effbench.data.synth import SOUNDS, synthesise
from effbench.errors import AudioError, EffbenchError
from effbench.train.feed.bench import STAGES, measure_loader, profile_loading
from effbench.train.feed.loader import collate, make_loader
from effbench.train.feed.pieces import TrainingItems, ValidationItems
from effbench.train.feed.samplers import Draw, EpochBatches

pytest.importorskip("h5py")

CLASSES = tuple(SOUNDS)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Ten clips of 4 s, and pseudo labels for them."""
    folder = tmp_path_factory.mktemp("loader") / "set"
    synthesise(folder, clips=10, eval_clips=3, seconds=4)
    ids = open_dataset(folder, split="train").ids
    path = folder.with_name("pseudo.hdf5")
    with PseudoLabelWriter(path, [f"{name}.flac" for name in ids], len(CLASSES), {}) as file:
        for seed in range(len(ids)):
            file.add(seed, np.random.default_rng(seed).normal(size=(250, len(CLASSES))), "audio")
        file.finish()
    return folder


@pytest.fixture
def items(folder):
    dataset = open_dataset(folder, split="train", pseudo_labels=folder.with_name("pseudo.hdf5"))
    return TrainingItems(dataset, classes=CLASSES, seconds=2.0, weak_classes=CLASSES)


def loaded(items, workers, epochs=2):
    sampler = EpochBatches(len(items), batch_size=6, seed=3)
    loader = make_loader(items, sampler, workers=workers)
    batches = []
    for epoch in range(epochs):
        sampler.set_epoch(epoch)
        batches += [batch.to("cpu") for batch in loader]
    return batches


def test_batches_do_not_depend_on_the_number_of_workers(items):
    alone, shared = loaded(items, 0), loaded(items, 2)
    assert len(alone) == len(shared) == 8
    for one, other in zip(alone, shared, strict=True):
        assert (one.clips, one.starts, one.frames, one.seeds) == (
            other.clips,
            other.starts,
            other.frames,
            other.seeds,
        )
        for name in ("waveform", "labels", "pseudo", "weak"):
            assert torch.equal(getattr(one, name), getattr(other, name))
    assert sum(map(len, alone[:4])) == len(items) == 20
    assert [batch.starts for batch in alone[:4]] != [batch.starts for batch in alone[4:]]


@pytest.mark.parametrize("workers", [0, 1])
def test_loading_leaves_the_random_numbers_of_torch_alone(items, workers):
    before = torch.get_rng_state()
    loaded(items, workers, epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_batch_is_its_items_in_float32(items):
    draws = [Draw(4, 11), Draw(0, 12)]
    batch = collate([items[draw] for draw in draws]).to("cpu")
    assert batch.seeds == (11, 12)
    for row, draw in enumerate(draws):
        item = items[draw]
        assert (batch.clips[row], batch.starts[row], batch.frames[row]) == (item.clip, item.start, 50)
        np.testing.assert_array_equal(batch.waveform[row], item.waveform)
        np.testing.assert_array_equal(batch.labels[row], item.labels)
        np.testing.assert_array_equal(batch.weak[row], item.weak)
        whole = items.dataset.clip(item.clip).pseudo()[:, item.start : item.start + 50]
        np.testing.assert_allclose(batch.pseudo[row], whole, rtol=1e-6)
    assert {t.dtype for t in (batch.waveform, batch.labels, batch.weak, batch.pseudo)} == {torch.float32}
    assert batch.waveform.shape == (2, 32_000)
    assert batch.labels.shape == batch.pseudo.shape == (2, len(CLASSES), 50)
    assert torch.equal(batch.to("cpu").labels, batch.labels)


def test_what_a_data_set_does_not_have_is_not_there(folder):
    items = TrainingItems(open_dataset(folder, split="train"), classes=CLASSES)
    batch = collate([items[Draw(0, 0)]])
    assert batch.pseudo is None
    assert batch.weak is None
    assert batch.to("cpu").pseudo is None


def test_beyond_the_pseudo_labels_the_probability_is_zero(folder):
    dataset = open_dataset(folder, split="train", pseudo_labels=folder.with_name("pseudo.hdf5"))
    items = TrainingItems(dataset, classes=CLASSES, seconds=12.0)
    batch = collate([items[Draw(0, 0)]]).to("cpu")
    assert (batch.pseudo[:, :, :250] > 0).all()
    assert not batch.pseudo[:, :, 250:].any()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="page-locked memory needs a GPU")
def test_pinned_batches_unpack_on_the_gpu(items):
    sampler = EpochBatches(len(items), batch_size=6, seed=3)
    for packed in make_loader(items, sampler, workers=1, pin_memory=True):
        assert packed.waveform.is_pinned()
        assert packed.labels.is_pinned()
        batch = packed.to("cuda", non_blocking=True)
        plain = packed.to("cpu")
        assert torch.equal(batch.labels.cpu(), plain.labels)
        torch.testing.assert_close(batch.pseudo.cpu(), plain.pseudo)


@pytest.mark.parametrize("workers", [0, 1])
def test_an_epoch_goes_on_after_a_broken_off_one(items, workers):
    sampler = EpochBatches(len(items), batch_size=6, seed=3)
    loader = make_loader(items, sampler, workers=workers)
    sampler.set_epoch(0)
    expected = [batch.seeds for batch in loader]
    iterator = iter(loader)
    assert next(iterator).seeds == expected[0]
    sampler.start = 2
    assert [batch.seeds for batch in loader] == expected[2:]


@pytest.mark.parametrize("workers", [0, 1])
def test_errors_of_a_clip_arrive_as_they_were(tmp_path, workers):
    synthesise(tmp_path / "set", clips=3, eval_clips=1, seconds=1)
    items = TrainingItems(open_dataset(tmp_path / "set", split="train"), classes=CLASSES)
    path = tmp_path / "set" / "audio" / "train" / "Ytrain000001.flac"
    path.write_bytes(b"no audio")
    loader = make_loader(items, EpochBatches(3, batch_size=3, seed=0), workers=workers)
    with pytest.raises(AudioError) as raised:
        list(loader)
    assert str(raised.value) == f"{path}: no audio that can be decoded (Format not recognised)"


@pytest.mark.skipif(os.name != "posix", reason="processes are killed")
def test_a_killed_loading_process_is_one_readable_error(items):
    loader = make_loader(items, EpochBatches(len(items), batch_size=1, seed=0), workers=1, prefetch=1)
    batches = iter(loader)
    next(batches)
    (worker,) = loader._iterator._workers
    os.kill(worker.pid, signal.SIGKILL)
    with pytest.raises(EffbenchError, match=r"^a loading process was killed .*: try fewer workers$"):
        list(batches)
    loader.close()


def test_windows_keep_their_order_with_workers(tmp_path):
    (tmp_path / "16000" / "test").mkdir(parents=True)
    (tmp_path / "labelvocabulary.csv").write_text("idx,label\n0,a\n")
    (tmp_path / "test.json").write_text('{"x.wav": [{"label": "a", "start": 0, "end": 900}], "y.wav": []}')
    for name in "xy":
        noise = np.random.default_rng(ord(name)).uniform(-0.5, 0.5, 35 * 16_000)
        soundfile.write(tmp_path / "16000" / "test" / f"{name}.wav", noise, 16_000)
    items = ValidationItems(open_dataset(tmp_path), classes=("a",), overlap=False)
    sampler = EpochBatches(len(items), batch_size=1, seed=0, shuffle=False)
    batches = list(make_loader(items, sampler, workers=2))
    pieces = [p for batch in batches for p in zip(batch.clips, batch.starts, batch.frames, strict=True)]
    expected = [(0, 250), (250, 250), (500, 250), (750, 125)]
    assert pieces == [(name, *piece) for name in "xy" for piece in expected]


_TRAINING = """
import sys, time
from effbench.data.datasets import open_dataset
from effbench.data.synth import SOUNDS
from effbench.train.feed.pieces import TrainingItems
from effbench.train.feed.loader import make_loader
from effbench.train.feed.samplers import EpochBatches

if __name__ == "__main__":
    items = TrainingItems(open_dataset(sys.argv[1], split="train"), classes=tuple(SOUNDS))
    batches = iter(make_loader(items, EpochBatches(len(items), batch_size=2, seed=0), workers=1, prefetch=1))
    next(batches)
    print("begun", flush=True)
    time.sleep(100)
"""


@pytest.mark.skipif(os.name != "posix", reason="processes are killed")
def test_a_killed_training_leaves_no_process(folder, tmp_path):
    script = tmp_path / "training.py"
    script.write_text(_TRAINING)
    process = subprocess.Popen([sys.executable, script, folder], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "begun\n"
        workers = psutil.Process(process.pid).children(recursive=True)
        assert len(workers) >= 2
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    _, alive = psutil.wait_procs(workers, timeout=15)
    assert not alive
    process.stdout.close()


def test_rates_have_a_spread_and_steps_a_share(items):
    stages, encoded_bytes = profile_loading(items, batch_size=4, seconds=0.3)
    assert [stage.name for stage in stages] == list(STAGES)
    assert sum(stage.share for stage in stages) == pytest.approx(1)
    steps = {stage.name: stage for stage in stages}
    assert steps["decode"].milliseconds > steps["read"].milliseconds
    rate = measure_loader(items, workers=0, batch_size=4, seconds=0.5, encoded_bytes=encoded_bytes)
    assert 0 < rate.low <= rate.clips_per_second <= rate.high
    assert len(rate.runs) >= 5
    # 2 s of audio as float32, bytes of frame and clip labels, half-precision logits
    sent = 4 * 32_000 + len(CLASSES) * (50 + 1 + 2 * 50)
    assert rate.batch_mb_per_second == pytest.approx(rate.clips_per_second * sent / 1e6)
    assert rate.read_mb_per_second > 0
