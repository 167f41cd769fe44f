"""``effbench models``: the model zoo."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from fnmatch import fnmatchcase
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from effbench.cli import options
from effbench.cli.output import Format, note, write, write_json, write_table
from effbench.errors import UnknownModel, UsageError, nearest
from effbench.grid import CLIP_SECONDS
from effbench.shown import Table
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
    max_params: options.MaxParams = None,
    max_macs: options.MaxMacs = None,
    sort: Annotated[str, typer.Option(help="Column to sort by; put - in front for descending order.")] = "",
    store: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Results store, whose models of your own are listed as well."),
    ] = None,
    form: options.OutputFormat = Format.table,
) -> None:
    """Models with a card: parameters, exact MACs of a clip of 10 s, published PSDS1 and checkpoints.

    The front are the models in the list that no other one in it beats in both PSDS1 and MACs.

    Example: effbench models list --max-params 5M --max-macs 1G --sort -psds1
    """
    from effbench.models import zoo

    known = zoo.summaries()
    own: Mapping[ModelSpec, Row] = {}
    if store is not None:
        from effbench.results.own_rows import own_summaries

        own = own_summaries(store)
    wanted = _matching(pattern, own) if pattern else [*known, *own]
    known = {**known, **own}
    if family is not None:
        families = sorted({name for spec in known for name in _families(spec)})
        if family.lower() not in families:
            suggestion = nearest(family, families)
            raise UsageError(f"unknown family '{family}'{suggestion}\nKnown: {', '.join(families)}")
        wanted = [spec for spec in wanted if family.lower() in _families(spec)]
    limits = {"parameters": max_params, "macs_exact": max_macs}
    listed = {spec: known[spec] for spec in wanted if spec in known and _within(known[spec], limits)}
    front = _front(listed)
    rows = [
        {
            "model": str(spec),
            "backbone": spec.backbone,
            "sequence": spec.sequence,
            "dim": spec.dim,
            **{name: card[name] for name in ("parameters", "macs_exact", "psds1")},
            "front": spec in front,
            **{name: card[name] for name in ("checkpoints", "lr", "sequence_lr")},
        }
        for spec, card in listed.items()
    ]
    if not rows:
        note("no model is within these limits")
    stored = " (of models of your own, as declared or measured)" if own else ""
    title = f"PSDS1 in %, as published{stored}; exact MACs of a clip of 10 s"
    minor = ("sequence_lr", "lr", "sequence", "backbone", "dim")
    write_table(Table(_sorted(rows, sort), title, minor=minor), form)


def _matching(pattern: str, own: Iterable[ModelSpec]) -> list[ModelSpec]:
    """Models that a spec, a glob or a name of one's own means."""
    from effbench.models import zoo

    named = [spec for spec in own if fnmatchcase(str(spec).lower(), pattern.strip().lower())]
    try:
        return [*zoo.resolve([pattern]), *named]
    except UnknownModel:
        if not named:
            raise
        return named


def _within(card: Row, limits: Mapping[str, int | None]) -> bool:
    """Whether a card's counts are known where they are limited, and no larger."""
    for name, limit in limits.items():
        count = card[name]
        if limit is not None and not (isinstance(count, int) and count <= limit):
            return False
    return True


def _front(cards: Mapping[ModelSpec, Row]) -> set[ModelSpec]:
    """The models that no other one beats in PSDS1 and MACs."""
    from effbench.reports.pareto import Tradeoff, pareto_front

    known = {spec: (card["macs_exact"], card["psds1"]) for spec, card in cards.items()}
    points = {
        spec: Tradeoff(macs, psds1)
        for spec, (macs, psds1) in known.items()
        if isinstance(macs, int) and isinstance(psds1, (int, float))
    }
    return set(pareto_front(points))


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
    spec: Annotated[str, typer.Argument(help="Model spec, e.g. fmn10+hybrid-512, or ./file.py:factory.")],
    seconds: options.Seconds = CLIP_SECONDS,
    form: options.OutputFormat = Format.table,
) -> None:
    """One model layer by layer: output shape, parameters and MACs for one clip.

    Example: effbench models show fmn10+tf-256
    """
    from effbench.measure.complexity import measure_complexity
    from effbench.models import zoo
    from effbench.models.own_model import find_model

    parsed = find_model(spec)
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
    if not macs.complete:
        note(f"incomplete: no rule for {macs.missing()}; at least")
    note(f"{macs.exact:,} MACs exact, {macs.paper:,} in the published convention, {seconds:g}-s clip")
    for training, published in (known.card.published if known else {}).items():
        file = known.card.checkpoint.get(training) if known else None
        note(
            f"published, {training}: PSDS1 {published.psds1} %"
            + (f", {file}" if file else ", no file released")
        )
