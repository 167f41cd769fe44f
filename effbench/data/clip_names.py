"""Names of clips: what a file name becomes, and which names of two sources are of one clip."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches

from effbench.data.media_files import MEDIA_SUFFIXES

#: Suffixes of audio files in a folder. A file that is named itself may have any.
AUDIO_SUFFIXES = frozenset(
    f".{kind}"
    for kind in (
        *("wav", "wave", "flac", "ogg", "oga", "opus", "mp3", "aif", "aiff", "aifc"),
        *("au", "snd", "caf", "w64", "rf64", "sph", "nist", "voc"),
    )
)
#: Suffixes of tables as text.
TABLE_SUFFIXES = (".tsv", ".csv", ".txt")
_KNOWN = AUDIO_SUFFIXES | MEDIA_SUFFIXES | {*TABLE_SUFFIXES, ".parquet", ".json", ".jams"}
#: ``<id>``, ``<id>_<milliseconds>`` or ``<id>_<start>_<end>``, perhaps after a ``Y``.
_YOUTUBE = re.compile(r"Y?([\w-]{11})(?:_(\d+)|_(\d+\.\d+)_\d+\.\d+)?")


def without_suffix(name: str) -> str:
    """A name without its suffix, if that is one of audio or of tables; ``.5dB`` of ``snr-5.5dB`` is none."""
    head, dot, tail = name.rpartition(".")
    known = head and not head.endswith("/") and (dot + tail).lower() in _KNOWN
    return head if known else name


def stem(name: str) -> str:
    """File name without folders and without the suffix of audio or of a table."""
    return without_suffix(name.replace("\\", "/").rsplit("/", 1)[-1])


def name_clips(names: Iterable[str]) -> dict[str, str]:
    """Clip of every file name: its ``stem``, or its path where files in other folders have the same.

    A name without folders is that of the one file that ends with it.
    """
    paths = {name: without_suffix(name.replace("\\", "/").removeprefix("./")) for name in names}
    folders = defaultdict(set)
    for path in paths.values():
        folder, _, base = path.rpartition("/")
        if folder:
            folders[base].add(folder)
    return {
        name: path if len(folders[path.rpartition("/")[2]]) > 1 else path.rpartition("/")[2]
        for name, path in paths.items()
    }


@dataclass(frozen=True)
class NameMatch:
    """Which names of one source are clips of another.

    Attributes:
        clip_of: name -> clip, of all names that are understood.
        rules: how names that differ were matched, each with an example.
        unmatched: names of no clip.
        ambiguous: names of several clips.
    """

    clip_of: Mapping[str, str]
    rules: tuple[str, ...]
    unmatched: tuple[str, ...]
    ambiguous: tuple[str, ...]


def match_names(names: Iterable[str], clips: Collection[str]) -> NameMatch:
    """Match names with clips: equal ones first, then by each rule in turn, where it gives one clip alone.

    Rules: Unicode composed or decomposed; paths of which one ends with the other; ids of YouTube with or
    without ``Y`` and start, as long as two starts are the same.
    """
    known = set(clips)
    clip_of = {name: name for name in names if name in known}
    left = [name for name in dict.fromkeys(names) if name not in clip_of]
    rules, ambiguous = [], set[str]()
    for rule, key, agree in _RULES:
        if not left:
            break
        by_key = defaultdict(list)
        for clip in clips:
            by_key[key(clip)].append(clip)
        found = {
            name: [clip for clip in by_key.get(key(name), ()) if agree(name, clip)]
            for name in left
            if key(name)
        }
        matched = {name: candidates[0] for name, candidates in found.items() if len(candidates) == 1}
        ambiguous |= {name for name, candidates in found.items() if len(candidates) > 1}
        if matched:
            name, clip = next(iter(matched.items()))
            rules.append(f"{rule} ('{name}' is '{clip}'{_more(len(matched))})")
            clip_of |= matched
        left = [name for name in left if name not in clip_of]
    return NameMatch(
        clip_of,
        tuple(rules),
        tuple(name for name in left if name not in ambiguous),
        tuple(name for name in left if name in ambiguous),
    )


def nearest_names(name: str, choices: Collection[str], count: int = 3) -> str:
    """The most similar of ``choices`` in quotes, or the first ones where none is."""
    few = list(choices) if len(choices) <= 2000 else [choice for choice in choices if choice[:3] == name[:3]]
    near = get_close_matches(name, few[:2000], n=count, cutoff=0.5) or sorted(choices)[:count]
    return ", ".join(f"'{choice}'" for choice in near)


def _more(count: int) -> str:
    return f", and {count - 1:,} more" if count > 1 else ""


def _composed(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _base(name: str) -> str:
    return _composed(name).rpartition("/")[2]


def _nested(one: str, other: str) -> bool:
    longer, shorter = sorted((_composed(one), _composed(other)), key=len, reverse=True)
    return f"/{longer}".endswith(f"/{shorter}")


def _youtube(name: str) -> str:
    match = _YOUTUBE.fullmatch(_base(name))
    return match[1] if match else ""


def _same_start(one: str, other: str) -> bool:
    starts = set()
    for name in (one, other):
        match = _YOUTUBE.fullmatch(_base(name))
        assert match is not None
        if match[2] or match[3]:
            starts.add(int(match[2]) if match[2] else round(float(match[3]) * 1000))
    return len(starts) < 2


_RULES: tuple[tuple[str, Callable[[str], str], Callable[[str, str], bool]], ...] = (
    ("composed and decomposed letters are the same", _composed, lambda *_: True),
    ("folders that only one side names are left out", _base, _nested),
    ("names are ids of YouTube, with or without Y and start", _youtube, _same_start),
)
