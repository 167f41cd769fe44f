"""Options that choose rows of a store, and what they choose."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from effbench.errors import UsageError, nearest

if TYPE_CHECKING:
    from effbench.results.selection import Selection
    from effbench.results.store import Store

Models = Annotated[
    list[str] | None,
    typer.Option(
        "--model",
        "--spec",
        help="Only these models: a spec, a name or a glob. Repeatable.",
    ),
]
Quantities = Annotated[
    list[str] | None, typer.Option("--quantity", help="Only these: psds1, throughput, … Repeatable.")
]
Device = Annotated[str | None, typer.Option("--device", help="Only of this device (part of its name).")]
Origin = Annotated[
    str | None, typer.Option("--origin", help="Only rows that were imported from this file or store.")
]


class Provenances(StrEnum):
    """Where values come from."""

    measured = "measured"
    published = "published"


Provenance = Annotated[
    Provenances | None,
    typer.Option("--provenance", help="Only measured values, or only published ones."),
]


def selection(
    store: Store,
    models: list[str] | None,
    quantities: list[str] | None,
    device: str | None,
    provenance: Provenances | None,
    origin: str | None,
) -> Selection:
    """The rows that these options choose; ``UsageError`` where one of them chooses nothing."""
    from effbench.results.declared import check_quantity
    from effbench.results.selection import matching_names

    for quantity in quantities or []:
        check_quantity(quantity)
    origins = [str(row["origin"]) for row in store.origins()]
    if origin is not None and origin not in origins:
        known = f"\nThere are: {', '.join(origins)}." if origins else ""
        raise UsageError(f"nothing was imported from '{origin}'{nearest(origin, origins)}{known}")
    devices = store.distinct("device")
    return {
        "specs": matching_names(models, store.distinct("spec")) if models else None,
        "quantities": quantities,
        "device": None if device is None else _matching_device(device, devices),
        "provenance": None if provenance is None else provenance.value,
        "origin": origin,
    }


def _matching_device(text: str, devices: list[str]) -> str:
    exact = [name for name in devices if name.lower() == text.lower()]
    matches = exact or [name for name in devices if text.lower() in name.lower()]
    if len(matches) != 1:
        what = "is more than one device" if matches else "is no device in the store"
        raise UsageError(f"'{text}' {what}\nDevices: {', '.join(matches or devices) or 'none'}.")
    return matches[0]
