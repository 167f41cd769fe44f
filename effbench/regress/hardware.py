"""Under which conditions speeds were measured, and whether they can be compared here."""

from __future__ import annotations

from pathlib import Path

import torch

from effbench.errors import DeviceError, UsageError
from effbench.grid import CLIP_SECONDS
from effbench.machine.devices import resolve_device
from effbench.machine.environment import difference, environment, hardware_identity
from effbench.regress.baseline import Baseline, Conditions
from effbench.regress.yardstick import REFERENCE


def conditions_here(device: str, threads: int) -> Conditions:
    """Those of a measurement on this machine.

    Raises:
        DeviceError: no such device here.
    """
    return Conditions(
        hardware=hardware_identity(environment(device)),
        device=str(resolve_device(device)),
        threads=threads,
        clip_seconds=CLIP_SECONDS,
        reference=REFERENCE,
        torch=torch.__version__,
    )


def same_conditions(baseline: Baseline, path: Path) -> Conditions:
    """The baseline's conditions, if they can be had here.

    Raises:
        UsageError: it holds no speeds, or such from other hardware or against another reference workload.
    """
    conditions = baseline.conditions
    if conditions is None:
        raise UsageError(
            f"{path} holds no speeds\n"
            "Check with --complexity-only, or measure them here with 'effbench regress save'."
        )
    if conditions.reference != REFERENCE:
        raise UsageError(
            f"{path} compares with the workload {conditions.reference}, this version with {REFERENCE}\n"
            "Save it anew with 'effbench regress save'."
        )
    try:
        differences = difference(conditions.hardware, hardware_identity(environment(conditions.device)))
    except DeviceError as error:
        differences = [str(error)]
    if differences:
        raise UsageError(
            f"{path} was measured on other hardware, so that speeds can't be compared\n"
            + "".join(f"{phrase}\n" for phrase in differences)
            + "Check with --complexity-only, or keep a baseline for this machine: --baseline FILE."
        )
    return conditions


def refuse_other_conditions(path: Path, old: Conditions, new: Conditions) -> None:
    """Keeps speeds of two kinds out of one file.

    Raises:
        UsageError: with what differs.
    """
    before, after = old.model_dump(), new.model_dump()
    differences = difference(before.pop("hardware"), after.pop("hardware")) + difference(before, after)
    if differences:
        raise UsageError(
            f"{path} holds other models, measured under other conditions\n"
            + "".join(f"{phrase}\n" for phrase in differences)
            + "Save all of them again (without --model), or to another file (--baseline FILE)."
        )
