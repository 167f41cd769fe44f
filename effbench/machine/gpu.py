"""What torch and the driver say of one NVIDIA GPU. Nothing that identifies the card itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pynvml

from effbench.machine.description import Gpu

if TYPE_CHECKING:
    import torch

    Reading = Callable[[pynvml.c_nvmlDevice_t], object]

# Bits of the driver's "clocks event reasons" that mean: slower than the card could be.
_THROTTLE_BITS = {
    0x04: "power cap",
    0x08: "hardware slowdown",
    0x20: "heat (software)",
    0x40: "heat (hardware)",
    0x80: "power brake",
}


def describe_gpu(device: torch.device) -> Gpu:
    """Name, abilities, clocks and state of a CUDA device, as far as the driver knows them."""
    import torch

    properties = torch.cuda.get_device_properties(device)
    free, total = torch.cuda.mem_get_info(device)
    own = torch.cuda.memory_reserved(device)
    gpu = Gpu(
        name=properties.name,
        compute_capability=f"{properties.major}.{properties.minor}",
        multiprocessors=properties.multi_processor_count,
        memory_bytes=total,
        memory_others_bytes=max(0, total - free - own),
        visible_gpus=torch.cuda.device_count(),
        cuda=torch.version.cuda,
        cudnn=torch.backends.cudnn.version(),
        tf32_convolutions=torch.backends.cudnn.allow_tf32,
        tf32_matrix_products=torch.backends.cuda.matmul.allow_tf32,
    )
    return replace(gpu, **driver_state(str(getattr(properties, "uuid", ""))))


def driver_state(uuid: str) -> dict[str, Any]:
    """Attributes of ``Gpu`` that the driver knows; empty without a driver, or a GPU of this UUID.

    What this GPU does not support is left out. The UUID, unlike a number, means the same GPU to torch and
    to the driver, whatever CUDA_VISIBLE_DEVICES hides.
    """
    state: dict[str, Any] = {}
    with suppress(pynvml.NVMLError):
        pynvml.nvmlInit()
        try:
            gpu = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{uuid.removeprefix('GPU-')}")
            for name, read in _READINGS.items():
                with suppress(pynvml.NVMLError):
                    state[name] = read(gpu)
        finally:
            pynvml.nvmlShutdown()
    return state


def throttle_reasons(bits: int) -> tuple[str, ...]:
    """Reasons in the driver's bit mask, e.g. ``0x44``, that make a GPU slower than it could be."""
    return tuple(reason for bit, reason in _THROTTLE_BITS.items() if bits & bit)


def _event_reasons(gpu: pynvml.c_nvmlDevice_t) -> int:
    """Bit mask of what decides the clocks now; drivers before 535 know it by an older name."""
    try:
        return int(pynvml.nvmlDeviceGetCurrentClocksEventReasons(gpu))
    except pynvml.NVMLError_FunctionNotFound:
        return int(pynvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpu))


def _switch(state: int) -> str:
    return "Enabled" if state else "Disabled"


_READINGS: Mapping[str, Reading] = {
    "driver": lambda _: pynvml.nvmlSystemGetDriverVersion(),
    "clock_sm_mhz": lambda gpu: float(pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_SM)),
    "clock_sm_max_mhz": lambda gpu: float(pynvml.nvmlDeviceGetMaxClockInfo(gpu, pynvml.NVML_CLOCK_SM)),
    "clock_memory_mhz": lambda gpu: float(pynvml.nvmlDeviceGetClockInfo(gpu, pynvml.NVML_CLOCK_MEM)),
    "temperature_c": lambda gpu: float(pynvml.nvmlDeviceGetTemperature(gpu, pynvml.NVML_TEMPERATURE_GPU)),
    "power_w": lambda gpu: pynvml.nvmlDeviceGetPowerUsage(gpu) / 1000,
    "power_limit_w": lambda gpu: pynvml.nvmlDeviceGetEnforcedPowerLimit(gpu) / 1000,
    "utilisation_percent": lambda gpu: float(pynvml.nvmlDeviceGetUtilizationRates(gpu).gpu),
    "persistence": lambda gpu: _switch(pynvml.nvmlDeviceGetPersistenceMode(gpu)),
    "mig": lambda gpu: _switch(pynvml.nvmlDeviceGetMigMode(gpu)[0]),
    "throttling": lambda gpu: throttle_reasons(_event_reasons(gpu)),
}
