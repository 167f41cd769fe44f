"""From windows to scores: one thread decodes, and windows of one length pass the model together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Hashable, Iterable, Iterator
from contextlib import closing
from itertools import groupby
from queue import SimpleQueue
from typing import NamedTuple, TypeVar

from effbench.errors import EffbenchError
from effbench.infer.scorer import FrameScorer
from effbench.infer.windows import Floats, Window, clip_windows, join_windows

Item = TypeVar("Item")
Key = TypeVar("Key", bound=Hashable)

#: Bytes of files that end a group: those of long audio are groups of their own.
_GROUP_BYTES = 1 << 28


class ScoredWindow(NamedTuple):
    """A window and its scores, (frames, classes)."""

    window: Window
    scores: Floats


def clip_scores(
    clips: Iterable[tuple[str, Floats]], scorer: FrameScorer, *, pad_to: int = 0
) -> Generator[tuple[str, Floats], None, None]:
    """Scores (frames, classes) of each clip, in order; 40 ms a frame, as many as the audio has.

    Audio of up to 10 s is one window of its own length; longer audio runs in windows as
    ``Inference.overlap`` says.

    Args:
        clips: name and audio (samples,) at 16 kHz of each clip; iterated in a thread of its own.
        scorer: the model.
        pad_to: samples to which shorter audio is padded with zeros, as in training.
    """

    def windows() -> Iterator[tuple[tuple[int, str], Window]]:
        for group, (name, samples) in in_groups(clips, scorer.inference.windows_per_call):
            for window in clip_windows(
                samples, overlap=scorer.inference.overlap, pad_to=pad_to, min_samples=scorer.min_samples
            ):
                yield (group, name), window

    with closing(score_windows(windows(), scorer)) as scored:
        for (_, name), steps in groupby(scored, key=lambda step: step[0]):
            yield name, join_windows(_checked(step) for _, step in steps)


def _checked(step: ScoredWindow | EffbenchError) -> ScoredWindow:
    if isinstance(step, EffbenchError):
        raise step
    return step


def in_groups(
    files: Iterable[Item], windows_per_call: int, bytes_of: Callable[[Item], int] = lambda _: 0
) -> Iterator[tuple[int, Item]]:
    """Files, each with the number of its group; grouping that begins with a group finds the same ones.

    No batch has windows of two groups, so that the scores of a group are the same wherever it is scored. Of
    files of one window each, a group is whole batches: four, or as many as 32 files make.

    Args:
        files: or clips, in order.
        windows_per_call: of the model.
        bytes_of: size of a file.
    """
    most = windows_per_call * max(4, 32 // windows_per_call)
    group = count = size = 0
    for file in files:
        own = bytes_of(file)
        if count and (count == most or size + own > _GROUP_BYTES):
            group, count, size = group + 1, 0, 0
        count, size = count + 1, size + own
        yield group, file


def score_windows(
    windows: Iterable[tuple[tuple[int, Key], Window | EffbenchError]], scorer: FrameScorer
) -> Generator[tuple[tuple[int, Key], ScoredWindow | EffbenchError], None, None]:
    """The windows with their scores, in order; an error in place of a window is passed on.

    Args:
        windows: each with its group and what it belongs to; iterated in a thread of its own, at most two
            batches ahead.
        scorer: the model; consecutive windows of one length and one group are a batch.
    """
    size = scorer.inference.windows_per_call
    waiting: list[tuple[tuple[int, Key], Window]] = []

    def flush() -> Iterator[tuple[tuple[int, Key], ScoredWindow]]:
        if waiting:
            batch = scorer([window.samples for _, window in waiting])
            for (key, window), scores in zip(waiting, batch, strict=True):
                yield key, ScoredWindow(window, scores)
            waiting.clear()

    with closing(prefetch(windows, 2 * size)) as decoded:
        for key, window in decoded:
            if isinstance(window, EffbenchError):
                yield from flush()
                yield key, window
                continue
            if waiting and _kind(*waiting[0]) != _kind(key, window):
                yield from flush()
            waiting.append((key, window))
            if len(waiting) == size:
                yield from flush()
        yield from flush()


def _kind(key: tuple[int, Key], window: Window) -> tuple[int, int]:
    """Group and length: what the windows of a batch share."""
    return key[0], len(window.samples)


class _End(NamedTuple):
    error: BaseException | None


def prefetch(items: Iterable[Item], ahead: int) -> Generator[Item, None, None]:
    """The same items, made in a thread that is at most ``ahead`` items in front.

    An exception arrives where the item would have. Closing the iterator ends the thread.
    """
    ready: SimpleQueue[Item | _End] = SimpleQueue()
    room, closed = threading.Semaphore(ahead), threading.Event()

    def work() -> None:
        error: BaseException | None = None
        try:
            for item in items:
                ready.put(item)
                room.acquire()
                if closed.is_set():
                    break
        except BaseException as raised:
            error = raised
        ready.put(_End(error))

    thread = threading.Thread(target=work, name="prefetch", daemon=True)
    thread.start()
    try:
        while not isinstance(item := ready.get(), _End):
            room.release()
            yield item
        if item.error is not None:
            raise item.error
    finally:
        closed.set()
        room.release()
        thread.join()
