"""``effbench recommend``: the best model within limits, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from effbench.cli import candidate_options, options
from effbench.cli.output import Format, note, note_if_only_shipped, write_result, write_sections
from effbench.errors import UsageError
from effbench.grid import CLIP_SECONDS


def recommend(
    model: candidate_options.Models = None,
    max_params: options.MaxParams = None,
    max_macs: options.MaxMacs = None,
    min_throughput: Annotated[
        float | None, typer.Option(metavar="RATE", help="Clips per second, in the best batch size.")
    ] = None,
    max_latency: Annotated[
        float | None,
        typer.Option(
            parser=candidate_options.in_unit("latency_p99"), metavar="TIME", help="For one clip, e.g. 5ms."
        ),
    ] = None,
    max_memory: Annotated[
        float | None,
        typer.Option(
            parser=candidate_options.in_unit("memory_peak"),
            metavar="SIZE",
            help="Peak memory at the batch size of the throughput, e.g. 500MB.",
        ),
    ] = None,
    max_energy: Annotated[
        float | None,
        typer.Option(
            parser=candidate_options.in_unit("energy"), metavar="ENERGY", help="For one clip, e.g. 0.5J."
        ),
    ] = None,
    min_psds1: Annotated[
        float | None, typer.Option(metavar="PERCENT", help="PSDS1 of at least this.")
    ] = None,
    min_score: Annotated[
        float | None, typer.Option(metavar="VALUE", help="--score of at least this.")
    ] = None,
    real_time: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="STREAMS",
            help="Live streams at once, as profile --streams measured, or one clip at a time within --hop.",
        ),
    ] = None,
    hop: Annotated[
        float,
        typer.Option(min=0.05, max=CLIP_SECONDS, help="Seconds from one clip of a live stream to the next."),
    ] = CLIP_SECONDS,
    limit: Annotated[
        float, typer.Option(help="Of measured live streams: seconds to a hop's events, which 99 % keep.")
    ] = 1.0,
    percentile: Annotated[int, typer.Option(help="Of the latency: 50, 90 or 99.")] = 99,
    score: Annotated[str, typer.Option(help="What the best model is best in: psds1, psds2, …")] = "psds1",
    with_weights: Annotated[
        bool, typer.Option("--with-weights", help="Only models of which weights are published.")
    ] = False,
    device: candidate_options.Device = None,
    precision: candidate_options.Precision = None,
    condition: candidate_options.Conditions = None,
    scores: candidate_options.Scores = None,
    every: candidate_options.All = False,
    store: options.Store = None,
    form: options.OutputFormat = Format.table,
) -> None:
    """The model with the best score within limits; what the next ones save, and what more would cost.

    Example: effbench recommend --max-params 5M --max-macs 2G
    """
    from effbench.reports.choosing import recommend as run

    if min_psds1 is not None and (score != "psds1" or min_score is not None):
        raise UsageError("--min-psds1 is for the score psds1 alone: give --min-score for another, not both")
    note_if_only_shipped(store)
    found = run(
        model,
        max_params=max_params,
        max_macs=max_macs,
        min_throughput=min_throughput,
        max_latency=max_latency,
        max_memory=max_memory,
        max_energy=max_energy,
        min_score=min_score if min_psds1 is None else min_psds1,
        real_time=real_time,
        hop=hop,
        within=limit,
        percentile=percentile,
        score=score,
        with_weights=with_weights,
        device=device,
        precision=precision,
        conditions=candidate_options.read_conditions(condition),
        scores=scores,
        store=store,
    )
    if form in (Format.json, Format.csv):
        write_result(found, form)
    else:
        write_sections(found.told(every=every), form)
    timed_on = next((metric.device for metric in found.metrics.values() if metric.device), None)
    if device is None and timed_on is not None:
        note(f"no --device, so times are of {timed_on}; 'effbench profile' measures those of this machine")
    if found.best_checkpoint is not None:
        note(f"to use it: effbench detect AUDIO --model {found.best} --checkpoint {found.best_checkpoint}")
    elif found.best is not None and found.score.known[found.best].origin == "published":
        note(f"no weights of {found.best} are published; --with-weights leaves such models out")
