"""``effbench profile``: what models cost."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Literal

import typer

from effbench.cli.output import Format, note, write_json, write_result
from effbench.cli.progress import status
from effbench.errors import UsageError
from effbench.grid import CLIP_SECONDS


class Part(StrEnum):
    """What of a detector is timed."""

    network = "network"
    frontend = "frontend"
    both = "both"


def profile(
    model: Annotated[
        list[str],
        typer.Option(help="Model spec or glob, e.g. fmn10+hybrid-512 or 'fmn10+*-256'. Repeatable."),
    ],
    throughput: Annotated[
        bool, typer.Option(help="Also measure throughput, latency and memory; without, it takes a second.")
    ] = True,
    counters: Annotated[
        str, typer.Option(help="Third-party MAC counters to compare with: fvcore, thop, torch, or all.")
    ] = "",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 or auto.")] = "cpu",
    precision: Annotated[str, typer.Option(help="fp32, bf16 or fp16.")] = "fp32",
    part: Annotated[
        list[Part] | None, typer.Option(help="What to time; all three by default. Repeatable.")
    ] = None,
    batch_size: Annotated[
        list[int] | None, typer.Option(help="Clips per call, instead of a sweep. Repeatable.", min=1)
    ] = None,
    compiled: Annotated[bool, typer.Option("--compile", help="Use torch.compile.")] = False,
    threads: Annotated[int | None, typer.Option(help="Threads of torch on the CPU.", min=1)] = None,
    seconds: Annotated[
        float, typer.Option(help="Length of a clip, seconds.", min=0.05, max=3600)
    ] = CLIP_SECONDS,
    kernels: Annotated[
        Literal["torch", "mamba-ssm"],
        typer.Option(help="What computes the scan of MAMBA: torch, or the mamba_ssm package (CUDA)."),
    ] = "torch",
    checkpoint: Annotated[
        str | None, typer.Option(help="Weights: strong, weak, or a file (its head counts decide).")
    ] = None,
    store: Annotated[
        Path | None, typer.Option(help="Results store; results/effbench.sqlite by default.")
    ] = None,
    keep: Annotated[
        bool, typer.Option("--keep/--no-store", help="Keep the measurements in the store.")
    ] = True,
    form: Annotated[Format, typer.Option("--format", help="table, json or csv.")] = Format.table,
) -> None:
    """Parameters, MACs, throughput, latency and memory of one or more models.

    Example: effbench profile --model fmn10+hybrid-512 --model fmn20
    """
    from effbench.machine.concerns import concerns
    from effbench.measure.conditions import Conditions
    from effbench.measure.profile import measure_model
    from effbench.measure.profiled import Profiles
    from effbench.models import zoo
    from effbench.results.store import Store

    specs = zoo.resolve(model)
    if checkpoint is not None and len(specs) > 1:
        raise UsageError("--checkpoint is for one model; profile the others without it")
    parts = [name.value for name in part or Part]
    conditions = Conditions(clip_seconds=seconds)
    if throughput:
        conditions = replace(
            conditions,
            device=device,
            precision=precision,
            compiled=compiled,
            threads=threads or conditions.threads,
            kernels=kernels,
        )
    # A file may have other heads than its model's card: its counts must not stand for the spec.
    results = Store(store, create=True) if keep and checkpoint is None else None
    profiles = []
    with results or nullcontext(), status(len(specs)) as progress:
        for spec in specs:
            progress.start(str(spec))
            measured = measure_model(
                spec,
                conditions,
                counters=_counters(counters),
                parts=parts if throughput else (),
                batch_sizes=batch_size,
                checkpoint=checkpoint,
                progress=progress.line,
            )
            profiles.append(measured)
            if results is not None:
                results.add(measured.measurements())
    if form is Format.json:
        write_json([measured.to_dict() for measured in profiles])
    else:
        write_result(profiles[0] if len(profiles) == 1 else Profiles(tuple(profiles)), form)
    if form is Format.table and len(profiles) == 1 and throughput:
        for concern in concerns(profiles[0].environment):
            note(f"note: {concern}")
    if results is not None:
        note(f"kept in {results.path}")


def _counters(text: str) -> list[str]:
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    if "all" not in names:
        return names
    from effbench.measure.macs.crosscheck import COUNTERS

    return list(COUNTERS)
