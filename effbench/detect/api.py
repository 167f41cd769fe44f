"""Detection from Python: an iterator of files with their events, or a detector of one stream."""

from __future__ import annotations

import os
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import closing
from typing import Literal, get_args

from effbench.detect.detected import DetectedFile, Failure
from effbench.detect.event_decoding import Decoding
from effbench.detect.inputs import find, skipped_media
from effbench.detect.live import LiveDetector
from effbench.detect.run import detect_files
from effbench.errors import EffbenchWarning, UsageError
from effbench.infer.scorer import FrameScorer, Inference
from effbench.infer.sliding import Sliding
from effbench.models.cards import Training
from effbench.models.chosen import ChosenModel, choose_model
from effbench.models.detector import SoundEventDetector

AudioPath = str | os.PathLike[str]


def detect(
    paths: AudioPath | Iterable[AudioPath],
    *,
    model: str | SoundEventDetector | None = None,
    checkpoint: AudioPath | None = None,
    thresholds: float | Sequence[float] = 0.5,
    median_window: int = 9,
    top: int | None = None,
    min_duration: float = 0.0,
    classes: str | Sequence[str] | None = None,
    overlap: bool = True,
    device: str = "cpu",
    precision: str = "fp32",
    backend: str = "folded",
    batch_size: int | None = None,
    keep_scores: bool = False,
    errors: Literal["raise", "warn"] = "raise",
) -> Iterator[DetectedFile]:
    """Events in audio files of any length, file by file, as soon as each is done.

    Paths, model and options are checked at once; audio is read as the results are asked for. Memory does not
    depend on how long or how many the files are, unless scores are kept.

    Example:
        for file in effbench.detect("recordings", checkpoint="strong", thresholds=(0.2, 0.5)):
            print(file.name, file.events)

    Args:
        paths: files, folders (searched recursively) and globs: one, or several.
        model: spec, or a detector in eval mode, whose classes are numbered where it does not know them; by
            default the one that the checkpoint states, else ``fmn10``.
        checkpoint: ``strong``, ``advanced-kd``, a file or a run folder; without, the weights are untrained.
        thresholds: probabilities that events exceed; every event carries its own.
        median_window: frames of the median filter, 40 ms each; 1 for none.
        top: number of classes to keep in each file, those with the highest peaks.
        min_duration: shortest event that is kept, seconds.
        classes: names or globs of the classes that are kept, all by default.
        overlap: cross-faded windows, or hard cuts every 10 s.
        device: ``cpu``, ``cuda``, ``cuda:1`` or ``auto``.
        precision: ``fp32``, ``tf32`` (NVIDIA GPUs), ``bf16`` or ``fp16``.
        backend: what runs the network, a name of ``BACKENDS``, the path of an exported file, or ``best`` for
            the fastest one here.
        batch_size: windows per call of the model; 2 on a CPU and 32 on a GPU by default.
        keep_scores: give every file its ``scores``, 160 MB an hour for 447 classes.
        errors: ``raise`` an ``EffbenchError`` where a file can't be read, or ``warn`` and leave it out.

    Raises:
        UsageError: an impossible option, or no audio at all.
        EffbenchError: the model can't be loaded or, while iterating, a file can't be read.
    """
    if errors not in ("raise", "warn"):
        raise UsageError(f"errors must be 'raise' or 'warn', not '{errors}'")
    found = find([paths] if isinstance(paths, str | os.PathLike) else paths)
    if found.left_out:
        warnings.warn(skipped_media(found.left_out), EffbenchWarning, stacklevel=2)
    chosen = _choose(model, checkpoint)
    decoding = Decoding(
        thresholds=(thresholds,) if isinstance(thresholds, int | float) else tuple(thresholds),
        median_window=median_window,
        top=top,
        min_duration=min_duration,
        classes=(classes,) if isinstance(classes, str) else classes,
        names=chosen.class_names,
    )
    inference = Inference(device, precision, batch_size, overlap, backend)
    scorer = FrameScorer(chosen.detector, inference, probabilities=True, columns=decoding.columns)
    results = detect_files(found.sources, scorer, decoding, keep_scores=keep_scores)
    return _files(results, strict=errors == "raise")


def live_detector(
    *,
    model: str | SoundEventDetector | None = None,
    checkpoint: AudioPath | None = None,
    hop: float = 1.0,
    look_ahead: float = 1.0,
    thresholds: float | Sequence[float] = 0.5,
    median_window: int = 9,
    min_duration: float = 0.0,
    classes: str | Sequence[str] | None = None,
    device: str = "cpu",
    precision: str = "fp32",
    backend: str = "folded",
) -> LiveDetector:
    """What detects events in one stream of audio while it is still coming.

    Example:
        live = effbench.live_detector(checkpoint="strong")
        for block in blocks:  # (samples,) float32 at 16 kHz
            for event in live.push(block):
                print(event)
        print(live.finish())

    Args:
        hop: seconds between the ends of two windows.
        look_ahead: seconds heard after a frame before it is decided.
        model, checkpoint, thresholds, median_window, min_duration, classes, device, precision, backend: as
            for ``detect``.

    Raises:
        UsageError: an impossible option.
        EffbenchError: the model can't be loaded.
    """
    sliding = Sliding.of_seconds(hop, look_ahead)
    chosen = _choose(model, checkpoint)
    decoding = Decoding(
        thresholds=(thresholds,) if isinstance(thresholds, int | float) else tuple(thresholds),
        median_window=median_window,
        min_duration=min_duration,
        classes=(classes,) if isinstance(classes, str) else classes,
        names=chosen.class_names,
    )
    inference = Inference(device, precision, backend=backend)
    scorer = FrameScorer(chosen.detector, inference, probabilities=True, columns=decoding.columns)
    return LiveDetector(scorer, decoding, sliding)


def _choose(model: str | SoundEventDetector | None, checkpoint: AudioPath | None) -> ChosenModel:
    """The model of a call, ``fmn10`` by default; warns where its weights are untrained."""
    if model is None and (checkpoint is None or str(checkpoint) in get_args(Training)):
        model = "fmn10"
    chosen = choose_model(model, checkpoint)
    if chosen.checkpoint is None:
        message = "no checkpoint, so the weights are untrained: the events mean nothing"
        warnings.warn(message, EffbenchWarning, stacklevel=3)
    return chosen


def _files(
    results: Generator[DetectedFile | Failure, None, None], *, strict: bool
) -> Generator[DetectedFile, None, None]:
    with closing(results):
        for result in results:
            if isinstance(result, DetectedFile):
                yield result
            elif strict:
                raise result
            else:
                warnings.warn(f"left out: {result}", EffbenchWarning, stacklevel=2)
