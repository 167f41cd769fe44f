"""Which items make up the batches of an epoch, their seeds, and weights in favour of rare classes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch.utils.data import Sampler

from effbench.data.clips import DataSet
from effbench.errors import UsageError
from effbench.grid import CLIP_FRAMES, FRAME_SECONDS

#: Of the sampling weights, in active frames and in clips.
OFFSETS = {"strong": 30, "weak": 100}

Triples = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]


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
        """Batches to leave out of this epoch, done before a run was resumed; the next epoch has all."""

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


def balanced_weights(
    dataset: DataSet, labels: Literal["strong", "weak"], *, frames: int = CLIP_FRAMES
) -> NDArray[np.float64]:
    """(clips,) ``w_i = Σ_c n_ic · 1000 / (offset + Σ_j n_jc)`` for clips i, j and classes c.

    ``n_ic`` is the number of active frames of class c (``strong``, offset 30) in the first ``frames`` 40-ms
    frames of a clip, or 1 for a label of the clip (``weak``, offset 100). Labels of other classes do not
    count; no audio is read.

    Source: PaSST's balanced sampling (Koutini et al. 2022), with active frames in place of clips for events.
    """
    clips, classes, amounts = (_active_frames if labels == "strong" else _clip_labels)(dataset, frames)
    totals = np.bincount(classes, amounts, len(dataset.classes))
    shares = amounts * 1000 / (OFFSETS[labels] + totals[classes])
    return np.bincount(clips, shares, len(dataset)).astype(np.float64)


def _clip_labels(dataset: DataSet, frames: int) -> Triples:
    """Clip, class and 1 of every label."""
    index = dataset.classes.index
    pairs = [
        (clip, index[name])
        for clip, key in enumerate(dataset.ids)
        for name in set(dataset.weak.get(key, ()))
        if name in index
    ]
    clips, classes = np.array(pairs, np.int64).reshape(-1, 2).T
    return clips, classes, np.ones(len(pairs))


def _active_frames(dataset: DataSet, frames: int) -> Triples:
    """Clip, class and the frames that each event adds to those of earlier events of its class."""
    index = dataset.classes.index
    rows = [
        (clip, index[event.label], event.onset, event.offset)
        for clip, key in enumerate(dataset.ids)
        for event in dataset.events.of(key)
        if event.label in index
    ]
    table = np.array(rows, np.float64).reshape(-1, 4)
    clips, classes = table[:, :2].astype(np.int64).T
    # Floor of the onset, ceiling of the offset; times within 1e-6 frames of the grid lie on it.
    bounds = np.clip(table[:, 2:] / FRAME_SECONDS, 0, frames)
    first, end = np.floor(bounds[:, 0] + 1e-6), np.ceil(bounds[:, 1] - 1e-6)
    # Clips and classes laid end to end, so that one running maximum finds what earlier events have covered.
    lane = clips * len(dataset.classes) + classes
    order = np.lexsort((first, lane))
    first, end = (first + lane * frames)[order], (end + lane * frames)[order]
    covered = np.maximum.accumulate(np.concatenate([[0.0], end]))[:-1]
    added = np.maximum(end - np.maximum(first, covered), 0)
    return clips[order], classes[order], added
