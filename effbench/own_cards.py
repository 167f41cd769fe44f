"""Cards of one's own: YAML files in the folder that ``$EFFBENCH_CARDS`` names, and what they register."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Literal

from effbench.errors import UsageError

#: Names the folder.
CARDS_VARIABLE = "EFFBENCH_CARDS"

#: The files in their present state: path, and when it was changed.
Files = tuple[tuple[Path, int], ...]


def card_files() -> Files:
    """Files of the folder, in the order of their names; none where no folder is named.

    Raises:
        UsageError: there is no such folder, or it has no YAML files.
    """
    folder = os.environ.get(CARDS_VARIABLE)
    if not folder:
        return ()
    found = sorted(path for path in Path(folder).glob("*.y*ml") if path.is_file())
    if not found:
        raise UsageError(f"no cards in '{folder}', which {CARDS_VARIABLE} names: it has no YAML files")
    return tuple((path, path.stat().st_mtime_ns) for path in found)


def registered(kind: Literal["backbones", "sequences"]) -> tuple[str, ...]:
    """Names of the parts that the cards register; unchecked.

    Raises:
        EffbenchError: as ``card_files``, or a file can't be read.
    """
    return _registered(card_files(), kind)


@cache
def _registered(files: Files, kind: str) -> tuple[str, ...]:
    from effbench.yaml_files import read  # YAML is slow to load, and most have no cards

    names: list[str] = []
    for path, _ in files:
        section = read(path, "model card").get(kind)
        names += map(str, section if isinstance(section, Iterable) else ())
    return tuple(names)
