"""Energy counters of this machine, where the hardware has them: nothing here is estimated."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pynvml

from effbench.errors import EffbenchError, UsageError

if TYPE_CHECKING:
    import torch

#: Names another folder than that of Linux: containers hide it, but may mount it elsewhere.
POWERCAP_VARIABLE = "EFFBENCH_POWERCAP"

_POWERCAP = "/sys/class/powercap"
_LONGEST_LOOK = 2.0  # seconds in which a counter that counts has moved several times
_STEPS = 20
_LOOKS_APART = 2e-4  # seconds


class NoEnergyCounter(UsageError):
    """The hardware does not tell what it takes, or not to this user; says why."""


@dataclass(frozen=True)
class EnergyCounter:
    """A counter that only rises, but for wrapping around.

    Attributes:
        name: what is counted.
        read: joules since some time.
        wraps_at: joules at which it begins anew, ``None`` where it does not.
    """

    name: str
    read: Callable[[], float]
    wraps_at: float | None = None

    def between(self, before: float, after: float) -> float:
        """Joules from one reading to the next, of which at most one wraps around.

        Raises:
            EffbenchError: the counter was reset meanwhile.
        """
        if after >= before:
            return after - before
        if self.wraps_at is None:
            raise EffbenchError(f"the energy counter {self.name} went back: it was reset meanwhile")
        return after - before + self.wraps_at


@dataclass(frozen=True)
class EnergyMeter:
    """All counters of a device, read together.

    Attributes:
        counters: at least one.
        step_seconds: the time from one step of the slowest counter to its next: a reading may be as old.
    """

    counters: tuple[EnergyCounter, ...]
    step_seconds: float

    @property
    def name(self) -> str:
        """What is counted: ``RAPL package-0 + RAPL package-1``."""
        return " + ".join(counter.name for counter in self.counters)

    def read(self) -> tuple[float, ...]:
        """Joules of every counter."""
        return tuple(counter.read() for counter in self.counters)

    def between(self, before: Sequence[float], after: Sequence[float]) -> float:
        """Joules of all counters from one reading to the next. Raises as ``EnergyCounter.between``."""
        return sum(
            counter.between(start, end)
            for counter, start, end in zip(self.counters, before, after, strict=True)
        )


def energy_meter(device: torch.device) -> EnergyMeter:
    """The counters of all processor packages, or that of one GPU; watched for a moment.

    Raises:
        NoEnergyCounter: there is none, this user may not read it, or it does not count.
    """
    if device.type == "cpu":
        counters = cpu_counters(Path(os.environ.get(POWERCAP_VARIABLE) or _POWERCAP))
    else:
        import torch

        counters = [gpu_counter(str(torch.cuda.get_device_properties(device).uuid))]
    return EnergyMeter(tuple(counters), max(map(_step_seconds, counters)))


def cpu_counters(folder: Path) -> list[EnergyCounter]:
    """RAPL's counter of every processor package, in Linux's folder of them.

    Raises:
        NoEnergyCounter: there is none, or this user may not read it.
    """
    zones = [zone for zone in sorted(folder.glob("intel-rapl:*")) if zone.name.count(":") == 1]
    packages = [name for zone in zones if (name := _name(zone)).startswith("package")]
    if not packages:
        raise NoEnergyCounter(
            f"this machine does not tell what its processor takes: no RAPL under {folder}. Linux tells it on"
            " the machine itself, not in virtual machines; a container needs that folder of its host,"
            f" mounted anywhere and named by {POWERCAP_VARIABLE}"
        )
    return [_package(zone) for zone in zones if _name(zone).startswith("package")]


def _name(zone: Path) -> str:
    try:
        return (zone / "name").read_text().strip()
    except OSError:  # a link to what a container hides
        return ""


def _package(zone: Path) -> EnergyCounter:
    path = zone / "energy_uj"

    def read() -> float:
        return int(path.read_text()) / 1e6

    try:
        read()
        wraps_at = int((zone / "max_energy_range_uj").read_text()) / 1e6
    except PermissionError:
        raise NoEnergyCounter(
            f"{path} tells what the processor takes to root alone; until the next start of the machine,"
            f" this lets everybody read it: sudo chmod a+r {zone.parent}/intel-rapl:*/energy_uj"
        ) from None
    except (OSError, ValueError) as error:
        raise NoEnergyCounter(f"{path} can't be read: {error}") from None
    return EnergyCounter(f"RAPL {_name(zone)}", read, wraps_at)


def gpu_counter(uuid: str) -> EnergyCounter:
    """The driver's counter of one NVIDIA GPU; it stays open as long as the process.

    Raises:
        NoEnergyCounter: there is no driver, or no such GPU, or it does not count (before Volta).
    """
    try:
        pynvml.nvmlInit()
        gpu = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid.removeprefix('GPU-')}")
        pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu)
    except pynvml.NVMLError as error:
        raise NoEnergyCounter(
            f"this GPU does not tell what it takes (NVML: {error}); GPUs from Volta on do, as a whole"
        ) from None
    return EnergyCounter("NVML GPU", lambda: pynvml.nvmlDeviceGetTotalEnergyConsumption(gpu) / 1000)


def _step_seconds(counter: EnergyCounter) -> float:
    """The median time between two steps of a counter, of those that are seen in a moment."""
    start = now = time.perf_counter()
    value, steps = counter.read(), list[float]()
    while now - start < _LONGEST_LOOK and len(steps) <= _STEPS:
        time.sleep(_LOOKS_APART)
        newest, now = counter.read(), time.perf_counter()
        if newest != value:
            steps.append(now)
            value = newest
    if len(steps) < 3:
        raise NoEnergyCounter(f"the energy counter {counter.name} does not count: it stands at {value:g} J")
    return statistics.median(after - before for before, after in pairwise(steps))
