"""The entry point: registers the commands and turns errors into readable lines and exit codes."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Annotated

import typer

from effbench.cli import (
    data,
    detect,
    doctor,
    evaluate,
    models,
    plot,
    profile,
    pseudo_labels,
    regress,
    report,
    study,
    train,
)
from effbench.cli.progress import showing_downloads
from effbench.errors import EffbenchError, show_warning
from effbench.version import VERSION

app = typer.Typer(
    name="effbench",
    help="Which audio model is worth its cost? Parameters, MACs, throughput and PSDS1 of detectors.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(models.app, name="models")
app.command()(profile.profile)
app.command()(detect.detect)
app.command()(train.train)
app.command()(evaluate.evaluate)
app.add_typer(data.app, name="data")
app.command("pseudo-labels")(pseudo_labels.pseudo_labels)
app.add_typer(study.app, name="study")
app.command()(plot.plot)
app.command()(report.report)
app.add_typer(regress.app, name="regress")
app.command()(doctor.doctor)


def _print_version(value: bool) -> None:
    if value:
        print(f"effbench {VERSION}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Register the options that stand before every command."""


def main() -> None:
    """Run the command line; exit code 2 for wrong usage, 1 for a failed job, 130 for an interrupt."""
    warnings.showwarning = show_warning
    # Threads that spin while they wait make a busy machine several times slower; read when torch is loaded.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("GOMP_SPINCOUNT", "0")
    try:
        with showing_downloads():
            app()
    except EffbenchError as error:
        first, *rest = str(error).splitlines()
        print("\n".join([f"error: {first}", *(f"       {line}" for line in rest)]), file=sys.stderr)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)
