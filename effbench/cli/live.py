"""``effbench detect --live``: its options, and events printed while audio is still coming."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from effbench.cli.output import note
from effbench.detect.formats import EventFormat
from effbench.errors import EffbenchError, Stopped, UsageError
from effbench.grid import CLIP_SAMPLES, CLIP_SECONDS, FRAME_SECONDS, SAMPLE_RATE
from effbench.shown import takes_unicode

if TYPE_CHECKING:
    from effbench.detect.event_decoding import Decoding
    from effbench.detect.live import LiveDetector, LiveEvent
    from effbench.detect.live_sources import LiveFeed, Microphone
    from effbench.infer.scorer import Inference
    from effbench.models.chosen import ChosenModel

Live = Annotated[
    bool,
    typer.Option(
        "--live", help="Print events as they happen: raw PCM from -, or without AUDIO a microphone."
    ),
]
Hop = Annotated[float | None, typer.Option(help="With --live, seconds between two windows; 1 by default.")]
LookAhead = Annotated[
    float | None, typer.Option(help="With --live, seconds heard after a frame before it is decided; 1.")
]
Rate = Annotated[int | None, typer.Option(help="Samples a second of raw PCM; 16000 by default.")]
Channels = Annotated[int | None, typer.Option(help="Channels of raw PCM, interleaved; 1 by default.")]
SampleFormat = Annotated[
    str | None, typer.Option(help="Samples of raw PCM, little-endian: s16 (by default), s32, f32 or f64.")
]
InputDevice = Annotated[
    str | None, typer.Option(metavar="NAME", help="Microphone, by name or number; the system's by default.")
]


@dataclass(frozen=True)
class LiveOptions:
    """What was asked for of a stream; ``None`` where nothing was."""

    hop: float | None
    look_ahead: float | None
    rate: int | None
    channels: int | None
    sample_format: str | None
    input_device: str | None

    def refuse_without_live(self) -> None:
        """Raise ``UsageError`` where one of them is given for files."""
        for name, value in asdict(self).items():
            if value is not None:
                raise UsageError(f"--{name.replace('_', '-')} goes with --live")


def refuse_with_live(given: Mapping[str, bool], form: EventFormat | None) -> None:
    """Raise ``UsageError`` for options of files."""
    for option, is_given in given.items():
        if is_given:
            raise UsageError(f"{option} is for files: a stream has no end yet, so it does not go with --live")
    if form not in (None, EventFormat.table, EventFormat.json):
        raise UsageError(
            f"--format {form} is for files: with --live, table (lines of text) or json (JSON lines)"
        )


def open_feed(audio: list[str], asked: LiveOptions) -> tuple[LiveFeed, Microphone | None]:
    """The source that the options name."""
    from effbench.detect.live_sources import LiveFeed, Microphone, RawPcm, standard_input

    if not audio:
        if asked.rate or asked.channels or asked.sample_format:
            raise UsageError(
                "--rate, --channels and --sample-format are for raw PCM from standard input: give -"
            )
        microphone = Microphone(asked.input_device)
        return LiveFeed(microphone.read(), paced=True), microphone
    if audio != ["-"]:
        raise UsageError("--live hears a microphone, or - for raw PCM; files are detected in without it")
    if asked.input_device is not None:
        raise UsageError("--input-device is for the microphone, without -")
    form = RawPcm(
        SAMPLE_RATE if asked.rate is None else asked.rate,
        1 if asked.channels is None else asked.channels,
        asked.sample_format or "s16",
    )
    return standard_input(form, sys.stdin.fileno()), None


def run(
    audio: list[str],
    asked: LiveOptions,
    model: ChosenModel,
    decoding: Decoding,
    inference: Inference,
    form: EventFormat | None,
) -> None:
    """Detect in the stream that the options name."""
    import numpy as np

    from effbench.detect.live import LiveDetector
    from effbench.infer.scorer import FrameScorer
    from effbench.infer.sliding import Sliding

    sliding = Sliding.of_seconds(
        1.0 if asked.hop is None else asked.hop, 1.0 if asked.look_ahead is None else asked.look_ahead
    )
    feed, microphone = open_feed(audio, asked)
    inference = inference.settled(model.detector)
    scorer = FrameScorer(model.detector, inference, probabilities=True, columns=decoding.columns)
    live = LiveDetector(scorer, decoding, sliding)
    scorer([np.zeros(CLIP_SAMPLES, np.float32)])  # the first call takes longer
    listen(live, feed, microphone, form)


def listen(
    live: LiveDetector, feed: LiveFeed, microphone: Microphone | None, form: EventFormat | None
) -> None:
    """Print the events of a stream until it ends, or is interrupted."""
    delay = f"{live.delay:.2f} s and one window's computing"
    sliding = live.sliding
    hop, ahead = sliding.hop * FRAME_SECONDS, sliding.look_ahead * FRAME_SECONDS
    source = f"'{microphone.name}'" if microphone else "raw PCM"
    note(
        f"{source}: windows of {CLIP_SECONDS:g} s every {hop:g} s, look-ahead {ahead:g} s;"
        f" events are told {delay} after the sound at most"
    )
    windows = live.stream.windows
    failure: EffbenchError | None = None
    told = False
    try:
        for samples, paced in feed:
            _print(live.push(samples, newest_only=paced), form)
            if windows.skipped and not told:
                told = True
                note("note: the model can't keep up: windows are skipped, and events come later than said")
    except KeyboardInterrupt:
        failure = Stopped("interrupted: these are the events until then")
    except EffbenchError as error:  # what came before it counts
        failure = error
    _print(live.finish(), form)
    lost = f", {windows.lost * FRAME_SECONDS:.2f} s of audio in none" if windows.lost else ""
    note(
        f"{windows.received / SAMPLE_RATE:.2f} s heard; {live.scored:,} windows scored,"
        f" {windows.skipped:,} skipped{lost}"
    )
    if microphone is not None and microphone.overflows:
        note(f"note: the microphone lost samples {microphone.overflows:,} times")
    if failure is not None:
        raise failure


def _print(events: Iterable[LiveEvent], form: EventFormat | None) -> None:
    for event in events:
        if form is EventFormat.json:
            line = json.dumps(
                {"time": event.time, **asdict(event)}, ensure_ascii=not takes_unicode(sys.stdout)
            )
        else:
            line = (
                f"{event.time:9.2f}  {event.state:5}  {event.label}  > {event.threshold:g}, {event.score:.3f}"
            )
        print(line, flush=True)
