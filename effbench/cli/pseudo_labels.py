"""``effbench pseudo-labels``: frame logits of one model or of several, for knowledge distillation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from effbench.cli import options
from effbench.cli.cluster import Address, Executor, Where, Workers, cluster_workers
from effbench.cli.output import note
from effbench.cli.progress import counting
from effbench.errors import UsageError
from effbench.shown import number_of


def pseudo_labels(
    data: Annotated[Path, typer.Option(metavar="FOLDER", help="The data set whose clips are labelled.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The HDF5 file to write.")],
    model: Annotated[
        list[str] | None,
        typer.Option(help="Model spec; repeatable: the logits of several are averaged. Runs know theirs."),
    ] = None,
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(help="Weights: strong, advanced-kd, a file or a run; one for each --model, in order."),
    ] = None,
    split: options.Split = None,
    layout: options.Layout = None,
    audio: options.Audio = None,
    suffix: Annotated[str, typer.Option(help="Suffix of the clips' names in the file.")] = ".mp3",
    batch_size: options.BatchSize = None,
    device: options.Device = "cpu",
    precision: options.Precision = "fp32",
    backend: options.Backend = "folded",
    threads: options.Threads = None,
    executor: Executor = Where.local,
    address: Address = None,
    workers: Workers = None,
) -> None:
    """Write frame logits in half precision; an interrupted run resumes.

    Example: effbench pseudo-labels --model fmn30+tf-768 --checkpoint strong --data audioset --split train
    --out pseudo.h5
    """
    checkpoints: list[str | None] = [*(checkpoint or [])]
    specs: list[str | None] = [*(model or [])]
    if checkpoints and specs and len(checkpoints) != len(specs):
        raise UsageError(
            f"{len(specs)} --model but {len(checkpoints)} --checkpoint: give one for each, in the same order"
        )
    if not checkpoints and not specs:
        options.check_model(None, None)
    count = max(len(specs), len(checkpoints))
    from effbench.data.datasets import open_dataset
    from effbench.infer.dataset import check_shared
    from effbench.infer.pseudo_labels import write_pseudo_labels
    from effbench.infer.scorer import Inference
    from effbench.models.chosen import choose_model

    dataset = open_dataset(data, layout, split=split, audio=audio)
    pairs = zip(specs or [None] * count, checkpoints or [None] * count, strict=True)
    models = [choose_model(spec, weights) for spec, weights in pairs]
    for chosen in models:
        if chosen.checkpoint is None:
            note(f"note: no --checkpoint, so {chosen.spec} has untrained weights: its labels mean nothing")
    with cluster_workers(executor, address, workers, threads) as cluster:
        inference = (cluster.inference if cluster else Inference)(
            device, precision, batch_size, backend=backend
        )
        if cluster is not None:
            check_shared(cluster, models, dataset)
        with counting("clips", resumable=True) as progress:
            write_pseudo_labels(
                dataset, models, out, inference, suffix=suffix, progress=progress, workers=cluster
            )
    note(f"{number_of(len(dataset), 'clip')} in {out}")
