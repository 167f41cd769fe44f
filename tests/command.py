"""``effbench`` as its user sees it: run in this process, or through the installed program."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

EFFBENCH = Path(sys.executable).with_name("effbench")


class Done(NamedTuple):
    """What a command left behind."""

    returncode: int
    stdout: str
    stderr: str


Command = Callable[..., Done]


def run_here(arguments: tuple[object, ...], folder: Path, read: Callable[[], tuple[str, str]]) -> Done:
    """The entry point in this process, where torch is loaded already; a traceback fails the test.

    Args:
        arguments: of the command line.
        folder: the working folder.
        read: gives and forgets what was written to stdout and stderr.
    """
    import torch

    from effbench.cli import main

    threads = torch.get_num_threads()
    argv, sys.argv = sys.argv, ["effbench", *map(str, arguments)]
    read()
    try:
        with contextlib.chdir(folder), warnings.catch_warnings():
            main()
        code = 0
    except SystemExit as ended:
        code = int(ended.code or 0)
    finally:
        sys.argv = argv
        torch.set_num_threads(threads)
    return Done(code, *read())


def environment(folder: Path) -> dict[str, str]:
    """Variables of a command: nothing of this user's cache, tables as wide as they want to be."""
    return {"EFFBENCH_CACHE": str(folder / "cache"), "COLUMNS": "200"}


def started(
    folder: Path, *arguments: object, program: tuple[object, ...] = (EFFBENCH,)
) -> subprocess.Popen[str]:
    """The program in a process, and a process group, of its own."""
    return subprocess.Popen(
        [*map(str, program), *map(str, arguments)],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1", **environment(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )


def run_program(folder: Path, *arguments: object) -> Done:
    """The program in a process of its own, to its end."""
    process = started(folder, *arguments)
    stdout, stderr = process.communicate()
    return Done(process.returncode, stdout, stderr)


class Terminal(io.StringIO):
    """What is written to stdout, which a screen shows beside what is written to stderr."""

    def __init__(self) -> None:
        super().__init__()
        self.screen = io.StringIO()

    def write(self, text: str) -> int:
        self.screen.write(text)
        return super().write(text)


@contextlib.contextmanager
def terminal() -> Iterator[Terminal]:
    """Catches what is written to both streams."""
    shown = Terminal()
    with contextlib.redirect_stdout(shown), contextlib.redirect_stderr(shown.screen):
        yield shown
