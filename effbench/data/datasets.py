"""Opens a data set of any known layout: ``open_dataset("data/audioset", split="eval")``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from effbench.data.clips import DataSet
from effbench.data.column_help import mend_columns
from effbench.data.layouts import audioset, desed, hear, prepared, trees
from effbench.data.pseudo_label_files import PseudoLabels
from effbench.errors import DataError, UsageError, nearest


@dataclass(frozen=True)
class Layout:
    """A layout: what splits a path has (none if it is not of this layout), and how to open one."""

    description: str
    splits: Callable[[Path], Mapping[str, Path]]
    open: Callable[[Path, str, Path | None], DataSet]


def _published(tree: trees.Tree, description: str) -> Layout:
    return Layout(description, tree.splits, tree.open_split)


LAYOUTS: Mapping[str, Layout] = {
    "prepared": Layout("made by 'effbench data prepare'", prepared.splits, prepared.open_split),
    "audioset-strong": Layout(
        "a table with segment_id, start_time_seconds, end_time_seconds, label, beside audio files or packs",
        audioset.strong_splits,
        audioset.open_strong,
    ),
    "desed": Layout(
        "a table with filename, onset, offset, event_label (or filename, event_labels), beside audio files",
        desed.splits,
        desed.open_split,
    ),
    "hear": Layout(
        "labelvocabulary.csv, <split>.json, and 16000/<split> with audio files", hear.splits, hear.open_split
    ),
    "desed-tree": _published(trees.DESED_TREE, "metadata/<part>/<split>.tsv and audio/<part>/<split>"),
    "fsd50k": _published(trees.FSD50K, "FSD50K.ground_truth/dev.csv and FSD50K.dev_audio, or eval"),
    "urban-sed": _published(
        trees.URBAN_SED, "annotations/<split> with .txt or .jams files, and audio/<split>"
    ),
    "maestro-real": _published(
        trees.MAESTRO, "development_annotation/soft_labels_<scene> and development_audio/<scene>"
    ),
    "tut": _published(trees.TUT, "meta.txt with lines of audio/…, and perhaps evaluation_setup/<split>.txt"),
    "audioset-weak": Layout(
        "HDF5 packs with audio_name, mp3 and target, or <split>_segments.csv",
        audioset.weak_splits,
        audioset.open_weak,
    ),
}
#: Packs may also be no more than the audio of another layout.
_LAST = "audioset-weak"


def recognise(path: str | Path, layout: str | None = None) -> tuple[str, Mapping[str, Path]]:
    """Name of the layout of a folder or table, and its splits.

    Raises:
        DataError: there is nothing, nothing that looks like a data set, or what looks like two.
        UsageError: no such layout.
    """
    path = Path(path)
    if layout is not None and layout not in LAYOUTS:
        raise UsageError(
            f"unknown layout '{layout}'{nearest(layout, LAYOUTS)}\nLayouts: {', '.join(LAYOUTS)}"
        )
    if not path.exists():
        raise DataError(f"{path}: no such file or folder")
    if not path.is_dir() and not path.is_file():
        raise DataError(f"{path} is neither a file nor a folder")
    tried = LAYOUTS if layout is None else {layout: LAYOUTS[layout]}
    found = {name: splits for name in tried if name != _LAST and (splits := LAYOUTS[name].splits(path))}
    if not found and _LAST in tried and (splits := LAYOUTS[_LAST].splits(path)):
        found = {_LAST: splits}
    if len(found) > 1:
        lines = [f"{name}: {', '.join(splits)}" for name, splits in found.items()]
        question = f"{path} is a data set of {len(found)} layouts, with these splits: say which one is meant"
        raise DataError("\n".join([question, *lines]))
    for name, splits in found.items():
        return name, splits
    if layout in (None, "desed") and (cure := mend_columns(path)):
        raise DataError(f"{path} is not a data set of a known layout\n{cure}")
    lines = [f"{name}: {candidate.description}" for name, candidate in tried.items()]
    raise DataError("\n".join([f"{path} is not a data set of a known layout", *lines]))


def open_dataset(
    path: str | Path,
    layout: str | None = None,
    *,
    split: str | None = None,
    audio: str | Path | None = None,
    pseudo_labels: str | Path | None = None,
) -> DataSet:
    """One split of a data set; the layout is recognised unless named.

    Args:
        path: its folder, or one of its tables or packs.
        layout: a key of ``LAYOUTS``.
        split: which of its splits; may be left out where there is one only.
        audio: folder of the audio, where it is not beside the tables.
        pseudo_labels: HDF5 file for ``Clip.pseudo``.

    Raises:
        DataError: not a data set, or damaged.
        UsageError: the layout or split does not exist, or the split must be named.
    """
    path = Path(path)
    name, splits = recognise(path, layout)
    if split is None and len(splits) > 1:
        raise UsageError(f"{path} has several splits: {', '.join(splits)}; choose one")
    chosen = next(iter(splits)) if split is None else split
    if chosen not in splits:
        raise UsageError(
            f"{path} has no split '{chosen}'{nearest(chosen, splits)}\nSplits: {', '.join(splits)}"
        )
    dataset = LAYOUTS[name].open(splits[chosen], chosen, None if audio is None else Path(audio))
    return dataset if pseudo_labels is None else replace(dataset, pseudo=PseudoLabels(Path(pseudo_labels)))
