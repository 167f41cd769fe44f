"""``effbench pseudo-labels``: frame logits of one model or of several, for knowledge distillation."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from effbench.cli.output import note
from effbench.cli.progress import counting
from effbench.errors import UsageError


def pseudo_labels(
    model: Annotated[
        list[str], typer.Option(help="Model spec; repeatable: the logits of several are averaged.")
    ],
    data: Annotated[Path, typer.Option(metavar="FOLDER", help="The data set whose clips are labelled.")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="The HDF5 file to write.")],
    checkpoint: Annotated[
        list[str] | None,
        typer.Option(help="Weights: strong, advanced-kd or a file; one for each --model, in order."),
    ] = None,
    split: Annotated[str | None, typer.Option(help="Which split, where the data set has several.")] = None,
    layout: Annotated[str | None, typer.Option(help="Its layout; recognised by default.")] = None,
    audio: Annotated[Path | None, typer.Option(help="Folder of the audio, where it lies elsewhere.")] = None,
    suffix: Annotated[str, typer.Option(help="Suffix of the clips' names in the file.")] = ".mp3",
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Clips per call of the model; 2 on a CPU, 32 on a GPU.")
    ] = None,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or auto.")] = "cpu",
    precision: Annotated[str, typer.Option(help="fp32, bf16 or fp16.")] = "fp32",
) -> None:
    """Write frame logits in half precision; an interrupted run goes on where it stopped.

    Example: effbench pseudo-labels --model fmn30+tf-768 --checkpoint strong --data audioset --split train
    --out pseudo.h5
    """
    checkpoints: list[str | None] = [*(checkpoint or [])]
    if checkpoints and len(checkpoints) != len(model):
        raise UsageError(
            f"{len(model)} --model but {len(checkpoints)} --checkpoint: give one for each, in the same order"
        )
    from effbench.data.datasets import open_dataset
    from effbench.infer.inference import Inference
    from effbench.infer.pseudo_labels import write_pseudo_labels
    from effbench.models.chosen import choose_model

    inference = Inference(device, precision, batch_size)
    dataset = open_dataset(data, layout, split=split, audio=audio)
    models = [choose_model(m, c) for m, c in zip(model, checkpoints or [None] * len(model), strict=True)]
    for chosen in models:
        if chosen.checkpoint is None:
            note(
                f"note: {chosen.spec} has untrained weights: give --checkpoint for labels that mean something"
            )
    with counting("clips") as progress:
        write_pseudo_labels(dataset, models, out, inference, suffix=suffix, progress=progress)
    note(f"{len(dataset)} clips in {out}")
