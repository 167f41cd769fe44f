"""Optimiser groups of a small detector."""

import pytest
import torch
from torch import nn

import effbench
from effbench.errors import UsageError
from effbench.train.optimizer import parameter_groups

RATES = {"lr": 3e-3, "sequence_lr": 8e-4, "weight_decay": 0.05}


@pytest.fixture
def detector():
    return effbench.build_model("fmn04+gru-104", seed=0)


def by_name(groups):
    return {group["name"]: group for group in groups}


def ids(groups):
    return [id(p) for group in groups for p in group["params"]]


@pytest.mark.parametrize("layer_decay", [1.0, 0.9])
def test_each_parameter_is_in_one_group(detector, layer_decay):
    found = ids(parameter_groups(detector, **RATES, layer_decay=layer_decay))
    assert len(found) == len(set(found))
    assert set(found) == {id(p) for p in detector.parameters()}


@pytest.mark.parametrize("layer_decay", [1.0, 0.9])
def test_vectors_have_no_weight_decay_and_matrices_have(detector, layer_decay):
    for group in parameter_groups(detector, **RATES, layer_decay=layer_decay):
        matrices = group["name"].endswith(".decay")
        assert all((p.ndim > 1) == matrices for p in group["params"])
        assert group["weight_decay"] == (0.05 if matrices else 0.0)


def test_without_layer_decay_there_are_four_groups(detector):
    groups = by_name(parameter_groups(detector, **RATES))
    names = ["backbone.decay", "backbone.no_decay", "sequence.decay", "sequence.no_decay"]
    assert list(groups) == names
    assert [groups[name]["lr"] for name in names] == [3e-3, 3e-3, 8e-4, 8e-4]


def test_rates_fall_from_the_top_layer_to_the_input(detector):
    groups = by_name(parameter_groups(detector, **RATES, layer_decay=0.9))
    assert len(groups) == 2 * 17 + 2
    assert groups["backbone.16.decay"]["lr"] == 3e-3
    assert groups["backbone.08.decay"]["lr"] == 3e-3 * 0.9**8
    assert groups["backbone.00.no_decay"]["lr"] == 3e-3 * 0.9**16
    assert groups["backbone.00.decay"]["lr"] == pytest.approx(3e-3 * 0.1853020188851841, rel=1e-12)
    assert groups["sequence.decay"]["lr"] == 8e-4
    first = {id(p) for p in detector.backbone.features[0].parameters()}
    assert {id(p) for p in groups["backbone.00.decay"]["params"]} <= first


def test_heads_and_sequence_model_share_their_groups(detector):
    groups = by_name(parameter_groups(detector, **RATES, layer_decay=0.9))
    own = {
        id(p)
        for part in ("sequence", "strong_head", "weak_head")
        for p in getattr(detector, part).parameters()
    }
    assert set(ids([groups["sequence.decay"], groups["sequence.no_decay"]])) == own


def test_layers_of_the_backbone_are_all_of_it(detector):
    layers = detector.backbone.layer_groups()
    assert [len(layer) for layer in layers] == [3, 6, 9, 9, 13, 13, 13, 9, 9, 9, 9, 13, 13, 13, 13, 13, 3]
    assert sum(map(len, layers)) == len(list(detector.backbone.parameters()))


def test_frozen_tensors_are_in_no_group(detector):
    detector.weak_head.requires_grad_(False)
    detector.backbone.features[0].requires_grad_(False)
    groups = parameter_groups(detector, **RATES, layer_decay=0.9)
    assert set(ids(groups)) == {id(p) for p in detector.parameters() if p.requires_grad}
    assert "backbone.00.decay" not in by_name(groups)
    assert by_name(groups)["backbone.01.decay"]["lr"] == 3e-3 * 0.9**15


@pytest.mark.parametrize("layer_decay", [1.0, 0.9])
def test_a_frozen_backbone_leaves_the_rest(detector, layer_decay):
    groups = parameter_groups(detector, **RATES, layer_decay=layer_decay, frozen_backbone=True)
    assert list(by_name(groups)) == ["sequence.decay", "sequence.no_decay"]


def test_nothing_to_train_is_an_error(detector):
    detector.requires_grad_(False)
    with pytest.raises(UsageError, match="nothing to train"):
        parameter_groups(detector, **RATES)


def test_layers_that_leave_parameters_out_are_an_error(detector, monkeypatch):
    monkeypatch.setattr(detector.backbone, "layer_groups", list)
    with pytest.raises(RuntimeError, match="in none of its layer groups"):
        parameter_groups(detector, **RATES, layer_decay=0.9)


def test_shared_parameters_are_trained_once(detector):
    detector.strong_head.bias = detector.weak_head.bias = nn.Parameter(torch.zeros(3))
    found = ids(parameter_groups(detector, **RATES))
    assert len(found) == len(set(found))


def test_adamw_decays_matrices_alone(detector):
    optimizer = torch.optim.AdamW(parameter_groups(detector, **RATES))
    before = {name: p.detach().clone() for name, p in detector.named_parameters()}
    for p in detector.parameters():
        p.grad = torch.zeros_like(p)
    optimizer.step()
    for name, p in detector.named_parameters():
        rate = 3e-3 if name.startswith("backbone") else 8e-4
        expected = before[name] * (1 - rate * 0.05) if p.ndim > 1 else before[name]
        torch.testing.assert_close(p.detach(), expected)
