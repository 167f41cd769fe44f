"""What ``effbench profile`` does alone when it is asked for: live streams, the roofline."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from effbench.cli.output import Format, note, write_csv, write_json, write_result, write_sections
from effbench.cli.progress import status
from effbench.errors import EffbenchError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from effbench.shown import Table


class RunsOn(NamedTuple):
    """What a network runs on."""

    device: str
    precision: str
    backend: str
    threads: int | None


def measure_streams(
    model: str,
    where: RunsOn,
    hop: float,
    limit: float,
    batch_size: int | None,
    store: Path | None,
    keep: bool,
    form: Format,
) -> None:
    """How many live streams of one model this machine carries."""
    from effbench.detect.stream_profile import profile_streams
    from effbench.results.store import Store

    with Store(store, create=True) if keep else nullcontext() as results, status(1) as progress:
        progress.start(model)
        measured = profile_streams(
            model, hop=hop, limit=limit, batch_size=batch_size, progress=progress.line, **where._asdict()
        )
        if results is not None:
            results.add(measured.measurements())
    write_result(measured, form)
    if results is not None:
        note(f"kept in {results.path}")


def measure_rooflines(
    models: Sequence[str],
    where: RunsOn,
    batch_size: int,
    seconds: float,
    kernels: str,
    store: Path | None,
    keep: bool,
    form: Format,
) -> None:
    """The share of the roof that each model reaches here."""
    from effbench.measure.roofline import profile_roofline
    from effbench.measure.roofline_result import compared
    from effbench.models import zoo
    from effbench.models.own_model import own_model
    from effbench.results.store import Store

    specs = zoo.resolve([own_model(text) for text in models])
    found = []
    with Store(store, create=True) if keep else nullcontext() as results, status(len(specs)) as progress:
        for spec in specs:
            with progress.job(str(spec)):
                measured = profile_roofline(
                    spec,
                    batch_size=batch_size,
                    clip_seconds=seconds,
                    kernels=kernels,
                    progress=progress.line,
                    **where._asdict(),
                )
                found.append(measured)
                if results is not None:
                    results.add(measured.measurements())
    if not found:
        raise progress.failures[0]
    if form is Format.json:
        write_json([roofline.to_dict() for roofline in found])
    elif form is Format.csv:
        write_csv([row for roofline in found for row in roofline.rows()])
    else:
        sections: Sequence[Table | str] = found[0].sections() if len(found) == 1 else [compared(found)]
        write_sections(sections, form)
    if results is not None:
        note(f"kept in {results.path}")
    if progress.failures:
        raise EffbenchError(f"{len(progress.failures)} of {len(specs)} models could not be measured")
