"""``effbench pareto``: which models are worth their cost, as numbers."""

from __future__ import annotations

from typing import Annotated

import typer

from effbench.cli import candidate_options, options
from effbench.cli.output import Format, note_if_only_shipped, write_result, write_sections


def pareto(
    model: candidate_options.Models = None,
    metrics: Annotated[
        str,
        typer.Option(
            metavar="QUANTITIES",
            help="At least two, with commas: psds1, parameters, macs, throughput, latency_p99, …",
        ),
    ] = "psds1,macs",
    device: candidate_options.Device = None,
    precision: candidate_options.Precision = None,
    condition: candidate_options.Conditions = None,
    scores: candidate_options.Scores = None,
    reference: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Where the hypervolume begins, e.g. parameters=100M; by default the worst. Repeatable.",
        ),
    ] = None,
    draws: Annotated[int, typer.Option(min=1, help="Draws for the probabilities.")] = 2000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the draws.")] = 0,
    every: candidate_options.All = False,
    store: options.Store = None,
    form: options.OutputFormat = Format.table,
) -> None:
    """The models that no other one beats in all metrics; the knee, the hypervolume, and how sure it is.

    Scores and throughput are the better the higher they are, all else the lower.

    Example: effbench pareto --metrics psds1,parameters,throughput --device H100 --precision fp16
    """
    from effbench.reports.tradeoffs import pareto as run

    start = {
        key: candidate_options.in_unit(key)(text)
        for key, text in options.pairs(reference or (), "--reference")
    }
    note_if_only_shipped(store)
    found = run(
        model,
        metrics=[name.strip() for name in metrics.split(",") if name.strip()],
        device=device,
        precision=precision,
        conditions=candidate_options.read_conditions(condition),
        scores=scores,
        reference=start,
        draws=draws,
        seed=seed,
        store=store,
    )
    if form in (Format.json, Format.csv):
        write_result(found, form)
    else:
        write_sections(found.told(every=every), form)
