"""Under which setup speeds were measured, and whether they can be compared here."""

from __future__ import annotations

from pathlib import Path

import torch

from effbench.errors import DeviceError, UsageError
from effbench.grid import CLIP_SECONDS
from effbench.machine.devices import resolve_device
from effbench.machine.environment import difference, environment, hardware_identity
from effbench.regress.baseline import Baseline, Setup
from effbench.regress.yardstick import REFERENCE


class IncomparableSpeeds(UsageError):
    """Speeds that say nothing here: there are none, or they were measured under another setup."""


def setup_here(device: str, threads: int) -> Setup:
    """That of a measurement on this machine.

    Raises:
        DeviceError: no such device here.
    """
    return Setup(
        hardware=hardware_identity(environment(device)),
        device=str(resolve_device(device)),
        threads=threads,
        clip_seconds=CLIP_SECONDS,
        reference=REFERENCE,
        torch=torch.__version__,
    )


def same_setup(baseline: Baseline, path: Path) -> Setup:
    """The setup of the baseline's speeds, if this machine offers it.

    Raises:
        IncomparableSpeeds: the baseline has no speeds, or such from other hardware or relative to another
            reference workload.
    """
    setup = baseline.conditions
    if setup is None:
        raise IncomparableSpeeds(f"{path} holds no speeds")
    if setup.reference != REFERENCE:
        raise IncomparableSpeeds(
            f"{path} compares with the workload {setup.reference}, this version with {REFERENCE}"
        )
    try:
        differences = difference(setup.hardware, hardware_identity(environment(setup.device)))
    except DeviceError as error:
        differences = [str(error)]
    if differences:
        reason = f"{path} was measured on other hardware, so that speeds can't be compared"
        raise IncomparableSpeeds("\n".join([reason, *differences]))
    return setup


def refuse_other_setup(path: Path, old: Setup, new: Setup) -> None:
    """Keeps speeds of two setups out of one file.

    Raises:
        IncomparableSpeeds: with what differs.
    """
    before, after = old.model_dump(), new.model_dump()
    differences = difference(before.pop("hardware"), after.pop("hardware")) + difference(before, after)
    if differences:
        reason = f"{path} holds other models, measured under other conditions"
        raise IncomparableSpeeds("\n".join([reason, *differences]))
