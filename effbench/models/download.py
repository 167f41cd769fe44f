"""Published files: downloaded once into a cache folder, resumed if cut off, checked, never half-written."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from pathlib import Path

from effbench.errors import CheckpointError

BLOCK_BYTES = 1 << 18
TIMEOUT_SECONDS = 30

#: Called after every block: name of the file, bytes that have arrived, and bytes in all if known.
Watcher = Callable[[str, int, int | None], None]

_watcher: ContextVar[Watcher | None] = ContextVar("watcher", default=None)


@contextmanager
def watching_downloads(watcher: Watcher) -> Iterator[None]:
    """Downloads inside the block report their progress to ``watcher``."""
    token = _watcher.set(watcher)
    try:
        yield
    finally:
        _watcher.reset(token)


def cache_folder() -> Path:
    """``$EFFBENCH_CACHE``, or effbench's folder in the user's cache directory."""
    chosen = os.environ.get("EFFBENCH_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("effbench")


def cached_file(address: str, name: str, sha256: str | None = None) -> Path:
    """Path of a published file in the cache folder, downloaded if it is not there, or damaged, yet.

    Args:
        address: URL of the file.
        name: of the file in the cache folder.
        sha256: of the file; without one, what is in the cache folder is taken as it is.

    Raises:
        CheckpointError: it can't be downloaded, or is another file; gives the address and the place for it.
    """
    path = cache_folder() / name
    if sha256 is None and path.is_file():
        return path
    from http.client import HTTPException

    import pooch

    pooch.get_logger().setLevel("WARNING")
    downloader = partial(_download, part=path.with_name(name + ".part"))
    try:
        pooch.retrieve(address, sha256, fname=name, path=path.parent, downloader=downloader)
    except (OSError, HTTPException, ValueError) as error:
        reason = getattr(error, "reason", None) or error
        damaged = " instead of the damaged file there" if path.is_file() else ""
        if isinstance(error, PermissionError):
            raise CheckpointError(
                f"'{path.parent}' can't be written: EFFBENCH_CACHE may name another folder for downloads"
            ) from None
        raise CheckpointError(
            f"can't download {address} ({reason}): get it elsewhere and put it in {path}{damaged}"
        ) from None
    return path


def _download(address: str, output: str, _: object, *, part: Path) -> None:
    """``pooch``'s downloader, which resumes what an earlier try left in ``part``."""
    from urllib.error import HTTPError
    from urllib.request import Request, urlopen

    done = part.stat().st_size if part.exists() else 0
    request = Request(address, headers={"Range": f"bytes={done}-"} if done else {})
    try:
        response = urlopen(request, timeout=TIMEOUT_SECONDS)
    except HTTPError as error:
        if error.code != 416 or not done:
            raise
        part.unlink()
        _download(address, output, _, part=part)
        return
    with response, part.open("ab" if response.status == 206 else "wb") as file:
        length = response.headers.get("Content-Length")
        done = file.tell()
        total = done + int(length) if length else None
        while block := response.read(BLOCK_BYTES):
            file.write(block)
            done += len(block)
            if watcher := _watcher.get():
                watcher(part.stem, done, total)
    if total is not None and done != total:
        raise OSError(f"the transfer ended after {done} of {total} bytes; run it again to continue")
    part.replace(output)
