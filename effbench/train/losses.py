"""Losses on logits, in float32 whatever the precision of the network.

All are means of binary cross-entropies (BCE) over every element.
"""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from effbench.models.layers import no_autocast


def bce(logits: Tensor, targets: Tensor) -> Tensor:
    """Mean binary cross-entropy of probabilities ``targets`` and ``logits``, tensors of the same shape."""
    with no_autocast(logits.device):
        return F.binary_cross_entropy_with_logits(logits.float(), targets.float())


def distillation_loss(logits: Tensor, labels: Tensor, pseudo: Tensor | None, weight: float) -> Tensor:
    """``weight · BCE(logits, pseudo) + (1 - weight) · BCE(logits, labels)``.

    Computed as one cross-entropy with mixed targets, which is the same: it is linear in the targets.

    Args:
        logits: (batch, classes, frames).
        labels: of the same shape.
        pseudo: probabilities of a teacher, of the same shape; not needed for a weight of 0.
        weight: of the pseudo labels, from 0 to 1.

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

    Args:
        strong_logits: the student's frames of the strong batch, (batch, classes, frames).
        labels: their labels.
        strong_teacher: the teacher's probabilities for them; no gradient flows into them.
        weak_logits: the student's frames of the weak batch, (other batch, classes, frames).
        weak_teacher: the teacher's probabilities for them.
        pseudo: stored pseudo labels of the strong batch, as probabilities.
        label_weight: of frame labels.
        teacher_weight: of the online teacher.
        strong_share: part of the strong batch in the teacher's weight.
        pseudo_weight: of stored pseudo labels; needs them if it is not 0.
    """
    loss = label_weight * bce(strong_logits, labels)
    loss = loss + teacher_weight * strong_share * bce(strong_logits, strong_teacher.detach())
    loss = loss + teacher_weight * (1 - strong_share) * bce(weak_logits, weak_teacher.detach())
    if pseudo_weight:
        if pseudo is None:
            raise ValueError(f"a weight of {pseudo_weight} for pseudo labels needs pseudo labels")
        loss = loss + pseudo_weight * bce(strong_logits, pseudo)
    return loss
