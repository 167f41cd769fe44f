"""Version of this package and commit of the checkout that it runs from."""

from __future__ import annotations

from functools import cache
from pathlib import Path

VERSION = "0.1.0"

# The folders that decide what is measured; changes elsewhere do not make a figure another one.
_DECIDING = ("effbench", "models", "train")
_PACKAGE = Path(__file__).resolve().parent


def source() -> str:
    """What rows of this version name as their source, e.g. ``effbench 0.1.0``."""
    return f"effbench {VERSION}"


@cache
def commit() -> str | None:
    """Commit of the checkout that this program runs from, ``+dirty`` with changes; None when installed.

    Read once: what runs is the code as it was loaded.
    """
    folder = _PACKAGE.parent
    if not (folder / ".git").exists():  # an installed wheel, maybe within someone else's checkout
        return None
    head = _git(folder, "rev-parse", "HEAD")
    changes = _git(folder, "status", "--porcelain", "--", *_DECIDING)
    if head is None or changes is None:
        return None
    return f"{head}+dirty" if changes else head


def _git(folder: Path, *arguments: str) -> str | None:
    import subprocess  # slow to load, and most commands ask for no commit

    command = ["git", "--no-optional-locks", "-C", str(folder), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=30, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return None
