"""From items to batches on the device, by processes that work ahead.

What travels between processes is compact: labels are bytes, and pseudo labels the half-precision logits of
their file. ``PackedBatch.to`` makes float32 labels and probabilities of them on the device.
"""

from __future__ import annotations

import pickle
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from effbench.data.pool import end_with_parent
from effbench.errors import EffbenchError, show_warning
from effbench.train.feed.pieces import ClipPieces, Item
from effbench.train.feed.samplers import Draw


@dataclass(frozen=True)
class _Tensors:
    """The parts of a batch; which are there is the same in every batch of a data set."""

    clips: tuple[str, ...]
    """Ids."""
    starts: tuple[int, ...]
    """Frame of the clip that each piece begins with."""
    frames: tuple[int, ...]
    """Frames of each piece that have audio."""
    seeds: tuple[int, ...]
    """The sampler's seed of each item."""
    waveform: Tensor
    labels: Tensor | None
    pseudo: Tensor | None
    weak: Tensor | None

    def __len__(self) -> int:
        return len(self.clips)

    def _map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """Every tensor replaced."""
        changed = {name: function(part) for name, part in vars(self).items() if isinstance(part, Tensor)}
        return replace(self, **changed)  # type: ignore[arg-type]  # these fields are tensors


@dataclass(frozen=True)
class Batch(_Tensors):
    """Ready for training, all tensors float32 and on one device.

    Shape:
        waveform: (batch, samples) at 16 kHz
        labels: (batch, classes, frames), 0 or 1; ``None`` for a data set without events
        pseudo: (batch, classes, frames) probabilities; ``None`` without pseudo labels
        weak: (batch, weak classes), 0 or 1; ``None`` without weak labels
    """

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """The same on another device."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))


@dataclass(frozen=True)
class PackedBatch(_Tensors):
    """What a loader yields: ``labels`` and ``weak`` are uint8, ``pseudo`` are logits; ``to`` unpacks them."""

    def pin_memory(self) -> PackedBatch:
        """In page-locked memory, which a GPU can fetch from while it computes."""
        return self._map(lambda tensor: tensor.pin_memory())

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """Float32 labels and probabilities on ``device``."""
        moved = self._map(lambda tensor: tensor.to(device, non_blocking=non_blocking))
        return Batch(
            self.clips,
            self.starts,
            self.frames,
            self.seeds,
            moved.waveform,
            None if moved.labels is None else moved.labels.float(),
            None if moved.pseudo is None else moved.pseudo.float().sigmoid(),
            None if moved.weak is None else moved.weak.float(),
        )


def collate(items: Sequence[Item]) -> PackedBatch:
    """One batch of items of one data set."""

    def stacked(arrays: Sequence[NDArray[np.generic] | None]) -> Tensor | None:
        present = [array for array in arrays if array is not None]
        return torch.from_numpy(np.stack(present)) if present else None

    return PackedBatch(
        tuple(item.clip for item in items),
        tuple(item.start for item in items),
        tuple(item.frames for item in items),
        tuple(item.seed for item in items),
        torch.from_numpy(np.stack([item.waveform for item in items])),
        stacked([item.labels for item in items]),
        stacked([item.pseudo for item in items]),
        stacked([item.weak for item in items]),
    )


@dataclass(frozen=True)
class _Failure:
    """An error on its way out of a process; torch would add the process's traceback to the message."""

    error: EffbenchError


class _Batches(Dataset["PackedBatch | _Failure"]):
    """Whole batches, by their draws.

    Pickled once for all processes: that takes seconds for a million clips, and they are started in turn.
    """

    def __init__(self, items: ClipPieces) -> None:
        self.items = items
        self._pickled: bytes | None = None

    def __reduce__(self) -> tuple[Callable[[bytes], _Batches], tuple[bytes]]:
        if self._pickled is None:
            self._pickled = pickle.dumps(self.items, pickle.HIGHEST_PROTOCOL)
        return _unpickled, (self._pickled,)

    def __getitems__(self, draws: Sequence[Draw]) -> PackedBatch | _Failure:
        try:
            return collate([piece for draw in draws for piece in self.items.pieces(draw)])
        except EffbenchError as error:
            return _Failure(error)


def _unpickled(items: bytes) -> _Batches:
    return _Batches(pickle.loads(items))


class Loader(DataLoader[PackedBatch]):
    """A ``DataLoader`` of ``PackedBatch`` that raises the errors of its processes as they were."""

    def __iter__(self) -> Iterator[PackedBatch]:  # type: ignore[override]
        batches = super().__iter__()
        while True:
            try:
                batch = next(batches)
            except StopIteration:
                return
            except RuntimeError as error:
                if "DataLoader worker" not in str(error):
                    raise
                raise EffbenchError(
                    "a loading process was killed (out of memory?): try fewer workers"
                ) from error
            if isinstance(batch, _Failure):
                raise batch.error
            yield batch

    def close(self) -> None:
        """End the processes now: left to the garbage collector, each of them takes seconds."""
        if self._iterator is not None and self.num_workers:
            self._iterator._shutdown_workers()  # type: ignore[attr-defined]
        self._iterator = None


def make_loader(
    items: ClipPieces,
    batch_sampler: Sampler[list[Draw]],
    *,
    workers: int = 0,
    pin_memory: bool = False,
    prefetch: int = 4,
    start_method: str | None = None,
) -> Loader:
    """Batches of items, decoded ahead by other processes.

    The batches are the same for any number of workers. The processes are started once, at the first batch,
    and end with this one, even if it is killed. They are not forked from this process, which may hold threads
    and open HDF5 files: a script that calls this with workers needs an ``if __name__ == "__main__"`` guard.

    Args:
        items: ``TrainingItems`` or ``ValidationItems``.
        batch_sampler: lists of draws, e.g. ``EpochBatches``.
        workers: processes; with 0 this one loads, when it needs a batch.
        pin_memory: batches in page-locked memory, for a GPU.
        prefetch: batches that each process is ahead.
        start_method: ``forkserver`` or ``spawn``; by default the first that there is.
    """
    methods = torch.multiprocessing.get_all_start_methods()
    method = start_method or ("forkserver" if "forkserver" in methods else "spawn")
    return Loader(
        _Batches(items),  # type: ignore[arg-type]
        batch_sampler=batch_sampler,
        num_workers=workers,
        collate_fn=_as_it_is,
        pin_memory=pin_memory,
        # Every iteration draws a seed that nothing here uses; from torch's own generator that would change
        # what a resumed training draws.
        generator=torch.Generator(),
        multiprocessing_context=method if workers else None,
        persistent_workers=workers > 0,
        prefetch_factor=prefetch if workers else None,
        worker_init_fn=_start_worker,
    )


def _as_it_is(batch: object) -> object:
    return batch


def _start_worker(_: int) -> None:
    end_with_parent()
    torch.set_num_threads(1)
    # An interrupt from the keyboard reaches the whole group; the parent ends its workers when it is done.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    warnings.showwarning = show_warning
