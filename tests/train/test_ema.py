"""Moving average of weights."""

from contextlib import suppress

import pytest
import torch
from torch import nn

from effbench.train.optimizer import WeightAverage


@pytest.fixture
def model():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def state(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def train(model):
    with torch.no_grad():
        for p in model.parameters():
            p += torch.randn_like(p)
    model(torch.randn(5, 2))


def test_weights_are_averaged_and_buffers_copied(model):
    average, expected = WeightAverage(model, 0.9), state(model)
    for _ in range(3):
        train(model)
        average.update(model)
        for name, p in model.named_parameters():
            expected[name] = 0.9 * expected[name] + 0.1 * p.detach()
    expected |= {name: b.clone() for name, b in model.named_buffers()}
    found = average.state_dict()["average"]
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value)
    assert found["1.num_batches_tracked"] == 3


def test_the_first_weights_stay_until_an_update_and_frozen_ones_for_ever(model):
    average, first = WeightAverage(model, 0.9), state(model)
    train(model)
    assert torch.equal(average.average["0.weight"], first["0.weight"])
    average = WeightAverage(model.requires_grad_(False), 0.9)
    for _ in range(100):
        average.update(model)
    assert all(torch.equal(value, average.average[name]) for name, value in model.state_dict().items())


def test_the_model_has_the_average_inside_and_its_own_after(model):
    average = WeightAverage(model, 0.9)
    train(model)
    average.update(model)
    train(model)
    own, tensors = state(model), list(map(id, model.parameters()))
    with suppress(KeyboardInterrupt), average.swapped(model):
        assert all(torch.equal(v, average.average[n]) for n, v in model.state_dict().items())
        kept = state(model)
        model(torch.randn(5, 2))  # changes the statistics of the model, not those of the average
        raise KeyboardInterrupt
    assert all(torch.equal(v, own[n]) for n, v in model.state_dict().items())
    assert all(torch.equal(v, kept[n]) for n, v in average.average.items())
    assert list(map(id, model.parameters())) == tensors


def test_goes_on_from_its_state(model):
    average = WeightAverage(model, 0.9)
    train(model)
    average.update(model)
    saved = {"decay": 0.9, "average": {n: v.clone() for n, v in average.state_dict()["average"].items()}}
    restored = WeightAverage(model, 0.5)
    restored.load_state_dict(saved)
    train(model)
    for one in (average, restored):
        one.update(model)
    assert all(torch.equal(v, restored.average[n]) for n, v in average.average.items())


def test_refuses_the_state_of_another_model(model):
    with pytest.raises(RuntimeError, match="Missing key"):
        WeightAverage(model, 0.9).load_state_dict(WeightAverage(nn.Linear(2, 2), 0.9).state_dict())
