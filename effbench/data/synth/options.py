"""What a synthetic data set is made from; the same options give the same bytes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from effbench.data.synth.sounds import SOUNDS
from effbench.errors import UsageError, nearest
from effbench.files import replacing, reporting_write_errors

SYNTH_RECORD = "synth.json"
SYNTH_LAYOUTS = ("audioset", "hear")


@dataclass(frozen=True)
class SynthOptions:
    """Options of a set; ``UsageError`` if one is invalid."""

    layout: str
    clips: int
    eval_clips: int
    classes: tuple[str, ...]
    seconds: float
    snr: tuple[float, float]
    seed: int
    version: int = 1
    """Raised when the same options would give other samples or labels."""

    def __post_init__(self) -> None:
        if self.layout not in SYNTH_LAYOUTS:
            raise UsageError(f"unknown layout '{self.layout}'\nLayouts: {', '.join(SYNTH_LAYOUTS)}")
        for name in self.classes:
            if name not in SOUNDS:
                raise UsageError(
                    f"no sound for the class '{name}'{nearest(name, SOUNDS)}\nClasses: {'; '.join(SOUNDS)}"
                )
        counts = (self.clips, self.eval_clips)
        problems = {
            "at least one class is needed": not self.classes,
            "a class is named twice": len(set(self.classes)) < len(self.classes),
            "clips must be from 0 to 99,999, and at least one": not (
                any(counts) and all(0 <= count < 100_000 for count in counts)
            ),
            "seconds must be from 1 to 3600": not 1 <= self.seconds <= 3600,
            "the SNR range must be two numbers in dB, -60 to 60, the lower first": not (
                -60 <= self.snr[0] <= self.snr[1] <= 60
            ),
            "the seed must not be negative": self.seed < 0,
        }
        for problem, holds in problems.items():
            if holds:
                raise UsageError(problem)

    def record(self) -> str:
        """The options as JSON, as they are kept beside the data."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @property
    def splits(self) -> dict[str, int]:
        """Number of clips of every split."""
        if self.layout == "hear":
            return {"train": self.clips, "valid": self.eval_clips, "test": self.eval_clips}
        return {"train": self.clips, "eval": self.eval_clips}


def make_options(
    layout: str = "audioset",
    clips: int = 200,
    eval_clips: int = 50,
    classes: Sequence[str] | None = None,
    seconds: float | None = None,
    snr: tuple[float, float] = (0.0, 20.0),
    seed: int = 0,
) -> SynthOptions:
    """Options with their defaults filled in: all classes; 10-s clips, or 120 s in the HEAR layout."""
    length = seconds if seconds is not None else 120.0 if layout == "hear" else 10.0
    chosen = tuple(SOUNDS) if classes is None else tuple(classes)
    return SynthOptions(
        layout, clips, eval_clips, chosen, float(length), (float(snr[0]), float(snr[1])), seed
    )


def claim(folder: Path, options: SynthOptions) -> None:
    """Make ``folder`` this set's, or check that it already is; ``UsageError`` if it holds something else."""
    record = folder / SYNTH_RECORD
    with reporting_write_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
    if record.exists():
        if record.read_text(encoding="utf-8") != options.record():
            raise UsageError(f"{folder} holds a set made with other options ({record}): choose another")
        return
    if any(folder.iterdir()):
        raise UsageError(f"{folder} is neither empty nor a synthetic set; choose another folder")
    with replacing(record) as temporary:
        temporary.write_text(options.record(), encoding="utf-8")
