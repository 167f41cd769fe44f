"""Where a training stands, and the checkpoints that it resumes from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import cast

from torch import Tensor, nn
from torch.distributed.checkpoint import state_dict as distributed
from torch.optim import Optimizer

from effbench.errors import CheckpointError
from effbench.models.checkpoints import read_content

#: Whole tensors on the CPU, however the weights are spread over devices.
_WHOLE = distributed.StateDictOptions(full_state_dict=True, cpu_offload=True)
_FROM_WHOLE = distributed.StateDictOptions(full_state_dict=True)
_PREFIX = "detector."
_SHOWN = 200


@dataclass
class Position:
    """How far a training is, at the end of an optimiser step.

    Attributes:
        step: optimiser steps that are done.
        epoch: epochs that are done, or the current one, counted from 0.
        batch: batches of this epoch that are done, on each process, of ``batches``.
        best: highest validation metric so far, after ``best_epoch`` epochs.
        loss_sum: of the losses of this epoch's ``loss_count`` batches on this process.
        seconds: that this epoch's steps have taken.
    """

    step: int = 0
    epoch: int = 0
    batch: int = 0
    batches: int = 0
    best: float | None = None
    best_epoch: int | None = None
    loss_sum: float = 0.0
    loss_count: int = 0
    seconds: float = 0.0

    def place(self, batches: int, accumulate: int) -> None:
        """Find the place in an epoch of ``batches`` on each process again, if other processes saved it."""
        if batches != self.batches:
            steps = self.batch * batches // (self.batches * accumulate)
            self.batch, self.batches = steps * accumulate, batches


def detector_state(module: nn.Module) -> dict[str, Tensor]:
    """A detector's weights, of the module that trains it; every process has to call this."""
    state = cast(Mapping[str, Tensor], distributed.get_model_state_dict(module, options=_WHOLE))
    return {key.removeprefix(_PREFIX): tensor for key, tensor in state.items() if key.startswith(_PREFIX)}


@dataclass(frozen=True)
class FurtherState:
    """What the next step depends on besides weights, optimiser and position.

    ``precision`` is the gradient scaler's state, ``conditions`` those of the last validation's scores.
    """

    precision: Mapping[str, object]
    conditions: Mapping[str, object]
    average: Mapping[str, object] | None = None


def training_state(
    module: nn.Module, optimizer: Optimizer, position: Position, further: FurtherState
) -> dict[str, object]:
    """Everything but the weights that the next step depends on; every process has to call this."""
    state = distributed.get_optimizer_state_dict(module, optimizer, options=_WHOLE)
    parts = {name: part for name, part in vars(further).items() if part is not None}
    return {"position": asdict(position), "optimizer": state, **parts}


def load_state(path: Path, module: nn.Module, optimizer: Optimizer) -> tuple[Position, FurtherState]:
    """Restore weights and optimiser; returns the position and the further state.

    Raises:
        CheckpointError: the file is not a checkpoint of a training, or of another one.
    """
    content = read_content(path)
    training = content.get("training")
    if not isinstance(training, Mapping):
        raise CheckpointError(f"{path} holds weights alone: a training can't resume from it")
    try:
        weights = {_PREFIX + key: tensor for key, tensor in content["state_dict"].items()}
        distributed.set_model_state_dict(module, weights, options=_FROM_WHOLE)
        distributed.set_optimizer_state_dict(module, optimizer, training["optimizer"], options=_FROM_WHOLE)
        average = training.get("average")
        if average is not None:
            # Some files name the weights as those of the module around the detector.
            renamed = {key.removeprefix(_PREFIX): tensor for key, tensor in average["average"].items()}
            average = {**average, "average": renamed}
        further = FurtherState(training["precision"], training["conditions"], average)
        return Position(**training["position"]), further
    except (KeyError, TypeError, AttributeError, ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:_SHOWN]
        raise CheckpointError(f"{path} is of another training, or damaged: {reason}") from None
