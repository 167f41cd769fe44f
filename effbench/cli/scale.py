"""``effbench scale``: what many hours of audio take."""

from __future__ import annotations

from typing import Annotated

import typer

from effbench.cli import options
from effbench.cli.output import Format, note_if_only_shipped, write_result, write_sections
from effbench.errors import UsageError


def scale(
    model: Annotated[str, typer.Option(help="Model spec, e.g. fmn10, whose measured throughput is used.")],
    hours: Annotated[float, typer.Option(help="Hours of audio.")] = 1e6,
    within: Annotated[float, typer.Option(metavar="HOURS", help="Hours in which it is to be done.")] = 24.0,
    price: Annotated[
        list[str] | None,
        typer.Option(metavar="DEVICE=PRICE", help="Of an hour of a device: H100=2.5. Repeatable."),
    ] = None,
    store: options.Store = None,
    form: options.OutputFormat = Format.table,
) -> None:
    """Devices, hours, storage and cost of running a model over many hours of audio, from measured rates.

    Example: effbench scale --model fmn10 --hours 1e6 --price H100=2.5
    """
    from effbench.reports.scaling import scaling

    note_if_only_shipped(store)
    found = scaling(model, hours, within=within, prices=dict(map(_price, price or ())), store=store)
    if form in (Format.json, Format.csv):
        write_result(found, form)
    else:
        write_sections(found.sections(), form)


def _price(text: str) -> tuple[str, float]:
    ((name, value),) = options.pairs([text], "--price")
    try:
        return name, float(value)
    except ValueError:
        raise UsageError(f"--price takes DEVICE=PRICE, a number: not '{text}'") from None
