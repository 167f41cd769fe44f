"""The file that checks compare with: complexity and relative speed of some models, and where they hold."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

import torch
from pydantic import ConfigDict, Field

from effbench.config import Strict, load
from effbench.errors import DeviceError, UsageError
from effbench.files import replacing
from effbench.grid import CLIP_SECONDS
from effbench.machine.devices import resolve_device
from effbench.machine.environment import difference, environment, hardware_identity

#: Names the reference workload. Ratios against another one mean something else.
REFERENCE = "reference-1"

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Exact(Strict):
    model_config = ConfigDict(strict=True)


class Speed(_Exact):
    """How many times as fast as the reference workload a model is, with its 95 % interval.

    Attributes:
        ratio: median over ``pairs``; 0.5 takes twice the reference's time.
        seconds: median of the model's own times on that day; for the reader, never compared.
    """

    ratio: Positive
    low: Positive
    high: Positive
    pairs: Annotated[int, Field(ge=1)]
    seconds: Positive


class Entry(_Exact):
    """One model: what must stay equal, and its speed where that was measured."""

    parameters: Count
    macs_exact: Count
    macs_paper: Count
    speed: Speed | None = None


class Setup(_Exact):
    """What the speeds depend on besides the model."""

    hardware: dict[str, object]
    device: str
    threads: Annotated[int, Field(ge=1)]
    clip_seconds: Positive
    reference: str
    torch: str


class Baseline(_Exact):
    """Everything that a check needs, by canonical spec; ``conditions`` are those of its speeds, if any."""

    schema_version: Literal[1] = 1
    created: str
    effbench: str
    commit: str | None
    conditions: Setup | None
    models: Annotated[dict[str, Entry], Field(min_length=1)]


def read_baseline(path: Path) -> Baseline:
    """The baseline in a file; ``UsageError`` where there is none."""
    if not path.exists():
        raise UsageError(f"no baseline at {path}; make one with 'effbench regress save'")
    return load(path, Baseline, "baseline", UsageError)


def write_baseline(baseline: Baseline, path: Path) -> None:
    """Write a baseline, whole or not at all."""
    text = json.dumps(baseline.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    with replacing(path, make_folder=True) as temporary:
        temporary.write_text(text, encoding="utf-8")


class IncomparableSpeeds(UsageError):
    """Speeds that can't be compared here: there are none, or they were measured under another setup."""


def setup_here(device: str, threads: int) -> Setup:
    """The setup of a measurement on this machine; ``DeviceError`` where it has no such device."""
    return Setup(
        hardware=hardware_identity(environment(device)),
        device=str(resolve_device(device)),
        threads=threads,
        clip_seconds=CLIP_SECONDS,
        reference=REFERENCE,
        torch=torch.__version__,
    )


def same_setup(baseline: Baseline, path: Path) -> Setup:
    """The setup of the baseline's speeds, if this machine offers it; otherwise ``IncomparableSpeeds``."""
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
    """Keep speeds of two setups out of one file: ``IncomparableSpeeds`` names the differences."""
    before, after = old.model_dump(), new.model_dump()
    differences = difference(before.pop("hardware"), after.pop("hardware")) + difference(before, after)
    if differences:
        reason = f"{path} holds other models, measured under other conditions"
        raise IncomparableSpeeds("\n".join([reason, *differences]))
