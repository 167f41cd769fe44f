"""Validation scores the weights of the training as ``evaluate`` would, and leaves them as they are."""

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from torch.nn import functional as F

import effbench
from effbench.data.synth import synthesise
from effbench.errors import EffbenchError
from effbench.results.measurement import UNITS, in_unit
from effbench.train.runs import Run
from effbench.train.training_result import result_of
from effbench.train.validation_logits import writing_logits
from tests.train.small import finished, trained

#: Clips by their seconds: of one window, of several, of windows that overlap by much, and of an odd length.
LENGTHS = {"short": 4.0, "ten": 10.0, "long": 13.3, "longer": 25.0, "odd": 12.0 + 1 / 16_000, "wrong": 11.0}


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return synthesise(tmp_path_factory.mktemp("data") / "set", clips=2, eval_clips=3)


@pytest.mark.parametrize("task", ["strong", "weak"])
def test_loss_is_that_of_the_weights_which_stay_as_they_are(data, task, tmp_path):
    recipe = {"strong": "synthetic-cpu", "weak": "audioset-weak"}[task]
    changes = ("data.train_split=train", "data.crop_seconds=2", "validation.batch_size=2")
    fit = trained(tmp_path / "run", recipe, data, *changes)
    detector, validator = fit.module.detector, fit.validator
    assert any(isinstance(module, torch.nn.BatchNorm2d) for module in detector.modules())
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    scored = validator(fit.model, detector)
    after = detector.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())

    total, count = 0.0, 0
    with torch.inference_mode():
        for packed in validator.loader:
            batch = packed.to("cpu")
            logits = getattr(detector(detector.frontend(batch.waveform)), task)
            labels = batch.weak if task == "weak" else batch.labels
            total += float(F.binary_cross_entropy_with_logits(logits, labels)) * len(batch)
            count += len(batch)
    assert scored.loss == pytest.approx(total / count, abs=1e-5)


def bursts(folder):
    """Noise and tones in clips of many lengths; the table is wrong about one of them by 30 ms."""
    rng = np.random.default_rng(0)
    rows, durations = ["filename\tonset\toffset\tevent_label"], ["filename\tduration"]
    (folder / "bursts").mkdir(parents=True)
    for name, seconds in LENGTHS.items():
        samples = 0.01 * rng.standard_normal(round(seconds * 16_000))
        for onset in np.arange(0.5, seconds - 1, 2.0):
            offset = onset + rng.uniform(0.3, 1.2)
            part = slice(round(onset * 16_000), round(offset * 16_000))
            label = rng.choice(["hiss", "tone"])
            count = len(samples[part])
            tone = np.sin(2 * np.pi * 1000 * np.arange(count) / 16_000)
            samples[part] += 0.02 * (tone if label == "tone" else rng.standard_normal(count).clip(-2, 2))
            rows.append(f"{name}.wav\t{onset:.3f}\t{offset:.3f}\t{label}")
        soundfile.write(folder / "bursts" / f"{name}.wav", samples, 16_000)
        durations.append(f"{name}.wav\t{seconds + 0.03 * (name == 'wrong')}")
    (folder / "bursts.tsv").write_text("\n".join(rows) + "\n")
    (folder / "bursts_durations.tsv").write_text("\n".join(durations) + "\n")
    return folder


@pytest.mark.parametrize(("protocol", "metric"), [("paper", "psds1"), ("dcase2016", "onset_f1_50ms")])
def test_validation_and_evaluation_have_the_same_values(tmp_path, protocol, metric):
    place = bursts(tmp_path / "set")
    splits = ("data.train_split=bursts", "data.validation_split=bursts", "data.crop_seconds=2")
    validation = (f"validation.protocol={protocol}", f"validation.metric={metric}", "validation.every=5")
    run = trained(
        tmp_path / "run", "synthetic-cpu", place, *splits, *validation, "epochs=5", "batch.effective=4"
    ).run
    *_, best = run.rows()
    found = effbench.evaluate(
        run.plan.spec, data=place, checkpoint=run.best, protocol=protocol, keep_scores="no"
    )
    assert 10 < best[metric] < 100
    for name, score in found.values.items():
        expected = in_unit(name, score).value
        assert best[name] == pytest.approx(expected, abs=1e-6, nan_ok=True) or math.isnan(expected)


def test_a_protocol_of_one_s_own_lies_beside_the_recipe_and_is_kept_whole_with_the_run(tmp_path):
    mine, recipe = tmp_path / "mine" / "tagged.yaml", tmp_path / "mine" / "recipe.yaml"
    mine.parent.mkdir()
    mine.write_text(
        "title: x\nthreshold: {hiss: 0.4, default: 0.6}\nmetrics: {segment: {seconds: 0.5}, psds2: {}}\n"
    )
    recipe.write_text(
        "extends: synthetic-cpu\nvalidation: {protocol: tagged.yaml, metric: segment_f1_macro}\n"
        "data: {train_split: bursts, validation_split: bursts, crop_seconds: 2}\n"
    )
    run = trained(tmp_path / "run", str(recipe), bursts(tmp_path / "set")).run
    (best,) = run.rows()
    found = effbench.evaluate(run.plan.spec, data=tmp_path / "set", checkpoint=run.best, protocol=str(mine))
    assert {name for name in best if name in UNITS} == set(found.values)
    assert best["segment_f1_macro"] == pytest.approx(100 * found.values["segment_f1_macro"].value, abs=1e-6)
    mine.unlink()
    recipe.unlink()
    reopened = Run.open(run.folder)
    assert reopened.plan == run.plan
    rows = result_of(finished(reopened)).measurements
    assert {row.conditions["protocol"] for row in rows} == {found.protocol}
    assert all(row.environment["protocol"] == found.followed for row in rows)


def test_a_full_disk_is_said(tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("no device that is always full")
    (tmp_path / "0.zip").symlink_to("/dev/full")
    with (
        pytest.raises(EffbenchError, match=r"0\.zip' can't be written: No space left on device"),
        writing_logits(tmp_path, 0) as writer,
    ):
        writer.add(0, {"logits": np.zeros((250, 447), np.float32)})
