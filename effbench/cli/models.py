"""``effbench models``: the model zoo."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from operator import itemgetter
from typing import TYPE_CHECKING, Annotated

import typer

from effbench.cli import options
from effbench.cli.output import Format, note, write, write_json
from effbench.errors import UsageError, nearest
from effbench.grid import CLIP_SECONDS
from effbench.spec import ModelSpec

if TYPE_CHECKING:
    from effbench.shown import Row

app = typer.Typer(no_args_is_help=True, help="List the models, or show one layer by layer.")


@app.command("list")
def list_models(
    pattern: Annotated[str | None, typer.Argument(help="Only models that match, e.g. 'fmn10+*'.")] = None,
    family: Annotated[
        str | None, typer.Option(help="Only one backbone or sequence model: fmn, fmn10, tf, gru, none, …")
    ] = None,
    sort: Annotated[str, typer.Option(help="Column to sort by; put - in front for descending order.")] = "",
    form: options.OutputFormat = Format.table,
) -> None:
    """Models with a card: published PSDS1, learning rates and checkpoints.

    Example: effbench models list --family hybrid --sort -psds1
    """
    from effbench.models import zoo

    known = zoo.summaries()
    wanted = zoo.resolve([pattern]) if pattern else list(known)
    if family is not None:
        families = sorted({name for spec in known for name in _families(spec)})
        if family.lower() not in families:
            suggestion = nearest(family, families)
            raise UsageError(f"unknown family '{family}'{suggestion}\nKnown: {', '.join(families)}")
        wanted = [spec for spec in wanted if family.lower() in _families(spec)]
    rows = [
        {
            "model": str(spec),
            "backbone": spec.backbone,
            "sequence": spec.sequence,
            "dim": spec.dim,
            **known[spec],
        }
        for spec in wanted
        if spec in known
    ]
    write(_sorted(rows, sort), form)


def _families(spec: ModelSpec) -> set[str]:
    return {spec.family.lower(), spec.backbone.lower(), spec.sequence or "none"}


def _sorted(rows: Sequence[Row], column: str) -> Sequence[Row]:
    name = column.removeprefix("-").lower()
    if not name or not rows:
        return rows
    if name not in rows[0]:
        raise UsageError(f"no column '{name}'{nearest(name, rows[0])}\nColumns: {', '.join(rows[0])}")
    known = [row for row in rows if row[name] is not None]
    ordered = sorted(known, key=itemgetter(name), reverse=column.startswith("-"))
    return [*ordered, *(row for row in rows if row[name] is None)]


@app.command("show")
def show_model(
    spec: Annotated[str, typer.Argument(help="Model spec, e.g. fmn10+hybrid-512.")],
    seconds: options.Seconds = CLIP_SECONDS,
    form: options.OutputFormat = Format.table,
) -> None:
    """One model layer by layer: output shape, parameters and MACs for one clip.

    Example: effbench models show fmn10+tf-256
    """
    from effbench.measure.complexity import measure_complexity
    from effbench.models import zoo

    parsed = ModelSpec.parse(spec)
    known = zoo.models().get(parsed)
    complexity = measure_complexity(parsed, clip_seconds=seconds)
    layers = complexity.layers()
    if form is Format.json:
        card = known.card.model_dump(exclude_defaults=True) if known else None
        totals = {"parameters": asdict(complexity.parameters), "macs": complexity.macs.to_dict()}
        write_json({"spec": str(parsed), "card": card, **totals, "layers": layers})
        return
    write(layers, form, title=str(parsed))
    parameters, macs = complexity.parameters, complexity.macs
    note(f"{parameters.total:,} parameters ({parameters.without_weak_head:,} without the weak head)")
    note(f"{macs.exact:,} MACs exact, {macs.paper:,} in the published convention, {seconds:g}-s clip")
    for training, published in (known.card.published if known else {}).items():
        file = known.card.checkpoint.get(training) if known else None
        note(
            f"published, {training}: PSDS1 {published.psds1} %"
            + (f", {file}" if file else ", no file released")
        )
