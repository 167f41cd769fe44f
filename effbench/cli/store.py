"""``effbench store``: rows of other people and machines come in, and rows go out."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from effbench.cli import options, row_filters
from effbench.cli.output import Format, note, write_json, write_stored
from effbench.errors import EffbenchError, UsageError

if TYPE_CHECKING:
    from effbench.results.incoming import Arrival

app = typer.Typer(no_args_is_help=True, help="Show, add, import, merge and export rows of the results store.")


class RowFormat(StrEnum):
    """How whole rows are printed."""

    csv = "csv"
    json = "json"


class BadRows(StrEnum):
    """What to do about lines that are not understood."""

    error = "error"
    drop = "drop"


@app.command("list")
def list_rows(
    model: row_filters.Models = None,
    quantity: row_filters.Quantities = None,
    device: row_filters.Device = None,
    provenance: row_filters.Provenance = None,
    origin: row_filters.Origin = None,
    wide: options.Wide = False,
    store: options.Store = None,
    form: options.OutputFormat = Format.table,
) -> None:
    """The newest rows, and which files and stores rows were imported from.

    Example: effbench store list --model 'fmn10+*' --quantity psds1
    """
    from effbench.results.store import Store

    with Store(store) as results:
        frame = results.latest(**row_filters.selection(results, model, quantity, device, provenance, origin))
        origins = results.origins()
    if frame.empty:
        raise EffbenchError("the store holds no such rows")
    write_stored(frame, form, wide=wide)
    for row in origins:
        note(f"imported: {row['rows']:,} rows from {row['origin']}, {row['imported']}")


@app.command()
def export(
    model: row_filters.Models = None,
    quantity: row_filters.Quantities = None,
    device: row_filters.Device = None,
    provenance: row_filters.Provenance = None,
    origin: row_filters.Origin = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a .csv, .csv.gz or .parquet; else on stdout.")
    ] = None,
    form: Annotated[
        RowFormat | None, typer.Option("--format", help="On stdout: csv (by default) or json.")
    ] = None,
    store: options.Store = None,
) -> None:
    """All rows whole, with every sample and the environment, as ``import`` takes them.

    Example: effbench store export --device H100 --out h100.csv.gz
    """
    from effbench.results.exchange import structured
    from effbench.results.row_files import write_csv_rows
    from effbench.results.store import Store

    if out is not None and form is not None:
        raise UsageError("--format is for stdout; the end of --out says how a file is written")
    with Store(store) as results:
        chosen = row_filters.selection(results, model, quantity, device, provenance, origin)
        if out is not None:
            note(f"{results.export(out, **chosen)} rows written to {out}")
            return
        rows = results.rows(**chosen)
    if form is RowFormat.json:
        write_json([structured(row) for row in rows])
    else:
        write_csv_rows(sys.stdout, rows)


@app.command()
def add(
    model: Annotated[str, typer.Option("--model", "--spec", help="Model spec, or a name of your own.")],
    quantity: Annotated[str, typer.Option(help="psds1, parameters, throughput, …")],
    value: Annotated[str, typer.Option(metavar="NUMBER", help="In the unit of the store, or in --unit.")],
    source: Annotated[str, typer.Option(help="Where the value is from.")],
    unit: Annotated[str | None, typer.Option(help="M, G, ms, MiB, fraction, …")] = None,
    low: Annotated[str | None, typer.Option(metavar="NUMBER", help="Start of its 95 % interval.")] = None,
    high: Annotated[str | None, typer.Option(metavar="NUMBER", help="End of its 95 % interval.")] = None,
    device: Annotated[str | None, typer.Option(help="What was timed; needed for times and memory.")] = None,
    condition: Annotated[
        list[str] | None,
        typer.Option(metavar="KEY=VALUE", help="E.g. precision=fp16, batch_size=32, note=… Repeatable."),
    ] = None,
    created: Annotated[str | None, typer.Option(metavar="DATE", help="When; by default now.")] = None,
    store: options.Store = None,
) -> None:
    """Declare one value that was not measured here: it is kept as published, with its source.

    Example: effbench store add --model mynet --quantity psds1 --value 44.9 --source "run of 3 May"
    """
    from effbench.results.declared import declared
    from effbench.results.incoming import add_declared

    row = declared(
        model,
        quantity,
        value,
        source=source,
        unit=unit,
        low=low,
        high=high,
        device=device,
        conditions=dict(options.pairs(condition or (), "--condition")),
        created=created,
    )
    _tell(add_declared(row, store))


@app.command("import")
def import_rows(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Exported rows or tables of values: .csv, .csv.gz, .parquet."),
    ],
    source: Annotated[str | None, typer.Option(help="Where values are from that do not say it.")] = None,
    on_problem: Annotated[
        BadRows, typer.Option(help="About lines that are not understood: error (import nothing) or drop.")
    ] = BadRows.error,
    store: options.Store = None,
) -> None:
    """Add the rows of files: all, or none and a list of what is wrong. Those that are there already stay.

    Example: effbench store import h100.csv.gz table.csv
    """
    from effbench.results.incoming import import_files

    _tell(import_files(files, store, source=source, on_bad_row=on_problem.value))


@app.command()
def merge(
    other: Annotated[Path, typer.Argument(metavar="OTHER", help="Another results store.")],
    store: options.Store = None,
) -> None:
    """Add the rows of another store, which stays as it is. They never count as measured on this machine.

    Example: effbench store merge theirs.sqlite
    """
    from effbench.results.incoming import merge as merged

    _tell(merged(other, store))


@app.command()
def remove(
    out: Annotated[
        Path, typer.Option(metavar="FILE", help="New file of the rows: .csv, .csv.gz or .parquet.")
    ],
    model: row_filters.Models = None,
    quantity: row_filters.Quantities = None,
    device: row_filters.Device = None,
    origin: row_filters.Origin = None,
    store: options.Store = None,
) -> None:
    """Take declared or imported rows back, into a file that ``import`` takes. What was measured here stays.

    Example: effbench store remove --model mynet --quantity psds1 --out removed.csv
    """
    from effbench.results.store import Store

    if not (model or quantity or device or origin):
        raise UsageError("say which rows: --model, --quantity, --device or --origin")
    with Store(store) as results:
        count = results.remove(out, **row_filters.selection(results, model, quantity, device, None, origin))
    if not count:
        raise EffbenchError("the store holds no such rows that were declared or imported")
    note(f"{count:,} {'row' if count == 1 else 'rows'} taken out, and kept in {out}")


def _tell(arrival: Arrival) -> None:
    for text in (*arrival.dropped, *arrival.remarks):
        note(f"note: {text}")
    note(str(arrival))
