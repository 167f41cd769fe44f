"""Losses on logits, in float32 whatever the precision of the network: means over every element."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from effbench.models.layers import no_autocast


def bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean binary cross-entropy (BCE) of probabilities ``targets`` and ``logits``, of the same shape."""
    with no_autocast(logits.device):
        return F.binary_cross_entropy_with_logits(logits.float(), targets.float())


def distillation_loss(logits: Tensor, labels: Tensor, pseudo: Tensor | None, weight: float) -> Tensor:
    """``weight · BCE(logits, pseudo) + (1 - weight) · BCE(logits, labels)``, all (batch, classes, frames).

    Computed as one cross-entropy with mixed targets, which is the same: it is linear in the targets.
    ``pseudo`` are probabilities of a teacher, which a ``weight`` of 0 does not need.

    Source: Hinton et al. 2015 (distillation), with the teacher's probabilities at temperature 1.
    """
    if weight == 0:
        return bce(logits, labels)
    if pseudo is None:
        raise ValueError(f"a distillation weight of {weight} needs pseudo labels")
    return bce(logits, labels.float().lerp(pseudo.float(), weight))


def advanced_loss(
    strong_logits: Tensor,
    labels: Tensor,
    strong_teacher: Tensor,
    weak_logits: Tensor,
    weak_teacher: Tensor,
    *,
    pseudo: Tensor | None = None,
    label_weight: float = 0.1,
    teacher_weight: float = 0.9,
    strong_share: float = 0.5,
    pseudo_weight: float = 0.0,
) -> Tensor:
    """Loss of a batch with frame labels and one with clip labels, both labelled by an online teacher.

    ``label_weight · BCE(strong_logits, labels) + pseudo_weight · BCE(strong_logits, pseudo)
    + teacher_weight · [strong_share · BCE(strong_logits, strong_teacher)
    + (1 - strong_share) · BCE(weak_logits, weak_teacher)]``

    ``strong_…`` are the student's logits and the teacher's probabilities of the strong batch, like ``labels``
    and ``pseudo`` (batch, classes, frames); ``weak_…`` are those of the weak batch, which may have another
    size. No gradient flows into the teacher's. A ``pseudo_weight`` other than 0 needs ``pseudo``.
    """
    loss = label_weight * bce(strong_logits, labels)
    loss = loss + teacher_weight * strong_share * bce(strong_logits, strong_teacher.detach())
    loss = loss + teacher_weight * (1 - strong_share) * bce(weak_logits, weak_teacher.detach())
    if pseudo_weight:
        if pseudo is None:
            raise ValueError(f"a weight of {pseudo_weight} for pseudo labels needs pseudo labels")
        loss = loss + pseudo_weight * bce(strong_logits, pseudo)
    return loss
