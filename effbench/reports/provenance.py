"""Where a report's numbers come from: sources, versions, dates and machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

_GIB = 2**30


@dataclass(frozen=True)
class Origin:
    """Rows of one source, commit and device.

    Attributes:
        provenance: measured or published.
        source: program and version, or the publication.
        commit: of the program, shortened; empty if unknown.
        device: what was timed; empty where that does not matter.
        quantities: what the rows hold.
        models: number of models.
        rows: number of rows.
        dates: day of the oldest row to day of the newest; the month, if published.
    """

    provenance: str
    source: str
    commit: str
    device: str
    quantities: tuple[str, ...]
    models: int
    rows: int
    dates: str


def origins(rows: pd.DataFrame) -> list[Origin]:
    """Sources of the rows, measured ones first."""
    keys = ["provenance", "source", "commit", "device"]
    found = []
    for key, group in rows.fillna({"commit": "", "device": ""}).groupby(keys, sort=True):
        provenance, source, commit, device = key
        days = group["created"].str[: 7 if provenance == "published" else 10]
        found.append(
            Origin(
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


def short_commit(commit: str) -> str:
    """First nine characters of a commit, with the mark of uncommitted changes if it has one."""
    revision, plus, changes = commit.partition("+")
    return revision[:9] + plus + changes


def environments(rows: pd.DataFrame) -> list[str]:
    """Machine and software behind measured rows, one line for each that differs."""
    return list(dict.fromkeys(describe(found) for found in rows["environment"] if found))


def describe(environment: Mapping[str, Any]) -> str:
    """An environment in one line: device, cores, memory and software, as far as they are known."""
    cpu, gpu = environment.get("cpu") or {}, environment.get("gpu") or {}
    memory, software = environment.get("memory") or {}, environment.get("software") or {}
    parts = [str(environment.get("device_name") or cpu.get("model") or "")]
    if gpu:
        parts.append(_joined("driver", gpu.get("driver")) or "")
        parts.append(_joined("CUDA", gpu.get("cuda")) or "")
        parts.append(_joined("on", cpu.get("model")) or "")
    if cpu.get("available_cores"):
        parts.append(f"{cpu['available_cores']} cores{' (virtual machine)' if cpu.get('virtual') else ''}")
    if memory.get("total_bytes"):
        parts.append(f"{memory['total_bytes'] / _GIB:.0f} GiB memory")
    parts += [f"{name} {software[name]}" for name in ("effbench", "torch", "python") if name in software]
    parts.append(str(software.get("os", "")))
    return ", ".join(part for part in parts if part)


def _joined(word: str, value: Any) -> str | None:
    return None if value is None else f"{word} {value}"
