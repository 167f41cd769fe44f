"""Which batches make up the optimiser steps of an epoch, on one process of a training."""

from __future__ import annotations

from collections.abc import Iterator

from effbench.train.feed.loader import PackedBatch
from effbench.train.feed.training_data import TrainingData

#: A batch, and for the task ``advanced`` the weak batch beside it.
Batches = tuple[PackedBatch, ...]


class StepBatches:
    """Batches of a training, several for each optimiser step.

    Args:
        data: of the training.
        rank: of this process.
        world: number of processes.
        workers: loading processes of this process.
        pinned: batches in page-locked memory, for a GPU.
    """

    def __init__(
        self, data: TrainingData, *, rank: int = 0, world: int = 1, workers: int = 0, pinned: bool = False
    ) -> None:
        kinds = [False] if data.weak is None else [False, True]
        self._samplers = [data.sampler(weak=weak, rank=rank, world=world) for weak in kinds]
        self._loaders = [
            data.loader(sampler, weak=weak, workers=workers, pinned=pinned)
            for sampler, weak in zip(self._samplers, kinds, strict=True)
        ]
        self.epoch_batches = len(self._samplers[0])
        """Batches of an epoch, on each process."""
        batch = data.recipe.batch
        self.accumulate = max(1, batch.effective // (batch.size * world))
        """Batches of a step; the last step of an epoch may have fewer."""
        self.epoch_steps = -(-self.epoch_batches // self.accumulate)

    def epoch(self, number: int, start: int = 0) -> Iterator[list[Batches]]:
        """The batches of each optimiser step of an epoch, after the first ``start`` batches."""
        for sampler in self._samplers:
            sampler.set_epoch(number)
            sampler.start = start
        window: list[Batches] = []
        left = self.epoch_batches - start
        for batches in zip(*self._loaders, strict=True):
            window.append(batches)
            if len(window) == min(self.accumulate, left):
                left -= len(window)
                yield window
                window = []

    def close(self) -> None:
        """End the loading processes."""
        for loader in self._loaders:
            loader.close()
