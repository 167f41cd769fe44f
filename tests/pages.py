"""README and the pages under ``docs/`` as what they promise: commands with their output, Python, tables."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from typer.main import get_command

from effbench.cli.app import command_line

ROOT = Path(__file__).parents[1]
PAGES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))

_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_INLINE = re.compile(r"`(effbench [^`]+)`")
_RUNS = re.compile(r"(?:^|[;|(]|\bdo\b)\s*effbench\b")
_BEFORE_A_COMMAND = {";", "|", "||", "&&", "do", "then", "(", "!"}
_AFTER_A_COMMAND = {*_BEFORE_A_COMMAND, ")", "done", ">", "<"}

#: How far a command has come: what is shown of it depends on how long it takes, and where.
_PROGRESS = re.compile(
    r"\[\d+/\d+\] |epoch \d+: |step [\d,]+ of |\S+ \d+:\d\d of \d+:\d\d$|[\d,]+ of [\d,]+ clips"
    r"|[\d.,]+ (?:clips/s|ms|[kMG]iB) [\[a]"
)
#: What differs from machine to machine, or with the size of the data: numbers, hashes, yes and no, units.
_VALUE = re.compile(
    r"(?<![0-9a-z])[0-9a-f]{8,}\b|[-+]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:e[-+]?\d+)?|\b(?:yes|no|nan)\b"
)
_UNIT = re.compile(r"\b(?:bytes|[kMG]i?B|[kMG])\b")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the line of the page in which the text begins."""

    language: str
    text: str
    line: int

    @property
    def is_session(self) -> bool:
        """Whether it shows a terminal: commands after ``$``, and what they print."""
        return not self.language and self.text.startswith("$ ")


@dataclass(frozen=True)
class Shown:
    """A command of a terminal session, and what the page shows that it prints."""

    command: str
    output: str
    line: int

    @property
    def arguments(self) -> list[str] | None:
        """Of ``effbench``, where the line is nothing but that."""
        found = invocations(self.command)
        return found[0] if self.command.startswith("effbench ") and len(found) == 1 else None


def blocks(page: Path) -> list[Block]:
    """All fenced blocks of a page."""
    text = page.read_text(encoding="utf-8")
    return [Block(m[1], m[2], text.count("\n", 0, m.start(2)) + 1) for m in _FENCE.finditer(text)]


def inline_commands(page: Path) -> Iterator[str]:
    """Commands that the text and its tables mention."""
    for found in _INLINE.finditer(_FENCE.sub("", page.read_text(encoding="utf-8"))):
        yield " ".join(found[1].split())


def session(block: Block) -> Iterator[Shown]:
    """Commands of a session, in order; a line that ends in a backslash goes on in the next."""
    lines = block.text.splitlines()
    number = 0
    while number < len(lines):
        first = number
        command = lines[number].removeprefix("$ ")
        while command.endswith("\\"):
            number += 1
            command = command[:-1] + lines[number].strip()
        number += 1
        output = []
        while number < len(lines) and not lines[number].startswith("$ "):
            output.append(lines[number])
            number += 1
        yield Shown(command, "\n".join(output).strip("\n"), block.line + first)


def invocations(shell: str) -> list[list[str]]:
    """Arguments of every ``effbench`` that a text in the language of shells runs."""
    found = []
    for line in re.sub(r"\\\n\s*", " ", shell).splitlines():
        line = line.removeprefix("$ ")
        if not _RUNS.search(line):
            continue
        lexer = shlex.shlex(line, posix=True, punctuation_chars=True)
        lexer.whitespace_split = True
        before = ";"
        current: list[str] | None = None
        for token in lexer:
            if token == "effbench" and before in _BEFORE_A_COMMAND:
                current = []
                found.append(current)
            elif token in _AFTER_A_COMMAND:
                current = None
            elif current is not None:
                current.append(token)
            before = token
    return found


def understand(arguments: Sequence[str]) -> None:
    """Read arguments by the command line's own parser, which exits or raises where they are wrong."""
    command = get_command(command_line(arguments))
    rest = [word for word in arguments if word != "…"]
    if rest and rest[0].startswith("-"):
        assert rest[0] in {"-h", "--help", *(name for option in command.params for name in option.opts)}
        return
    context = None
    while rest:
        if context is not None:
            _, command, rest = command.resolve_command(context, rest)
        try:
            context = command.make_context("effbench", rest, parent=context)
        except Exception as error:
            # Text that mentions a command leaves out what it is not about.
            if type(error).__name__ in {"MissingParameter", "BadOptionUsage", "NoArgsIsHelpError"}:
                return
            raise
        rest = [*context._protected_args, *context.args] if hasattr(command, "commands") else []


def lines(text: str, *, exact: bool, rows: bool = True) -> list[str]:
    """Lines to be compared: without blank ones, progress and differences of width.

    Args:
        text: what is printed.
        exact: leave values as they are; else each is ``#``, and lines that are then alike count once.
        rows: with the rows of tables, below their heads.
    """
    kept: list[str] = []
    in_rows = False
    for line in (" ".join(re.sub("─+", "─", line).split()) for line in text.splitlines()):
        in_rows = line != "" and (in_rows or line == "─")
        if not line or _PROGRESS.match(line) or (in_rows and line != "─" and not rows):
            continue
        if not exact:
            line = _UNIT.sub("", _VALUE.sub("#", line))
            line = " ".join(line.split())
            if kept and kept[-1] == line:
                continue
        kept.append(line)
    return kept


def agrees(shown: Sequence[str], real: Sequence[str]) -> bool:
    """Whether real lines are those shown, where ``…`` stands for any text, and as a line for any lines."""
    pattern = "".join(
        r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + r"\n" for line in shown
    )
    return re.fullmatch(pattern, "".join(line + "\n" for line in real)) is not None
