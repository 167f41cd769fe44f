"""How fast a loader delivers, and what its time goes into."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

import torch

from effbench.data.audio import AudioSource, read_audio
from effbench.data.clips import DataSet, FileAudio
from effbench.data.sound_files import can_seek, mono_blocks, open_sound
from effbench.grid import FRAME_SECONDS, SAMPLE_RATE
from effbench.machine.description import Environment
from effbench.machine.environment import environment
from effbench.results.intervals import bootstrap
from effbench.shown import Row, Shown, Table, number_of
from effbench.train.feed.loader import PackedBatch, collate, make_loader
from effbench.train.feed.pieces import Item, TrainingItems
from effbench.train.feed.samplers import EpochBatches

STAGES = ("read", "decode", "resample", "labels", "collate")

MIN_RUNS = 5
_RUNS = 20
_ENDLESS = 1_000_000  # items of the one epoch that is measured: no pause between epochs
_MEGA = 1e6

Result = TypeVar("Result")


@dataclass(frozen=True)
class LoaderRate:
    """Clips per second of a loader that nothing else waits for."""

    workers: int
    batch_size: int
    clips_per_second: float
    """Median over the runs."""
    low: float
    high: float
    """Ends of the median's bootstrap 95 % interval."""
    runs: tuple[float, ...]
    """Clips per second of every run."""
    read_mb_per_second: float
    """Encoded audio, as it lies on the disk."""
    batch_mb_per_second: float
    """Batches, as they are handed over."""
    start_seconds: float
    """Until the first batch was there."""

    def __str__(self) -> str:
        return (
            f"{self.clips_per_second:,.0f} clips/s [{self.low:,.0f}, {self.high:,.0f}] "
            f"with {self.workers} workers at batch {self.batch_size}"
        )


@dataclass(frozen=True)
class Stage:
    """What one step of loading takes in one process."""

    name: str
    milliseconds: float
    """A clip."""
    share: float
    """Of all steps together, 0 to 1."""


@dataclass(frozen=True, repr=False)
class LoaderBenchmark(Shown):
    """How fast the ``clips`` of a split are loaded, as ``items`` of ``piece_seconds``."""

    data: str
    split: str
    clips: int
    items: int
    piece_seconds: float
    batch_size: int
    rates: tuple[LoaderRate, ...]
    steps: tuple[Stage, ...]
    environment: Environment

    def __str__(self) -> str:
        best = max(self.rates, key=lambda rate: rate.clips_per_second)
        return f"'{self.data}', {number_of(self.clips, 'clip')}: {best}"

    def sections(self) -> Iterable[Table | str]:
        yield Table([_rate_row(rate) for rate in self.rates])
        yield Table([_stage_row(step) for step in self.steps])
        yield (
            f"{number_of(self.clips, 'clip')}, batches of {self.batch_size}; {self.environment.cpu.model}, "
            f"load average {self.environment.load.average_1m}. "
            "Files that were read before may come from memory."
        )

    def rows(self) -> Sequence[Row]:
        about = {name: value for name, value in vars(self).items() if isinstance(value, str | int | float)}
        rates = (asdict(rate) for rate in self.rates)
        return [about | {name: value for name, value in rate.items() if name != "runs"} for rate in rates]

    def to_dict(self) -> dict[str, object]:
        return {**asdict(self), "environment": self.environment.to_dict()}


def _stage_row(step: Stage) -> Row:
    share = f"{100 * step.share:.0f} %"
    return {"step": step.name, "ms a clip": f"{step.milliseconds:.2f}", "share": share}


def _rate_row(rate: LoaderRate) -> Row:
    return {
        "workers": rate.workers,
        "clips/s": f"{rate.clips_per_second:,.0f}",
        "95 % interval": f"{rate.low:,.0f} – {rate.high:,.0f}",
        "runs": len(rate.runs),
        "read MB/s": f"{rate.read_mb_per_second:,.1f}",
        "batches MB/s": f"{rate.batch_mb_per_second:,.0f}",
        "start s": f"{rate.start_seconds:.1f}",
    }


def benchmark_loader(
    dataset: DataSet,
    *,
    workers: Sequence[int],
    batch_size: int,
    piece_seconds: float,
    seconds: float,
    began: Callable[[str], None],
    done: Callable[[str], None],
) -> LoaderBenchmark:
    """Rates for several numbers of workers, measured for ``seconds`` each, and the steps of one process.

    ``began`` is called with the name of each of the ``1 + len(workers)`` measurements, ``done`` with a rate.

    Raises:
        EffbenchError: a clip can't be loaded.
    """
    items = TrainingItems(dataset, classes=dataset.classes.names, seconds=piece_seconds)
    began("one process, step by step")
    here = environment("cpu")
    stages, encoded_bytes = profile_loading(items, batch_size=batch_size, seconds=seconds)
    rates = []
    for count in workers:
        began(f"{count} workers")
        rate = measure_loader(
            items, workers=count, batch_size=batch_size, seconds=seconds, encoded_bytes=encoded_bytes
        )
        rates.append(rate)
        done(str(rate))
    return LoaderBenchmark(
        str(dataset.path),
        dataset.split,
        len(dataset),
        len(items),
        piece_seconds,
        batch_size,
        tuple(rates),
        stages,
        here,
    )


def _sampler(items: TrainingItems, batch_size: int) -> EpochBatches:
    """Batches in random order, as training draws them."""
    return EpochBatches(len(items), batch_size=batch_size, seed=0, epoch_items=_ENDLESS)


def measure_loader(
    items: TrainingItems,
    *,
    workers: int,
    batch_size: int,
    seconds: float,
    encoded_bytes: float = 0.0,
    pin_memory: bool = False,
) -> LoaderRate:
    """Clips per second over repeated short runs, after the batches that were decoded ahead are used up.

    Args:
        items: what is loaded.
        workers: loading processes.
        batch_size: items per batch.
        seconds: to measure; more if five runs of a batch each take more.
        encoded_bytes: of a clip on the disk, for the rate of reading.
        pin_memory: as for training on a GPU.
    """
    sampler, prefetch = _sampler(items, batch_size), 4
    loader = make_loader(items, sampler, workers=workers, prefetch=prefetch, pin_memory=pin_memory)
    begun = time.perf_counter()
    with contextlib.closing(iter(loader)) as batches:  # type: ignore[type-var]
        first = next(batches)
        start_seconds = time.perf_counter() - begun
        for _ in range(workers * prefetch):
            next(batches)
        rates: list[float] = []
        end = time.perf_counter() + seconds
        while len(rates) < MIN_RUNS or time.perf_counter() < end:
            rates.append(_run(batches, seconds / _RUNS))
    estimate = bootstrap(rates)
    tensors = (first.waveform, first.labels, first.pseudo, first.weak)
    batch_bytes = sum(tensor.nbytes for tensor in tensors if isinstance(tensor, torch.Tensor)) / len(first)
    return LoaderRate(
        workers,
        batch_size,
        estimate.value,
        estimate.low,
        estimate.high,
        tuple(rates),
        estimate.value * encoded_bytes / _MEGA,
        estimate.value * batch_bytes / _MEGA,
        start_seconds,
    )


def _run(batches: Iterator[PackedBatch], seconds: float) -> float:
    count, begun = 0, time.perf_counter()
    while True:
        count += len(next(batches))
        elapsed = time.perf_counter() - begun
        if elapsed >= seconds:
            return count / elapsed


def profile_loading(
    items: TrainingItems, *, batch_size: int, seconds: float
) -> tuple[tuple[Stage, ...], float]:
    """Time of every step in this process, over random items for about ``seconds``; encoded bytes of a clip.

    Decoding is measured by decoding alone, and resampling is what ``read_audio`` takes beyond it. Files are
    read while they are decoded; ``read`` is the time that clips inside packs take.
    """
    spent = dict.fromkeys(STAGES, 0.0)
    clips, encoded = 0, 0
    end = time.perf_counter() + seconds
    collate([items[draw] for draw in next(iter(_sampler(items, batch_size)))])  # imports, caches
    for batch in _sampler(items, batch_size):
        loaded: list[Item] = [items[draw] for draw in batch]
        for item in loaded:
            encoded += _time_item(items, item, spent)
        spent["collate"] += _timed(lambda loaded=loaded: collate(loaded))[0]  # type: ignore[misc]
        clips += len(batch)
        if time.perf_counter() >= end:
            break
    total = sum(spent.values())
    stages = tuple(Stage(name, 1000 * spent[name] / clips, spent[name] / total) for name in STAGES)
    return stages, encoded / clips


def _time_item(items: TrainingItems, item: Item, spent: dict[str, float]) -> int:
    """Add the steps of one item; its encoded size in bytes."""
    clip, name = items.dataset.clip(item.clip), item.clip
    offset, length = item.start * FRAME_SECONDS, items.piece_seconds
    read, source = _timed(clip.audio.source)
    decode, _ = _timed(lambda: _decode(source, offset, length))
    audio, _ = _timed(lambda: read_audio(source, offset=offset, seconds=length, name=name))

    def label() -> None:
        items.targets.labels(clip, item.start, items.piece_frames)
        items.targets.pseudo(items.dataset, item.clip, item.start, items.piece_frames)
        items.targets.weak(clip, item.start, items.piece_frames)

    spent["read"] += read
    spent["decode"] += min(decode, audio)
    spent["resample"] += max(0.0, audio - decode)
    spent["labels"] += _timed(label)[0]
    if isinstance(clip.audio, FileAudio):
        return clip.audio.path.stat().st_size
    return len(source) if isinstance(source, bytes) else 0


def _timed(work: Callable[[], Result]) -> tuple[float, Result]:
    begun = time.perf_counter()
    result = work()
    return time.perf_counter() - begun, result


def _decode(source: AudioSource, offset: float, seconds: float) -> None:
    """What ``read_audio`` decodes for a piece, at the file's own rate."""
    with open_sound(source) as (sound, label):
        rate = sound.samplerate
        sought = rate == SAMPLE_RATE and can_seek(sound)
        first, count = (offset, seconds) if sought else (0.0, offset + seconds)
        blocks = mono_blocks(
            sound, label, lambda _: None, first=round(first * rate), count=math.ceil(count * rate)
        )
        for _ in blocks:
            pass
