"""Devices and precisions by name, and whether this machine has them."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import TYPE_CHECKING

from effbench.errors import DeviceError, nearest

if TYPE_CHECKING:
    import torch


class Precision(StrEnum):
    """Number format of the network's arithmetic; the front-end stays in float32.

    ``tf32`` is float32 in memory, whose factors in convolutions, recurrent layers and matrix products are
    rounded to 10 bits of mantissa, as those of ``fp16`` have.
    """

    fp32 = "fp32"
    tf32 = "tf32"
    bf16 = "bf16"
    fp16 = "fp16"

    @property
    def dtype(self) -> torch.dtype:
        """The torch data type that autocast computes in."""
        import torch

        return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(self.value, torch.float32)


_ALIASES = dict.fromkeys(("float32", "float", "32"), "fp32") | {"bfloat16": "bf16"}
_ALIASES |= dict.fromkeys(("float16", "half", "16"), "fp16")


def resolve_precision(text: str, device: torch.device) -> Precision:
    """Precision of a name in any case: fp32, tf32, bf16, fp16, or torch's names for them.

    Raises:
        DeviceError: there is no such precision, or the device does not compute in it.
    """
    name = str(text).strip().lower().removeprefix("torch.")
    name = _ALIASES.get(name, name)
    if name not in tuple(Precision):
        raise DeviceError(
            f"unknown precision '{text}'{nearest(name, Precision)} Known: {', '.join(Precision)}."
        )
    if name == "tf32":
        _require_tf32(device)
    return Precision(name)


def _require_tf32(device: torch.device) -> None:
    import torch

    needs = "tf32 is arithmetic of NVIDIA GPUs from Ampere on (compute capability 8.0)"
    if device.type != "cuda":
        raise DeviceError(f"{needs}, not of '{device}'; choose fp32")
    major, minor = torch.cuda.get_device_capability(device)
    if major < 8:
        name = torch.cuda.get_device_name(device)
        raise DeviceError(f"{needs}: {name} has {major}.{minor}; choose fp32")
    if os.environ.get("NVIDIA_TF32_OVERRIDE") == "0":
        raise DeviceError(
            "the environment variable NVIDIA_TF32_OVERRIDE=0 forbids tf32: unset it, or choose fp32"
        )


def resolve_device(text: str | torch.device = "cpu") -> torch.device:
    """The device of a name: ``cpu``, ``cuda``, ``cuda:1``, or ``auto`` for a GPU where there is one.

    Raises ``DeviceError``, with the devices that there are, where there is none of this name.
    """
    import torch

    name = str(text).strip().lower()
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, index = name.partition(":")
    if kind == "gpu":
        kind = "cuda"
    if kind not in ("cpu", "cuda") or (index and not index.isdecimal()):
        raise DeviceError(f"unknown device '{text}'; known: auto, cpu, cuda, cuda:1 (a GPU by its number)")
    if kind == "cpu":
        return torch.device("cpu")
    if not torch.cuda.is_available():
        reason = f"torch {torch.__version__} is built without CUDA"
        if torch.version.cuda is not None:
            reason = f"torch {torch.__version__} (CUDA {torch.version.cuda}) finds no usable GPU or driver"
        raise DeviceError(f"no CUDA device here for '{text}': {reason}; this machine offers: cpu")
    count = torch.cuda.device_count()
    number = int(index) if index else torch.cuda.current_device()
    if number >= count:
        offered = ", ".join(f"cuda:{n} ({torch.cuda.get_device_name(n)})" for n in range(count))
        raise DeviceError(f"no device '{text}'; this machine offers: cpu, {offered}")
    return torch.device("cuda", number)
