"""Runs every command's small job where nothing can be written, each in a process of its own.

    python -m tests.hostile FOLDER

Prints one JSON object a command and condition, ``read-only`` and ``full``: with the command's exit code and
stderr. A condition that this user can't make is left out.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

import effbench.cli
import effbench.evaluate.api
import effbench.plots.api
import effbench.study.graph
import effbench.train.api  # what all commands load is loaded once
from tests.jobs import ALL, arguments, make_world


def run(command: list[str], folder: Path) -> tuple[int, str]:
    """Exit code and stderr of the command line in a forked process."""
    with tempfile.TemporaryFile() as log:
        child = os.fork()
        if child == 0:
            os.chdir(folder)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            os.dup2(log.fileno(), 2)
            os.environ |= {"HOME": "/nowhere", "EFFBENCH_CACHE": "/nowhere/cache", "COLUMNS": "200"}
            sys.argv = ["effbench", *command]
            code = 70
            try:
                effbench.cli.main()
                code = 0
            except SystemExit as ended:
                code = int(ended.code or 0)
            except BaseException:
                sys.excepthook(*sys.exc_info())
            finally:
                sys.stderr.flush()
                os._exit(code)
        _, status = os.waitpid(child, 0)
        log.seek(0)
        return os.waitstatus_to_exitcode(status), log.read().decode(errors="replace")


@contextmanager
def folder_that_is(condition: str, place: Path) -> Iterator[Path | None]:
    """An empty file system of 16 kB or a read-only one; who may not mount has a read-only folder, or none."""
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=16k" if condition == "full" else "ro", "tmpfs", place]
    mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    possible = mounted or (condition == "read-only" and os.getuid() != 0)
    if possible and not mounted:
        place.chmod(0o555)
    try:
        yield place if possible else None
    finally:
        if mounted:
            subprocess.run(["umount", place], check=True)


def main() -> None:
    root = Path(sys.argv[1])
    torch.set_num_threads(1)
    world = make_world(root)
    for condition in ("read-only", "full"):
        with folder_that_is(condition, root / condition) as here:
            for name in ALL if here else ():
                code, stderr = run(arguments(name, world), here)
                done = {"condition": condition, "command": name, "code": code, "stderr": stderr}
                print(json.dumps(done), flush=True)
                for left in list(here.iterdir()):
                    shutil.rmtree(left) if left.is_dir() else left.unlink()


if __name__ == "__main__":
    main()
