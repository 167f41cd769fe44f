"""The machine and software of a measurement, as it must be known later."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from importlib import metadata
from typing import TYPE_CHECKING

from effbench.machine.cpu import cpu_model, describe_cpu, describe_load, describe_memory
from effbench.machine.description import Environment, Software, Threads
from effbench.machine.devices import resolve_device
from effbench.machine.gpu import describe_gpu
from effbench.results.measurement import now
from effbench.version import VERSION, commit

if TYPE_CHECKING:
    import torch

# Settings that change how fast torch runs. Values of other variables are private.
_VARIABLES = (
    *("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "OMP_PROC_BIND", "OMP_PLACES", "OMP_DYNAMIC", "OMP_SCHEDULE"),
    *("GOMP_SPINCOUNT", "GOMP_CPU_AFFINITY", "KMP_AFFINITY", "KMP_BLOCKTIME"),
    *("MKL_NUM_THREADS", "MKL_DYNAMIC", "MKL_ENABLE_INSTRUCTIONS", "OPENBLAS_NUM_THREADS"),
    *("DNNL_MAX_CPU_ISA", "ONEDNN_MAX_CPU_ISA", "ONEDNN_DEFAULT_FPMATH_MODE", "ATEN_CPU_CAPABILITY"),
    *("CUDA_LAUNCH_BLOCKING", "CUDA_DEVICE_MAX_CONNECTIONS", "CUBLAS_WORKSPACE_CONFIG"),
    *("NVIDIA_TF32_OVERRIDE", "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE"),
    *("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF", "MALLOC_CONF"),
)


def environment(device: str | torch.device = "cpu") -> Environment:
    """The machine, the software, their settings and the load just now, to measure on a device.

    Takes about 0.1 s, in which other processes are watched. The names of the machine and its user, and paths
    on it, are never part of it. Raises ``DeviceError`` where there is no such device.
    """
    import torch

    resolved = resolve_device(device)
    return Environment(
        time=now(),
        device=str(resolved),
        device_name=device_name(resolved),
        cpu=describe_cpu(),
        gpu=describe_gpu(resolved) if resolved.type == "cuda" else None,
        memory=describe_memory(),
        load=describe_load(),
        threads=Threads(torch.get_num_threads(), torch.get_num_interop_threads()),
        variables={name: os.environ[name] for name in _VARIABLES if name in os.environ},
        software=Software(
            effbench=VERSION,
            torch=str(torch.__version__),
            onnxruntime=installed_version("onnxruntime"),
            openvino=installed_version("openvino"),
            torch_cpu_capability=torch.backends.cpu.get_cpu_capability(),
            python=platform.python_version(),
            os=_operating_system(),
        ),
        commit=commit(),
    )


def installed_version(package: str) -> str:
    """The version of a package, empty where it is not installed."""
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""


def device_name(device: str | torch.device = "cpu") -> str:
    """Model name of the processor or GPU behind a device; ``DeviceError`` where there is none."""
    resolved = resolve_device(device)
    if resolved.type == "cpu":
        return cpu_model()
    import torch

    return torch.cuda.get_device_name(resolved)


def hardware_identity(environment: Environment) -> dict[str, object]:
    """What environments must share for timings to be compared: nothing of software, load and clocks."""
    cpu, gpu = environment.cpu, environment.gpu
    names = ("model", "stepping", "architecture", "capabilities", "available_cores", "quota_cores")
    identity: dict[str, object] = {"device": "cuda" if gpu else "cpu"}
    identity |= {f"cpu_{name}": getattr(cpu, name) for name in names}
    identity["cpu_capabilities"] = list(cpu.capabilities)  # as JSON has it
    if gpu:
        identity |= {"gpu_name": gpu.name, "gpu_compute_capability": gpu.compute_capability}
        identity["gpu_memory_gib"] = round(gpu.memory_bytes / 2**30)
    return identity


def difference(baseline: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """What differs between two hardware identities, one readable phrase each; empty if nothing does."""
    keys = dict.fromkeys((*baseline, *now))
    return [
        f"{key.replace('_', ' ')}: {_phrase(baseline.get(key))}, here {_phrase(now.get(key))}"
        for key in keys
        if baseline.get(key) != now.get(key)
    ]


def _operating_system() -> str:
    kernel = platform.release().partition("-")[0]
    try:
        return f"{platform.freedesktop_os_release()['PRETTY_NAME']}, kernel {kernel}"
    except (OSError, KeyError):
        return f"{platform.system()} {platform.mac_ver()[0] or kernel}"


def _phrase(value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    return "none" if value is None else str(value)
