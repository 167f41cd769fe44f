"""Where a report's numbers come from: sources, versions, dates and machines."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from effbench.machine.description import Environment
from effbench.plots.caption import short_commit

_GIB = 2**30


@dataclass(frozen=True)
class RowOrigin:
    """Rows of one source, commit (shortened; empty if unknown) and device (empty where it does not matter).

    ``models`` and ``rows`` are their numbers; ``dates`` go from the day of the oldest row to that of the
    newest, or are months if published.
    """

    provenance: str
    source: str
    commit: str
    device: str
    quantities: tuple[str, ...]
    models: int
    rows: int
    dates: str


def origins(rows: pd.DataFrame) -> list[RowOrigin]:
    """Sources of the rows, measured ones first."""
    keys = ["provenance", "source", "commit", "device"]
    found = []
    for key, group in rows.fillna({"commit": "", "device": ""}).groupby(keys, sort=True):
        provenance, source, commit, device = key
        days = group["created"].str[: 7 if provenance == "published" else 10]
        found.append(
            RowOrigin(
                provenance=str(provenance),
                source=str(source),
                commit=short_commit(str(commit)),
                device=str(device),
                quantities=tuple(dict.fromkeys(group["quantity"])),
                models=group["spec"].nunique(),
                rows=len(group),
                dates=" to ".join(dict.fromkeys((days.min(), days.max()))),
            )
        )
    return found


def environments(rows: pd.DataFrame) -> list[str]:
    """Machine and software behind measured rows, one line for each that differs."""
    known = [record for record in rows["environment"] if record]
    return list(dict.fromkeys(describe(Environment.from_dict(record)) for record in known))


def describe(environment: Environment) -> str:
    """An environment in one line: device, cores, memory and software, as far as they are known."""
    cpu, gpu, memory, software = environment.cpu, environment.gpu, environment.memory, environment.software
    parts = [environment.device_name or cpu.model]
    if gpu:
        parts += [_joined("driver", gpu.driver), _joined("CUDA", gpu.cuda), _joined("on", cpu.model)]
    if cpu.available_cores:
        parts.append(f"{cpu.available_cores} cores{' (virtual machine)' if cpu.virtual else ''}")
    if memory.total_bytes:
        parts.append(f"{memory.total_bytes / _GIB:.0f} GiB memory")
    parts += [_joined("effbench", software.effbench), _joined("torch", software.torch)]
    parts += [_joined("python", software.python), software.os]
    return ", ".join(part for part in parts if part)


def _joined(word: str, value: str | None) -> str:
    return f"{word} {value}" if value else ""
