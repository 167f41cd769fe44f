"""The health of a training: its losses and weights, and how its processes end together."""

from __future__ import annotations

import time
from itertools import chain

import torch
from lightning.fabric import Fabric
from torch import Tensor, nn

from effbench.errors import TrainingError
from effbench.train.state import Position

_NAMED = 8
_ADVICE = "Try a lower optimizer.lr, clip_norm=1, or precision=fp32 in a new run."


class Recent:
    """Batches since the last look at the losses, which stay on the device until then."""

    def __init__(self, fabric: Fabric) -> None:
        self.fabric = fabric
        self.batches: list[tuple[int, Tensor, tuple[str, ...]]] = []
        self.restart()

    def restart(self) -> None:
        """Start the clock again: the time before was not training."""
        self.began = time.perf_counter()

    def add(self, step: int, loss: Tensor, clips: tuple[str, ...]) -> None:
        """One more batch of an optimiser step, counted from 1."""
        self.batches.append((step, loss.detach(), clips))

    def look(self, position: Position, kept: str) -> tuple[float, float]:
        """Mean loss, and clips per second of all processes, since the last look; adds them to ``position``.

        Every process has to call this. ``kept`` says what was saved, for the error.

        Raises:
            TrainingError: a loss of any process is not finite.
        """
        losses = torch.stack([loss for _, loss, _ in self.batches]).float().cpu()
        bad = (~losses.isfinite()).nonzero()
        problem = None
        if len(bad):
            step, _, clips = self.batches[int(bad[0])]
            more = f" and {len(clips) - _NAMED} more" if len(clips) > _NAMED else ""
            problem = (
                f"the loss is {float(losses[bad[0]])} in step {step:,} (epoch {position.epoch + 1}); {kept}\n"
                f"Clips of that batch: {', '.join(clips[:_NAMED])}{more}.\n{_ADVICE}"
            )
        raise_together(self.fabric, problem)
        seconds = time.perf_counter() - self.began
        count = sum(len(clips) for _, _, clips in self.batches) * self.fabric.world_size
        position.loss_sum += float(losses.sum())
        position.loss_count += len(losses)
        position.seconds += seconds
        self.batches = []
        self.restart()
        return float(losses.mean()), count / seconds


def check_weights(fabric: Fabric, detector: nn.Module, position: Position, kept: str) -> None:
    """Raise ``TrainingError`` if weights of any process are not finite, which a finite loss can leave behind.

    Every process has to call this. ``kept`` says what was saved, for the error.
    """
    weights = chain(detector.named_parameters(), detector.named_buffers())
    names = [name for name, value in weights if not value.isfinite().all()]
    problem = (
        f"{len(names)} weights are not finite after step {position.step:,} (epoch {position.epoch + 1}), "
        f"the first of them {names[0]}; {kept}\n{_ADVICE}"
        if names
        else None
    )
    raise_together(fabric, problem)


def any_process(fabric: Fabric, asked: bool) -> bool:
    """Whether any process was asked; every process has to call this."""
    if fabric.world_size == 1:
        return asked
    flag = torch.tensor(float(asked), device=fabric.device)
    return bool(fabric.all_reduce(flag, reduce_op="max"))


def raise_together(fabric: Fabric, problem: str | None) -> None:
    """Raise ``TrainingError`` in every process if one of them has a problem: that of the lowest rank.

    Every process has to call this.
    """
    if fabric.world_size > 1:
        # The lowest rank with a problem, which the other ranks learn of.
        rank = fabric.world_size - fabric.global_rank if problem is not None else 0
        highest = fabric.all_reduce(torch.tensor(float(rank), device=fabric.device), reduce_op="max")
        source = fabric.world_size - int(highest)  # type: ignore[arg-type]
        if source < fabric.world_size:
            problem = fabric.broadcast(problem, src=source)
    if problem is not None:
        raise TrainingError(problem)
