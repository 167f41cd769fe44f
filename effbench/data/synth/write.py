"""Writes a synthetic data set: audio first, each file whole or not at all, then the labels."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from io import BytesIO
from pathlib import Path

from effbench.data.pool import in_batches
from effbench.data.synth.scene import Scene, plan_scene, render_scene
from effbench.data.synth.sounds import SOUNDS
from effbench.data.vocabulary import strong_classes
from effbench.errors import UsageError, nearest
from effbench.files import remove_abandoned, replacing, reporting_write_errors
from effbench.grid import SAMPLE_RATE

_BATCH = 8
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


@dataclass(frozen=True)
class PlannedClip:
    """One file to be made."""

    split: str
    name: str
    scene: Scene


def synthesise(
    folder: str | Path,
    *,
    clips: int = 200,
    eval_clips: int = 50,
    layout: str = "audioset",
    classes: Sequence[str] | None = None,
    seconds: float | None = None,
    snr: tuple[float, float] = (0.0, 20.0),
    seed: int = 0,
    processes: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Write a data set of synthetic soundscapes into ``folder`` and return it.

    An interrupted run is resumed; a finished set is left as it is. The bytes depend on the options alone, not
    on ``processes``.

    Args:
        folder: new or empty, or of an earlier run with the same options.
        clips: number of training clips.
        eval_clips: number of evaluation clips; in the HEAR layout validation and test clips each.
        layout: ``audioset`` (FLAC and AudioSet-strong's TSV files) or ``hear`` (WAV and JSON).
        classes: AudioSet-strong classes that have a sound (``SOUNDS``); all by default.
        seconds: length of a clip; 10 by default, 120 in the HEAR layout.
        snr: lowest and highest level of an event over the background, dB.
        seed: 0 or more.
        processes: that render. With more than one, the calling script needs a ``__main__`` guard.
        progress: called with the clips done and the clips in all.

    Raises:
        UsageError: an option is invalid, or the folder holds something else.
    """
    folder = Path(folder)
    options = make_options(layout, clips, eval_clips, classes, seconds, snr, seed)
    claim(folder, options)
    planned = list(plan(options))
    for split in options.splits:
        with reporting_write_errors(folder):
            audio_folder(folder, options, split).mkdir(parents=True, exist_ok=True)
    missing = [clip for clip in planned if not audio_file(folder, options, clip).exists()]
    done = len(planned) - len(missing)
    progress(done, len(planned))
    work = partial(_write_clips, folder, options)
    for count in in_batches(work, missing, size=_BATCH, processes=processes):
        done += count
        progress(done, len(planned))
    write_labels = _write_hear if options.layout == "hear" else _write_audioset
    write_labels(folder, options, planned)
    for split in options.splits:
        remove_abandoned(audio_folder(folder, options, split))
    return folder


def is_complete(folder: Path, options: SynthOptions) -> bool:
    """Whether a folder holds all of the set with these options; its last split's labels are written last."""
    last = list(options.splits)[-1]
    labels = folder / (f"{last}.json" if options.layout == "hear" else f"{last}_durations.csv")
    record = folder / SYNTH_RECORD
    return labels.is_file() and record.is_file() and record.read_text(encoding="utf-8") == options.record()


def plan(options: SynthOptions) -> Iterator[PlannedClip]:
    """Every clip of a set, without audio."""
    for number, (split, count) in enumerate(options.splits.items()):
        for index in range(count):
            scene = plan_scene((options.seed, number, index), options.seconds, options.classes, options.snr)
            yield PlannedClip(split, f"{split}{index:0{11 - len(split)}d}", scene)


def audio_folder(folder: Path, options: SynthOptions, split: str) -> Path:
    """Where a split's audio lies."""
    return folder / str(SAMPLE_RATE) / split if options.layout == "hear" else folder / "audio" / split


def audio_file(folder: Path, options: SynthOptions, clip: PlannedClip) -> Path:
    """A clip's file; in the AudioSet layout, ``Y`` and an id of 11 characters."""
    name = f"{clip.name}.wav" if options.layout == "hear" else f"Y{clip.name}.flac"
    return audio_folder(folder, options, clip.split) / name


def _write_clips(folder: Path, options: SynthOptions, clips: Sequence[PlannedClip]) -> int:
    import soundfile

    for clip in clips:
        path, content = audio_file(folder, options, clip), BytesIO()
        samples, form = render_scene(clip.scene), path.suffix[1:]
        # In memory first, for libsndfile does not say why it can't write a file.
        soundfile.write(content, samples, SAMPLE_RATE, subtype="PCM_16", format=form)
        with replacing(path) as temporary:
            temporary.write_bytes(content.getvalue())
    return len(clips)


def _write_audioset(folder: Path, options: SynthOptions, clips: Sequence[PlannedClip]) -> None:
    """``audioset_<split>_strong.tsv`` as the official release has them, ``<split>_durations.csv``."""
    mids = {name: mid for mid, name in strong_classes().by_mid.items()}
    for split in options.splits:
        rows = ["segment_id\tstart_time_seconds\tend_time_seconds\tlabel"]
        durations = []
        for clip in clips:
            if clip.split == split:
                durations.append(f"Y{clip.name},{clip.scene.seconds}")
                rows += [
                    f"{clip.name}_0\t{event.onset:.3f}\t{event.offset:.3f}\t{mids[event.label]}"
                    for event in clip.scene.events
                ]
        _write_text(folder / f"audioset_{split}_strong.tsv", rows)
        _write_text(folder / f"{split}_durations.csv", durations)


def _write_hear(folder: Path, options: SynthOptions, clips: Sequence[PlannedClip]) -> None:
    """``<split>.json`` with times in milliseconds, ``labelvocabulary.csv``."""
    vocabulary = [f'{index},"{name}"' for index, name in enumerate(sorted(options.classes))]
    _write_text(folder / "labelvocabulary.csv", ["idx,label", *vocabulary])
    for split in options.splits:
        labels = {
            f"{clip.name}.wav": [
                {"label": e.label, "start": round(e.onset * 1000, 1), "end": round(e.offset * 1000, 1)}
                for e in clip.scene.events
            ]
            for clip in clips
            if clip.split == split
        }
        _write_text(folder / f"{split}.json", [json.dumps(labels, indent=1)])


def _write_text(path: Path, lines: Sequence[str]) -> None:
    with replacing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
