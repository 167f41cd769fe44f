"""The entry point: registers the commands and turns errors into readable lines and exit codes."""

from __future__ import annotations

import errno
import io
import logging
import os
import sys
import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperOption
from typer.main import get_command

from effbench.cli.output import be_quiet
from effbench.cli.progress import showing_downloads
from effbench.errors import EffbenchError, show_warning
from effbench.own_cards import CARDS_VARIABLE
from effbench.version import VERSION

#: Each in the module of its name; help lists groups of commands last.
COMMANDS = (
    *("profile", "detect", "train", "evaluate", "compare", "pseudo-labels", "export", "plot"),
    *("pareto", "recommend", "scale", "report", "doctor"),
    *("models", "data", "study", "store", "scores", "regress"),
)


def _print_version(value: bool) -> None:
    if value:
        print(f"effbench {VERSION}")
        raise typer.Exit


def _use_cards(context: typer.Context, folder: Path | None) -> Path | None:
    """Let every module of this command, and its child processes, find a folder of cards."""
    if folder is not None:
        before = os.environ.get(CARDS_VARIABLE)
        os.environ[CARDS_VARIABLE] = str(folder.absolute())
        context.call_on_close(lambda: _restore(before))
    return folder


def _restore(folder: str | None) -> None:
    os.environ.pop(CARDS_VARIABLE, None)
    if folder is not None:
        os.environ[CARDS_VARIABLE] = folder


def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
    cards: Annotated[
        Path | None,
        typer.Option(
            callback=_use_cards,
            metavar="FOLDER",
            help="Model cards of your own, before the command; by default those of $EFFBENCH_CARDS.",
        ),
    ] = None,
) -> None:
    """Register the options that stand before every command."""


def command_line(arguments: Sequence[str] = ()) -> typer.Typer:
    """The commands; if the first argument but for options names one, that one alone: it starts sooner."""
    app = typer.Typer(
        name="effbench",
        help="Which audio model is worth its cost? Parameters, MACs, throughput and PSDS1 of detectors.",
        no_args_is_help=True,
        context_settings={"help_option_names": ["-h", "--help"]},
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(_root)
    named = [argument for argument in arguments if not argument.startswith("-")][:1]
    for name in set(named).intersection(COMMANDS) or COMMANDS:
        module = import_module(f"effbench.cli.{name.replace('-', '_')}")
        if hasattr(module, "app"):
            app.add_typer(module.app, name=name)
        else:
            app.command(name)(getattr(module, module.__name__.rpartition(".")[2]))
    return app


def _quiet(_context: object, _option: object, value: bool) -> None:
    if value:
        be_quiet()
        warnings.simplefilter("ignore")


def _let_be_quiet(command: Any) -> None:
    """Give a command of typer, and all below it, the option ``--quiet``: it may stand anywhere."""
    about = "Neither notes nor progress on stderr; errors stay."
    quiet = TyperOption(
        param_decls=["-q", "--quiet"], is_flag=True, expose_value=False, callback=_quiet, help=about
    )
    command.params.append(quiet)
    for below in getattr(command, "commands", {}).values():
        _let_be_quiet(below)


def main() -> None:
    """Run the command line; exit code 2 for wrong usage, 1 for a failed job, 130 for an interrupt."""
    warnings.showwarning = show_warning
    be_quiet(False)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # What a terminal of another encoding has no sign for is shown by its number.
            stream.reconfigure(errors="backslashreplace")
    # Matplotlib would say at length that it keeps its fonts elsewhere, where HOME is read-only.
    logging.getLogger("matplotlib").setLevel(logging.ERROR)
    # Threads that spin while they wait make a busy machine several times slower; read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    try:
        with showing_downloads():
            command = get_command(command_line(sys.argv[1:]))
            _let_be_quiet(command)
            try:
                command()
            finally:
                sys.stdout.flush()
    except EffbenchError as error:
        first, *rest = str(error).splitlines()
        print("\n".join([f"error: {first}", *(f"       {line}" for line in rest)]), file=sys.stderr)
        sys.exit(error.exit_code)
    except OSError as error:
        if error.errno not in (errno.EPIPE, errno.ENOSPC):
            raise
        if error.errno == errno.ENOSPC:
            print("error: what was to be written has no room: the disk is full", file=sys.stderr)
        # Python writes what is left when it ends, and would complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        code = sys.modules.get("effbench.models.own_code")
        if code is None or (blamed := code.blame(error)) is None:
            raise
        print(f"error: {blamed}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
