"""The figure of a minute of audio: log-mel spectrogram above, score tracks and events of classes below."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

import numpy as np

from effbench.data.audio import audio_info, stream_audio
from effbench.detect.detected import DetectedFile
from effbench.detect.file_decoder import FrameListener
from effbench.detect.formats import BadDestination
from effbench.detect.inputs import Source
from effbench.files import reporting_write_errors
from effbench.grid import FRAMES_PER_SECOND, SAMPLE_RATE
from effbench.infer.windows import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

IMAGE_SUFFIXES = (".png", ".svg")
#: Longest stretch of audio in one figure, seconds.
PART_SECONDS = 60
_PART_FRAMES = PART_SECONDS * FRAMES_PER_SECOND

_COLOURS = (
    *("#3b6fb6", "#d1742f", "#2f8f6b", "#a8497a", "#7a68c4"),
    *("#8a7a2e", "#2c93a8", "#c2504a", "#5f7f3a", "#6d6d6d"),
)
_WIDTH_INCHES, _SPECTROGRAM_INCHES, _TRACK_INCHES = 9.0, 1.9, 0.36
_LONGEST_NAME = 32
_TICKS_HERTZ = (125, 500, 1000, 2000, 4000)


@contextmanager
def draw_file(source: Source, path: Path, *, parts: bool) -> Iterator[FrameListener]:
    """Draws a source at its end; long audio in parts of a minute.

    Args:
        source: the audio; it is decoded once more for the spectrogram.
        path: the image; parts are ``<name>.1m.png`` and so on, after the minute that they begin with.
        parts: whether there may be several; their folder is made.

    Raises:
        BadDestination: the audio is too long for one figure.
        EffbenchError: an image can't be written.
    """
    # On disk, so that memory does not grow with the audio.
    with ExitStack() as opened:
        # A buffer would fail once more when it is closed.
        with _writing_temporary_files():
            frames = opened.enter_context(tempfile.TemporaryFile(buffering=0))
        yield FigureListener(source, path, frames, parts=parts)


def _writing_temporary_files() -> AbstractContextManager[None]:
    return reporting_write_errors(Path(tempfile.gettempdir()))


class FigureListener(FrameListener):
    """What ``draw_file`` opens: keeps the filtered scores in a file until the events are known."""

    def __init__(self, source: Source, path: Path, frames: IO[bytes], *, parts: bool) -> None:
        self._source, self._path, self._frames, self._parts = source, path, frames, parts
        self._count = 0
        self._check(audio_info(source.audio, name=source.name).duration)

    def on_filtered(self, scores: Floats) -> None:
        with _writing_temporary_files():
            left = np.ascontiguousarray(scores).data.cast("B")
            while left:
                left = left[self._frames.write(left) :]
        self._count += len(scores)
        # The length in a header may be wrong.
        self._check(self._count / FRAMES_PER_SECOND)

    def on_end(self, file: DetectedFile) -> None:
        from effbench.plots.save import save, style

        count = max(1, -(-self._count // _PART_FRAMES))
        name = self._source.name
        audio = stream_audio(
            self._source.audio, block_seconds=PART_SECONDS, name=name, on_damage=lambda _: None
        )
        width, classes = len(file.labels), _top_classes(file)
        self._frames.seek(0)
        for number, samples in zip(range(count), audio, strict=False):
            data = self._frames.read(_PART_FRAMES * width * np.dtype(np.float32).itemsize)
            scores = np.frombuffer(data, np.float32).reshape(-1, width)
            path = self._path if count == 1 else self._path.with_suffix(f".{number}m{self._path.suffix}")
            with style():
                figure = _draw(_Part(file, number * PART_SECONDS, samples, scores, classes))
                save(figure, path, make_folder=self._parts)

    def _check(self, seconds: float) -> None:
        if not self._parts and seconds > PART_SECONDS:
            raise BadDestination(
                "plot",
                f"{self._source.name} is longer than the {PART_SECONDS} s that one figure shows readably: "
                "give a folder, for a figure of every minute",
            )


def _top_classes(file: DetectedFile) -> list[int]:
    """Classes to draw, the highest peak first: those with events, or all where there are none."""
    active = np.unique(file.records["label"])
    pool = active if len(active) else np.arange(len(file.labels))
    order = np.argsort(-file.peaks[pool], kind="stable")[: len(_COLOURS)]
    return [int(index) for index in pool[order]]


@dataclass(frozen=True)
class _Part:
    """At most a minute of a file from ``start`` seconds on: audio, filtered scores (frames, all classes).

    ``classes`` are the indices of those to draw.
    """

    file: DetectedFile
    start: float
    samples: Floats
    scores: Floats
    classes: Sequence[int]

    @property
    def end(self) -> float:
        """Seconds of the file up to its end."""
        return self.start + len(self.samples) / SAMPLE_RATE

    def spans(self, label: int, threshold: int) -> list[tuple[float, float]]:
        """Onset and length of each event of a class and a threshold (by index) that shows at all."""
        records = self.file.records
        onset, offset = (records[name] / FRAMES_PER_SECOND for name in ("onset", "offset"))
        shown = (onset < self.end) & (offset > self.start)
        shown &= (records["label"] == label) & (records["threshold"] == threshold)
        return [(float(a), float(b - a)) for a, b in zip(onset[shown], offset[shown], strict=True)]


def _draw(part: _Part) -> Figure:
    """Spectrogram above, one track a class below, all on the same axis of seconds."""
    from matplotlib.figure import Figure

    tracks = max(1, len(part.classes))
    above, below = 0.34, 0.5
    height = above + _SPECTROGRAM_INCHES + 0.1 + tracks * _TRACK_INCHES + below
    figure = Figure(figsize=(_WIDTH_INCHES, height))
    names = [_shown(part.file.labels[index]) for index in part.classes]
    left = max(0.62, 0.2 + 0.067 * max(map(len, names), default=0)) / _WIDTH_INCHES
    grid = figure.add_gridspec(
        1 + tracks,
        1,
        height_ratios=[_SPECTROGRAM_INCHES + 0.1] + [_TRACK_INCHES] * tracks,
        hspace=0.0,
        left=left,
        right=0.985,
        top=1 - above / height,
        bottom=below / height,
    )
    top = figure.add_subplot(grid[0])
    _draw_spectrogram(top, part)
    for row, index in enumerate(part.classes):
        axes = figure.add_subplot(grid[row + 1], sharex=top)
        _draw_track(axes, part, index, _COLOURS[row], last=row == len(part.classes) - 1)
    top.set_xlim(part.start, max(part.end, part.start + 1 / FRAMES_PER_SECOND))
    figure.text(left, 1 - 0.2 / height, part.file.name, fontsize=10, va="center", weight="bold")
    listed = ", ".join(f"{threshold:g}" for threshold in part.file.thresholds)
    key = f"curves: score, 0 to 1    bars: events above {listed}"
    figure.text(0.985, 1 - 0.2 / height, key, ha="right", va="center", color="#666666")
    return figure


def _draw_spectrogram(axes: Axes, part: _Part) -> None:
    import torch

    from effbench.models.frontends.filters import kaldi_mel
    from effbench.models.frontends.mel import LogMelFrontend

    frontend = LogMelFrontend()
    samples = np.pad(part.samples, (0, max(0, frontend.min_samples - len(part.samples))))
    with torch.inference_mode():
        image = frontend(torch.from_numpy(samples)[None])[0, 0].numpy()
    top_mel = kaldi_mel(7000.0)
    low, high = np.percentile(image, [5, 99.8])
    axes.imshow(
        image,
        origin="lower",
        aspect="auto",
        interpolation="nearest" if image.shape[1] < 2000 else "antialiased",
        cmap="magma",
        vmin=low,
        vmax=max(high, low + 1e-3),
        extent=(part.start, part.start + image.shape[1] * 0.01, 0, top_mel),
    )
    axes.set_yticks([kaldi_mel(hertz) for hertz in _TICKS_HERTZ])
    axes.set_yticklabels([f"{hertz / 1000:g}" for hertz in _TICKS_HERTZ])
    axes.set_ylabel("frequency (kHz)")
    axes.grid(visible=False)
    axes.tick_params(axis="x", bottom=False, labelbottom=False)


def _draw_track(axes: Axes, part: _Part, index: int, colour: str, *, last: bool) -> None:
    """Score from 0 to 1 as a filled curve, thresholds as dotted lines, events as bars beneath."""
    scores = part.scores[:, index]
    # Steps, since a score holds for the 40 ms of its frame.
    edges = part.start + np.arange(len(scores) + 1) / FRAMES_PER_SECOND
    axes.stairs(scores, edges, fill=True, color=colour, alpha=0.25, linewidth=0)
    axes.stairs(scores, edges, baseline=None, color=colour, linewidth=0.9)
    thresholds = part.file.thresholds
    for level, threshold in enumerate(thresholds):
        axes.axhline(threshold, color="#999999", linewidth=0.6, linestyle=(0, (2, 2)), zorder=1)
        bottom, height = -0.34, 0.2
        inset = level * height / (2 * len(thresholds))
        axes.broken_barh(
            part.spans(index, level),
            (bottom + inset, height - 2 * inset),
            color=colour,
            alpha=0.35 + 0.65 * (level + 1) / len(thresholds) if len(thresholds) > 1 else 1.0,
            linewidth=0,
        )
    axes.set_ylim(-0.42, 1.2)
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.spines["bottom"].set_color("#888888" if last else "#e4e4e4")
    name = _shown(part.file.labels[index])
    axes.text(-0.012, 0.36, name, transform=axes.transAxes, ha="right", va="center", color=colour)
    axes.tick_params(axis="x", bottom=last, labelbottom=last)
    if last:
        axes.set_xlabel("time (s)")


def _shown(name: str) -> str:
    return name if len(name) <= _LONGEST_NAME else name[: _LONGEST_NAME - 1].rstrip(" ,") + "…"
