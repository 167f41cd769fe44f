"""What a benchmark of a loader finds, and how it shows itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from effbench.machine.description import Environment
from effbench.shown import Row, Shown, Table


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
    """How fast clips of a data set are loaded, and what the time goes into.

    Attributes:
        data: folder of the data set, or its table.
        split: of it.
        clips: in the split.
        items: pieces that they make.
        piece_seconds: length of a piece.
        batch_size: pieces a batch.
        rates: one for each number of workers.
        steps: what loading takes in one process.
        environment: where it was measured.
    """

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
        return f"'{self.data}', {self.clips:,} clips: {best}"

    def sections(self) -> Iterable[Table | str]:
        yield Table([_rate_row(rate) for rate in self.rates])
        yield Table(
            [
                {
                    "step": step.name,
                    "ms a clip": f"{step.milliseconds:.2f}",
                    "share": f"{100 * step.share:.0f} %",
                }
                for step in self.steps
            ]
        )
        yield (
            f"{self.clips:,} clips, batches of {self.batch_size}; {self.environment.cpu.model}, "
            f"load average {self.environment.load.average_1m}. "
            "Files that were read before may come from memory."
        )

    def rows(self) -> Sequence[Row]:
        about = {name: value for name, value in vars(self).items() if isinstance(value, str | int | float)}
        rates = (asdict(rate) for rate in self.rates)
        return [about | {name: value for name, value in rate.items() if name != "runs"} for rate in rates]

    def to_dict(self) -> dict[str, object]:
        return {**asdict(self), "environment": self.environment.to_dict()}


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
