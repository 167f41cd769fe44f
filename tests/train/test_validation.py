"""Validation scores the weights of the training by a faster copy, and leaves them as they are."""

import pytest
import torch
from torch.nn import functional as F

from effbench.data.synth import synthesise
from tests.train.small import trained


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
