"""Losses against their formulas."""

import math

import pytest
import torch

from effbench.train.losses import advanced_loss, bce, distillation_loss


def by_hand(logits, targets):
    terms = [
        -y * math.log(1 / (1 + math.exp(-x))) - (1 - y) * math.log(1 / (1 + math.exp(x)))
        for x, y in zip(logits.flatten().tolist(), targets.flatten().tolist(), strict=True)
    ]
    return sum(terms) / len(terms)


def tensors(count, shape=(2, 3, 4), seed=0):
    g = torch.Generator().manual_seed(seed)
    return [torch.rand(shape, generator=g) for _ in range(count)]


def test_bce_is_the_mean_over_all_elements():
    logits, targets = 4 * tensors(1)[0] - 2, tensors(2)[1]
    assert bce(logits, targets).item() == pytest.approx(by_hand(logits, targets), rel=1e-5)


@pytest.mark.parametrize("weight", [0.0, 0.25, 0.9, 1.0])
def test_distillation_weighs_pseudo_labels_against_labels(weight):
    logits, labels, pseudo = tensors(3)
    expected = weight * by_hand(logits, pseudo) + (1 - weight) * by_hand(logits, labels)
    assert distillation_loss(logits, labels, pseudo, weight).item() == pytest.approx(expected, rel=1e-5)


def test_pseudo_labels_are_needed_only_with_a_weight():
    logits, labels = tensors(2)
    assert distillation_loss(logits, labels, None, 0) == bce(logits, labels)
    with pytest.raises(ValueError, match="needs pseudo labels"):
        distillation_loss(logits, labels, None, 0.5)


def test_advanced_loss_has_every_part_with_its_weight():
    strong, labels, strong_teacher, pseudo = tensors(4)
    weak, weak_teacher = tensors(2, (3, 3, 4), seed=1)
    default = advanced_loss(strong, labels, strong_teacher, weak, weak_teacher)
    taught = 0.5 * by_hand(strong, strong_teacher) + 0.5 * by_hand(weak, weak_teacher)
    assert default.item() == pytest.approx(0.1 * by_hand(strong, labels) + 0.9 * taught, rel=1e-5)
    full = advanced_loss(
        strong,
        labels,
        strong_teacher,
        weak,
        weak_teacher,
        pseudo=pseudo,
        label_weight=0.2,
        teacher_weight=0.7,
        strong_share=0.3,
        pseudo_weight=0.4,
    )
    taught = 0.3 * by_hand(strong, strong_teacher) + 0.7 * by_hand(weak, weak_teacher)
    expected = 0.2 * by_hand(strong, labels) + 0.7 * taught
    expected += 0.4 * by_hand(strong, pseudo)
    assert full.item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize(("option", "message"), [("pseudo_weight", "pseudo")])
def test_weights_of_what_is_not_there_are_refused(option, message):
    with pytest.raises(ValueError, match=message):
        advanced_loss(*tensors(5), **{option: 0.1})


def test_no_gradient_reaches_the_teacher():
    inputs = [tensor.requires_grad_() for tensor in tensors(5)]
    advanced_loss(*inputs).backward()
    assert [tensor.grad is None for tensor in inputs] == [False, False, True, False, True]


def test_losses_are_float32_under_bfloat16_autocast():
    logits, labels, pseudo = (tensor.bfloat16() for tensor in tensors(3))
    full = [tensor.float() for tensor in (logits, labels, pseudo)]
    with torch.autocast("cpu", torch.bfloat16):
        losses = [
            bce(logits, labels),
            distillation_loss(logits, labels, pseudo, 0.9),
            advanced_loss(logits, labels, pseudo, logits, pseudo),
        ]
    expected = [
        bce(full[0], full[1]),
        distillation_loss(*full, 0.9),
        advanced_loss(*full, full[0], full[2]),
    ]
    assert [loss.dtype for loss in losses] == [torch.float32] * 3
    assert losses == expected
