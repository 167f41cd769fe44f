"""What torch and the driver's own tool say of one NVIDIA GPU. Nothing that identifies the card itself."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

# Fields of ``nvidia-smi --query-gpu`` and the names and types they get here.
_FIELDS: dict[str, tuple[str, type]] = {
    "driver_version": ("driver", str),
    "clocks.sm": ("clock_sm_mhz", float),
    "clocks.max.sm": ("clock_sm_max_mhz", float),
    "clocks.mem": ("clock_memory_mhz", float),
    "temperature.gpu": ("temperature_c", float),
    "power.draw": ("power_w", float),
    "enforced.power.limit": ("power_limit_w", float),
    "utilization.gpu": ("utilisation_percent", float),
    "persistence_mode": ("persistence", str),
    "mig.mode.current": ("mig", str),
}
# Bits of the driver's "clocks event reasons" that mean: slower than the card could be.
_THROTTLE_BITS = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "heat (software)",
    0x40: "heat (hardware)",
    0x80: "power brake",
}


def describe_gpu(device: torch.device) -> dict[str, Any]:
    """Name, abilities, clocks and state of a CUDA device, as far as the driver tells them."""
    import torch

    properties = torch.cuda.get_device_properties(device)
    free, total = torch.cuda.mem_get_info(device)
    own = torch.cuda.memory_reserved(device)
    return {
        "name": properties.name,
        "compute_capability": f"{properties.major}.{properties.minor}",
        "multiprocessors": properties.multi_processor_count,
        "memory_bytes": total,
        "memory_others_bytes": max(0, total - free - own),
        "visible_gpus": torch.cuda.device_count(),
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version(),
        "tf32_convolutions": torch.backends.cudnn.allow_tf32,
        "tf32_matrix_products": torch.backends.cuda.matmul.allow_tf32,
        **_driver_state(str(getattr(properties, "uuid", ""))),
    }


def _driver_state(uuid: str) -> dict[str, Any]:
    """Driver version, clocks and throttling from ``nvidia-smi``; empty where that is absent or refuses."""
    state: dict[str, Any] = {}
    for field, text in zip(_FIELDS, _query(uuid, *_FIELDS), strict=False):
        name, kind = _FIELDS[field]
        try:
            state[name] = kind(text)
        except ValueError:
            continue
    # The field was renamed in 2023; drivers know one name or both.
    names = ("clocks_event_reasons.active", "clocks_throttle_reasons.active")
    for text in next(filter(None, (_query(uuid, name) for name in names)), []):
        state["throttling"] = throttle_reasons(text)
    return {name: value for name, value in state.items() if value not in ("[N/A]", "[Not Supported]")}


def throttle_reasons(mask: str) -> list[str]:
    """Reasons in the driver's bit mask, e.g. ``0x44``, that make a GPU slower than it could be."""
    try:
        bits = int(mask, 16)
    except ValueError:
        return []
    return [reason for bit, reason in _THROTTLE_BITS.items() if bits & bit]


def _query(uuid: str, *fields: str) -> list[str]:
    if not uuid:
        return []
    command = ["nvidia-smi", "--format=csv,noheader,nounits", f"--id=GPU-{uuid.removeprefix('GPU-')}"]
    command.append(f"--query-gpu={','.join(fields)}")
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=15, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [text.strip() for text in done.stdout.strip().split(",")]
