"""``effbench profile``: what models cost."""

from __future__ import annotations

from contextlib import nullcontext
from enum import StrEnum
from typing import Annotated, Literal

import typer

from effbench.cli import options
from effbench.cli.output import Format, note, write_json, write_result
from effbench.cli.profile_only import RunsOn, measure_rooflines, measure_streams
from effbench.cli.progress import status
from effbench.errors import EffbenchError, UsageError
from effbench.grid import CLIP_SECONDS

_NOT_WITH_ROOFLINE = (
    *("throughput", "energy", "thorough", "counters", "strict", "training", "part"),
    *("checkpoint", "name", "model_arg", "example", "psds1", "source"),
)
_NOT_WITH_STREAMS = (*_NOT_WITH_ROOFLINE, "roofline", "seconds", "kernels")


class TimedPart(StrEnum):
    """Part of a detector that is timed."""

    network = "network"
    frontend = "frontend"
    both = "both"


def profile(
    context: typer.Context,
    model: options.Models = None,
    throughput: Annotated[
        bool, typer.Option(help="Also measure throughput, latency and memory, or only count, in a second.")
    ] = True,
    energy: Annotated[
        bool,
        typer.Option("--energy", help="Also measure joules for a clip, where the hardware counts them."),
    ] = False,
    counters: Annotated[
        str, typer.Option(help="Third-party MAC counters to compare with: fvcore, thop, torch, or all.")
    ] = "",
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse a model of your own whose MACs can't all be counted.")
    ] = False,
    training: Annotated[
        bool, typer.Option("--training", help="Also count the MACs of forward and backward, as in training.")
    ] = False,
    device: options.Device = "cpu",
    precision: options.Precision = "fp32",
    part: Annotated[
        list[TimedPart] | None,
        typer.Option(help="Part of the detector to time: by default the network. Repeatable."),
    ] = None,
    batch_size: Annotated[
        list[int] | None, typer.Option(help="Clips per call, instead of a sweep. Repeatable.", min=1)
    ] = None,
    thorough: Annotated[
        bool, typer.Option("--thorough", help="All parts, a full sweep of batch sizes, longer times.")
    ] = False,
    backend: options.Backend = "eager",
    threads: options.Threads = None,
    seconds: options.Seconds = CLIP_SECONDS,
    kernels: Annotated[
        Literal["torch", "mamba-ssm"],
        typer.Option(help="Kernels of the scan of MAMBA: torch's, or the mamba_ssm package's (CUDA)."),
    ] = "torch",
    checkpoint: options.Checkpoint = None,
    name: options.ModelName = None,
    model_arg: options.ModelOptions = None,
    example: Annotated[
        list[str] | None,
        typer.Option(
            "--input",
            metavar="SHAPE",
            help="Input of a model of your own that is no detector: 1,1,128,1000 or 1,77:int64. Repeatable.",
        ),
    ] = None,
    psds1: Annotated[
        float | None,
        typer.Option(min=0, max=100, help="PSDS1 of a model of your own, %, from elsewhere; needs --source."),
    ] = None,
    source: Annotated[str | None, typer.Option(help="Where --psds1 is from.")] = None,
    streams: Annotated[
        bool,
        typer.Option("--streams", help="Only: how many live streams this machine carries, by running them."),
    ] = False,
    hop: Annotated[float, typer.Option(help="With --streams, seconds between windows of a stream.")] = 1.0,
    limit: Annotated[
        float, typer.Option(help="With --streams, seconds to a hop's events, which 99 % keep.")
    ] = 1.0,
    roofline: Annotated[
        bool,
        typer.Option(
            "--roofline", help="Only: what this device can do at most, and the share that each layer reaches."
        ),
    ] = False,
    store: options.Store = None,
    keep: options.Keep = True,
    form: options.OutputFormat = Format.table,
) -> None:
    """Parameters, MACs, throughput, latency, memory and energy of one or more models.

    Example: effbench profile --model fmn10+hybrid-512 --model fmn20
    """
    where = RunsOn(device, precision, backend, threads)
    if streams:
        if model is None or len(model) > 1 or len(batch_size or ()) > 1:
            raise UsageError("--streams is for one --model, and one --batch-size at most")
        options.refuse_given(context, _NOT_WITH_STREAMS, "can't be given with --streams")
        measure_streams(model[0], where, hop, limit, batch_size[0] if batch_size else None, store, keep, form)
        return
    options.refuse_given(context, ("hop", "limit"), "is for --streams")
    if roofline:
        if model is None or len(batch_size or ()) > 1:
            raise UsageError("--roofline needs a --model, and takes one --batch-size at most")
        options.refuse_given(context, _NOT_WITH_ROOFLINE, "can't be given with --roofline")
        size = batch_size[0] if batch_size else 1
        measure_rooflines(model, where, size, seconds, kernels, store, keep, form)
        return
    from effbench.infer.backends.known import EAGER, FASTEST
    from effbench.machine.concerns import concerns
    from effbench.machine.energy_counters import energy_meter
    from effbench.measure.complexity import measure_complexity
    from effbench.measure.conditions import Conditions
    from effbench.measure.profile import profile as profile_model
    from effbench.measure.profiles import Profiles
    from effbench.models import zoo
    from effbench.models.own_model import OwnModel, own_model
    from effbench.results.store import Store

    if model is None:
        options.check_model(None, checkpoint)
        from effbench.models.located import stated_spec

        specs = [stated_spec(checkpoint or "")]
    else:
        named = name is not None or model_arg or example or psds1 is not None
        if named and len(model) > 1:
            raise UsageError("--name, --model-arg, --input and --psds1 are for one model")
        given = [
            own_model(text, name=name, options=tuple(model_arg or ()), inputs=tuple(example or ()))
            for text in model
        ]
        specs = zoo.resolve(given)
    if (psds1 is None) != (source is None) or (psds1 is not None and not isinstance(specs[0], OwnModel)):
        raise UsageError("--psds1 and --source go together, and are for a model of your own")
    if checkpoint is not None and len(specs) > 1:
        raise UsageError("--checkpoint is for one model; profile the others without it")
    if psds1 is not None and (checkpoint is not None or not keep):
        raise UsageError("--psds1 is kept in the store: without --checkpoint and --no-store")
    if energy and not throughput:
        raise UsageError("--energy is measured beside throughput: leave out --no-throughput")
    if throughput:
        conditions = Conditions(
            device, precision, backend=EAGER if backend == FASTEST else backend, kernels=kernels
        )  # refuses what is missing here before anything is kept
        if energy:
            energy_meter(conditions.torch_device)
        for spec in specs[1:]:  # and a clip that a later model can't take, before the first is timed
            measure_complexity(spec, clip_seconds=seconds)
    # A file may have other heads than its model's card: its counts must not stand for the spec.
    results = Store(store, create=True) if keep and checkpoint is None else None
    profiles = []
    with results or nullcontext(), status(len(specs)) as progress:
        for spec in specs:
            with progress.job(str(spec)):
                measured = profile_model(
                    spec,
                    counters=_counters(counters),
                    throughput=throughput,
                    energy=energy,
                    device=device,
                    precision=precision,
                    parts=part,
                    batch_sizes=batch_size,
                    backend=backend,
                    threads=threads,
                    clip_seconds=seconds,
                    kernels=kernels,
                    checkpoint=checkpoint,
                    strict=strict or None,
                    training=training,
                    thorough=thorough,
                    progress=progress.line,
                )
                profiles.append(measured)
                if results is not None:
                    declared = [] if psds1 is None else [measured.declared(psds1, source or "")]
                    results.add([*measured.measurements(), *declared])
    if not profiles:
        raise progress.failures[0]
    if form is Format.json:
        write_json([measured.to_dict() for measured in profiles])
    else:
        write_result(profiles[0] if len(profiles) == 1 else Profiles(tuple(profiles)), form)
    if form is Format.table and len(profiles) == 1 and throughput:
        for concern in concerns(profiles[0].environment):
            note(f"note: {concern}")
    if results is not None:
        note(f"kept in {results.path}")
    if progress.failures:
        raise EffbenchError(f"{len(progress.failures)} of {len(specs)} models could not be profiled")


def _counters(text: str) -> list[str]:
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    if "all" not in names:
        return names
    from effbench.measure.macs.crosscheck import COUNTERS

    return list(COUNTERS)
