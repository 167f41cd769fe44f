"""What the operating system says of this machine: processor, memory, limits, load; never its name."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import psutil

from effbench.machine.cgroup import ControlGroup, read_text
from effbench.machine.description import Cpu, Load, Memory

# The instruction sets that decide how fast a network runs, by the names of Linux' /proc/cpuinfo.
_CAPABILITIES = (
    *("sse4_2", "avx", "avx2", "fma", "f16c", "avx_vnni"),
    *("avx512f", "avx512bw", "avx512vl", "avx512_vnni", "avx512_bf16", "avx512_fp16"),
    *("amx_tile", "amx_int8", "amx_bf16", "amx_fp16"),
    *("asimd", "asimdhp", "asimddp", "fphp", "i8mm", "bf16", "sve", "sve2", "sme"),
)


def cpu_model() -> str:
    """Model name of the processor, e.g. ``AMD EPYC 9654 96-Core Processor``."""
    name = _cpuinfo().get("model name") or _cpuinfo().get("Model") or ""
    if not name and sys.platform == "darwin":
        name = _output("sysctl", "-n", "machdep.cpu.brand_string")
    if not name and sys.platform == "linux":
        lines = (line.partition(":") for line in _output("lscpu").splitlines())
        name = next((value.strip() for key, _, value in lines if key.strip() == "Model name"), "")
    return " ".join((name or platform.processor() or platform.machine() or "unknown processor").split())


def describe_cpu() -> Cpu:
    """The processor, how much of it this process may use, and what sets its clock."""
    info = _cpuinfo()
    flags = set((info.get("flags") or info.get("Features") or "").split())
    logical = psutil.cpu_count() or 1
    return Cpu(
        model=cpu_model(),
        stepping="/".join(info.get(key, "") for key in ("cpu family", "model", "stepping")).strip("/"),
        architecture=platform.machine(),
        capabilities=tuple(name for name in _CAPABILITIES if name in flags),
        physical_cores=psutil.cpu_count(logical=False) or logical,
        logical_cores=logical,
        available_cores=available_cores(),
        quota_cores=ControlGroup().cpu_quota(),
        frequency_mhz=_frequency(),
        governor=_governor(),
        throttle_events=_throttle_events(),
        on_battery=_on_battery(),
        virtual="hypervisor" in flags or _output("sysctl", "-n", "kern.hv_vmm_present") == "1",
    )


def available_cores() -> int:
    """Logical cores that this process may run on (its affinity)."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return psutil.cpu_count() or 1


def describe_memory() -> Memory:
    """The machine's memory, and what is left of it."""
    return Memory(
        total_bytes=psutil.virtual_memory().total,
        limit_bytes=ControlGroup().memory_limit(),
        available_bytes=available_memory(),
        swap_used_bytes=psutil.swap_memory().used,
    )


def available_memory() -> int:
    """Bytes that can still be taken without swapping and within the control group's limit."""
    available = int(psutil.virtual_memory().available)
    group = ControlGroup()
    limit = group.memory_limit()
    return available if limit is None else max(0, min(available, limit - group.memory_used()))


def describe_load(seconds: float = 0.1) -> Load:
    """Load averages, and the cores that others keep busy (and the host takes) in the next ``seconds``."""
    watch = LoadWatch()
    time.sleep(seconds)
    others, stolen = (None if cores is None else round(cores, 2) for cores in watch.read())
    one, five, fifteen = (round(average, 2) for average in psutil.getloadavg())
    return Load(one, five, fifteen, others, stolen)


class LoadWatch:
    """Watches, from its construction on, how many cores other processes keep busy and the host takes away."""

    def __init__(self) -> None:
        self._start = self._now()

    def read(self) -> tuple[float | None, float | None]:
        """Average cores busy with other processes, and stolen by a hypervisor; None if unknown."""
        wall, busy, stolen, own = (now - then for now, then in zip(self._now(), self._start, strict=True))
        # The system counts in ticks of 10 ms: over less than a few of them the difference means nothing.
        if wall < 0.05:
            return None, None
        return max(0.0, (busy - own) / wall), max(0.0, stolen / wall)

    @staticmethod
    def _now() -> tuple[float, float, float, float]:
        system = psutil.cpu_times()
        idle = system.idle + getattr(system, "iowait", 0.0)
        stolen = getattr(system, "steal", 0.0)
        guests = getattr(system, "guest", 0.0) + getattr(system, "guest_nice", 0.0)  # counted in user, too
        return time.perf_counter(), sum(system) - idle - stolen - guests, stolen, time.process_time()


def _frequency() -> dict[str, int] | None:
    try:
        clock = psutil.cpu_freq()
    except (OSError, NotImplementedError):
        clock = None
    return {name: round(mhz) for name, mhz in clock._asdict().items() if mhz} if clock else None


def _governor() -> str | None:
    files = Path("/sys/devices/system/cpu").glob("cpu[0-9]*/cpufreq/scaling_governor")
    return ", ".join(sorted({text for file in files if (text := read_text(file))})) or None


def _throttle_events() -> int | None:
    files = Path("/sys/devices/system/cpu").glob("cpu[0-9]*/thermal_throttle/package_throttle_count")
    counts = [int(text) for file in files if (text := read_text(file)).isdecimal()]
    return max(counts, default=None)


def _on_battery() -> bool | None:
    try:
        battery = psutil.sensors_battery()
    except (AttributeError, OSError):
        return None
    return None if battery is None or battery.power_plugged is None else not battery.power_plugged


def _cpuinfo() -> dict[str, str]:
    """The first processor's fields in /proc/cpuinfo."""
    first = read_text(Path("/proc/cpuinfo")).split("\n\n")[0]
    pairs = (line.partition(":") for line in first.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
