"""Published files: downloaded once into a cache folder, resumed if cut off, never half-written."""

from __future__ import annotations

import os
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path

from effbench.errors import CheckpointError

BLOCK = 1 << 18
TIMEOUT_SECONDS = 30


def cache_folder() -> Path:
    """``$EFFBENCH_CACHE``, or effbench's folder in the user's cache directory."""
    chosen = os.environ.get("EFFBENCH_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("effbench")


def cached_file(address: str, name: str) -> Path:
    """Path of a published file in the cache folder, downloaded if it is not there yet.

    Raises:
        CheckpointError: it can't be downloaded; gives the address and the file to put it in.
    """
    path = cache_folder() / name
    if not path.is_file():
        try:
            download(address, path)
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise CheckpointError(
                f"can't download {address} ({reason}): get it elsewhere and put it in {path}"
            ) from None
    return path


def download(address: str, path: Path) -> None:
    """Download to ``path`` with progress on stderr; a part that an earlier try left is continued.

    Raises:
        OSError, http.client.HTTPException: the transfer failed; what has arrived stays in ``<path>.part``.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    done = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(address, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        response = urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        if error.code == 416 and done:
            part.unlink()
            download(address, path)
            return
        raise
    with response:
        if done and response.status != 206:
            done = 0
        length = response.headers.get("Content-Length")
        total = done + int(length) if length else None
        _receive(response, part, done=done, total=total, name=path.name)
    if total is not None and part.stat().st_size != total:
        raise OSError(
            f"the transfer ended after {part.stat().st_size} of {total} bytes; run it again to continue"
        )
    part.replace(path)


def _receive(response: object, part: Path, *, done: int, total: int | None, name: str) -> None:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (TextColumn(name), BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    read = response.read  # type: ignore[attr-defined]
    with (
        part.open("ab" if done else "wb") as file,
        Progress(*columns, console=Console(stderr=True)) as progress,
    ):
        task = progress.add_task(name, total=total, completed=done)
        while block := read(BLOCK):
            file.write(block)
            progress.advance(task, len(block))
