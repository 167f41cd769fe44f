"""What a result was computed from, as short texts that are equal only where that is equal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

#: Hexadecimal digits of a digest: 64 bits, enough to tell any number of files of one person apart.
DIGITS = 16


def digest(value: object) -> str:
    """Digest of what JSON can hold; the order of keys does not matter."""
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def content_digest(source: Path | bytes) -> str:
    """Digest of a file's content, or of bytes: the same wherever it lies, whatever its date.

    Raises ``OSError`` where the file can't be read.
    """
    if isinstance(source, bytes):
        return hashlib.sha256(source).hexdigest()[:DIGITS]
    with source.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:DIGITS]


def differences(before: Mapping[str, object], now: Mapping[str, object]) -> str:
    """What differs between two records of what made a result, in words; empty where they are equal."""
    return "; ".join(
        f"{name} {before.get(name)!r}, now {now.get(name)!r}"
        for name in dict.fromkeys([*before, *now])
        if before.get(name) != now.get(name)
    )
