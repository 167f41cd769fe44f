"""Which items make up the batches of an epoch, on every rank, and the seed of each item."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch.utils.data import Sampler

from effbench.errors import UsageError


class Draw(NamedTuple):
    """One item to load: its index in the data set, and the seed of everything random about it."""

    index: int  # type: ignore[assignment]  # tuples have a method of that name
    seed: int


class EpochBatches(Sampler[list[Draw]]):
    """Batches of one epoch after another, for ``DataLoader(batch_sampler=...)``.

    What an epoch draws depends on ``seed`` and the epoch alone, and an item's seed on its position in the
    epoch too: not on ranks, nor on workers.

    An epoch is cut into ``ceil(items / (batch_size · world))`` global batches whose sizes differ by at most
    one, and each of them over the ranks likewise. So every rank has the same number of batches, none is
    empty, and every drawn item is used once. (Where a batch size of 1 does not allow that, some have 2.)

    Without weights an epoch is a random permutation; fewer items are its first, more are those of further
    permutations. With weights every item is drawn independently, with replacement: without it an epoch about
    as long as the data set would hold nearly every clip once, whatever its weight.

    Args:
        n_items: number of items to draw from.
        batch_size: items per batch and rank.
        seed: of all draws, not negative.
        epoch_items: items of an epoch over all ranks; ``n_items`` by default.
        weights: (n_items,) not negative; items are drawn in proportion.
        shuffle: random order; otherwise items come in order, again from the first where they do not suffice.
        rank: which part of every global batch is this process's.
        world: number of processes.
    """

    def __init__(
        self,
        n_items: int,
        *,
        batch_size: int,
        seed: int,
        epoch_items: int | None = None,
        weights: ArrayLike | None = None,
        shuffle: bool = True,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.n_items, self.seed, self.shuffle = n_items, seed, shuffle
        self.epoch_items = n_items if epoch_items is None else epoch_items
        self.rank, self.world = rank, world
        if n_items < 1 or self.epoch_items < world:
            raise UsageError(
                f"{self.epoch_items} items an epoch of {n_items} are too few for {world} processes"
            )
        self._cumulative = None if weights is None else _cumulative(weights, n_items)
        needed = -(-self.epoch_items // (batch_size * world))
        self._batches = min(needed, self.epoch_items // world)
        self._epoch = 0
        self.start = 0
        """Batches to leave out of this epoch, which goes on where a run was interrupted; the next has all."""

    def set_epoch(self, epoch: int) -> None:
        """The epoch that the next iteration draws; to be called before each."""
        self._epoch, self.start = epoch, 0

    def __len__(self) -> int:
        """Batches of a whole epoch, on each rank."""
        return self._batches

    def __iter__(self) -> Iterator[list[Draw]]:
        # Loaders with processes ask for an iterator twice, and use the second.
        first = self.start
        indices, seeds = self._indices(), self._seeds()
        for_all = np.arange(self._batches + 1) * self.epoch_items // self._batches
        sizes = np.diff(for_all)
        low = for_all[:-1] + self.rank * sizes // self.world
        high = for_all[:-1] + (self.rank + 1) * sizes // self.world
        return (
            list(map(Draw, indices[a:b].tolist(), seeds[a:b].tolist()))
            for a, b in zip(low[first:].tolist(), high[first:].tolist(), strict=True)
        )

    def _indices(self) -> NDArray[np.int64]:
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(self._epoch, 0)))
        if self._cumulative is not None:
            drawn = rng.random(self.epoch_items) * self._cumulative[-1]
            # A product can round up to the sum of all weights, which is beyond the last item that has one.
            last = np.searchsorted(self._cumulative, self._cumulative[-1])
            items: NDArray[np.int64] = np.searchsorted(self._cumulative, drawn, side="right").clip(max=last)
            return items
        rounds = -(-self.epoch_items // self.n_items)
        order = np.tile(np.arange(self.n_items), (rounds, 1))
        if self.shuffle:
            rng.permuted(order, axis=1, out=order)
        return order.ravel()[: self.epoch_items]

    def _seeds(self) -> NDArray[np.uint64]:
        """Below 2^63, which every generator takes."""
        sequence = np.random.SeedSequence(self.seed, spawn_key=(self._epoch, 1))
        return sequence.generate_state(self.epoch_items, np.uint64) >> np.uint64(1)


def _cumulative(weights: ArrayLike, n_items: int) -> NDArray[np.float64]:
    values = np.asarray(weights, np.float64)
    if values.shape != (n_items,) or not np.isfinite(values).all() or (values < 0).any() or not values.any():
        raise ValueError(f"{n_items} items need as many weights, finite, not negative and not all 0")
    return values.cumsum()
