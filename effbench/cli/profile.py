"""``effbench profile``: what models cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from effbench.cli.output import Format, note, write_csv, write_json, write_table
from effbench.cli.progress import status
from effbench.errors import UsageError
from effbench.grid import CLIP_SECONDS

if TYPE_CHECKING:
    from effbench.measure.profile import Profile

MILLION, BILLION = 1e6, 1e9


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
        list[str] | None,
        typer.Option(help="What to time: network, frontend or both; all three by default. Repeatable."),
    ] = None,
    batch_size: Annotated[
        list[int] | None, typer.Option(help="Clips per call, instead of a sweep. Repeatable.", min=1)
    ] = None,
    compiled: Annotated[bool, typer.Option("--compile", help="Use torch.compile.")] = False,
    threads: Annotated[int | None, typer.Option(help="Threads of torch on the CPU.", min=1)] = None,
    seconds: Annotated[
        float, typer.Option(help="Length of a clip, seconds.", min=0.05, max=3600)
    ] = CLIP_SECONDS,
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
    from effbench.measure import profile as measuring
    from effbench.models import zoo
    from effbench.results.store import Store

    specs = zoo.resolve(model)
    if checkpoint is not None and len(specs) > 1:
        raise UsageError("--checkpoint is for one model; profile the others without it")
    options: dict[str, Any] = {
        "counters": _counters(counters),
        "throughput": throughput,
        "device": device,
        "precision": precision,
        "parts": part or ["network", "frontend", "both"],
        "batch_sizes": batch_size,
        "compiled": compiled,
        "threads": threads,
        "clip_seconds": seconds,
        "checkpoint": checkpoint,
    }
    if throughput:
        measuring.check_settings(options)
    # A file may have other heads than its model's card: its counts must not stand for the spec.
    results = Store(store, create=True) if keep and checkpoint is None else None
    profiles: list[Profile] = []
    try:
        with status(len(specs)) as progress:
            for spec in specs:
                progress.start(str(spec))
                profiles.append(measuring.profile(spec, progress=progress.line, **options))
                if results is not None:
                    results.add(profiles[-1].measurements())
    finally:
        if results is not None:
            results.close()
    _write(profiles, form)
    if results is not None:
        note(f"kept in {results.path}")


def _counters(text: str) -> list[str]:
    names = [name.strip().lower() for name in text.split(",") if name.strip()]
    if "all" not in names:
        return names
    from effbench.measure.macs.crosscheck import COUNTERS

    return list(COUNTERS)


def _write(profiles: list[Profile], form: Format) -> None:
    if form is Format.json:
        write_json([profile.to_dict() for profile in profiles])
    elif form is Format.csv:
        write_csv([_flat(profile) for profile in profiles])
    elif len(profiles) == 1:
        _write_one(profiles[0])
    else:
        write_table([_row(profile) for profile in profiles])


def _flat(profile: Profile) -> dict[str, Any]:
    """One line of figures in base units."""
    complexity = profile.complexity
    row: dict[str, Any] = {"spec": profile.spec}
    row |= {f"parameters_{name}": count for name, count in complexity.parameters.to_dict().items()}
    row |= {f"macs_{name}": macs for name, macs in complexity.macs_by_counter().items()}
    best = profile.best_throughput
    if best is not None:
        row |= {"throughput": best.median, "throughput_low": best.low, "throughput_high": best.high}
        row |= {"batch_size": best.batch_size, "precision": best.precision}
    if profile.latency:
        row |= {f"latency_p{p}": getattr(profile.latency, f"p{p}").value for p in (50, 90, 99)}
    if profile.memory:
        row["memory_peak"] = profile.memory.peak_bytes
    return row


def _row(profile: Profile) -> dict[str, Any]:
    """One line of a comparison, in units for reading."""
    complexity = profile.complexity
    row: dict[str, Any] = {
        "model": profile.spec,
        "parameters (M)": f"{complexity.parameters.total / MILLION:.4f}",
        "MACs exact (G)": f"{complexity.macs.exact / BILLION:.4f}",
        "MACs paper (G)": f"{complexity.macs.paper / BILLION:.4f}",
    }
    for name, check in complexity.counters.items():
        row[f"{name} (G)"] = "failed" if check.macs is None else f"{check.macs / BILLION:.4f}"
    best = profile.best_throughput
    if best is not None:
        row["clips/s"] = f"{best.median:,.1f} [{best.low:,.1f}, {best.high:,.1f}]"
        row["batch"] = best.batch_size
    if profile.latency:
        row["latency p50 (ms)"] = f"{1000 * profile.latency.p50.value:.1f}"
    if profile.memory:
        row["memory (MiB)"] = f"{profile.memory.peak_bytes / 2**20:,.0f}"
    return row


def _write_one(profile: Profile) -> None:
    complexity = profile.complexity
    parameters, macs = complexity.parameters, complexity.macs
    parts = ("backbone", "sequence", "strong_head", "weak_head")
    rows = [
        {
            "part": part.replace("_", " "),
            "parameters": getattr(parameters, part),
            "MACs exact": macs.by_module.get(part, 0),
            "MACs paper": next((m.paper for m in macs.modules if m.name == part), 0),
        }
        for part in parts
    ]
    rows.append(
        {"part": "total", "parameters": parameters.total, "MACs exact": macs.exact, "MACs paper": macs.paper}
    )
    write_table(rows, title=f"{profile.spec}, one clip of {complexity.clip_seconds:g} s")
    print(
        f"Parameters: {parameters.trainable:,} trainable, {parameters.without_weak_head:,} without the weak"
        f" head; weights {parameters.file_bytes / MILLION:.2f} MB in float32."
    )
    kinds = ", ".join(f"{kind} {count / MILLION:,.1f} M" for kind, count in macs.by_operator.items())
    print(f"Exact MACs by operator: {kinds}; front-end apart: {complexity.frontend.exact / MILLION:,.1f} M.")
    elements = ", ".join(f"{kind} {n / MILLION:,.1f} M" for kind, n in macs.element_operations.items())
    print(f"Element operations, no MACs: {elements}.")
    _write_counters(profile)
    _write_timings(profile)


def _write_counters(profile: Profile) -> None:
    exact = profile.complexity.macs.exact
    if profile.complexity.counters:
        rows = []
        for name, check in profile.complexity.counters.items():
            difference = "" if check.macs is None else f"{100 * (check.macs / exact - 1):+.2f} %"
            first = {"counter": name, "MACs": check.macs, "difference": difference}
            for cause in check.causes or ("agrees with the exact count",):
                rows.append({**first, "cause": cause})
                first = dict.fromkeys(first)
        write_table(rows, title="Third-party counters")


def _write_timings(profile: Profile) -> None:
    if profile.throughput:
        rows = [
            {
                "part": rate.part,
                "precision": rate.precision,
                "batch": rate.batch_size,
                "clips/s": f"{rate.median:,.1f}",
                "95 % interval": f"{rate.low:,.1f} – {rate.high:,.1f}",
                "× real time": f"{rate.audio_seconds_per_second:,.0f}",
                "": "best" if rate.best else "",
            }
            for rate in profile.throughput
        ]
        write_table(rows, title="Throughput")
    if profile.latency:
        print(f"Latency, one clip: {profile.latency}")
    if profile.memory:
        print(f"Memory: {profile.memory}")
    if profile.throughput:
        from effbench.machine.concerns import concerns

        here = profile.environment
        print(
            f"Measured on {here.device_name}, torch {here.software.torch}, effbench"
            f" {here.software.effbench}, load average {here.load.average_1m}."
        )
        for concern in concerns(here):
            note(f"note: {concern}")
