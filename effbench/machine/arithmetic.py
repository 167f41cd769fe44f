"""How torch computes float32: truly, or on NVIDIA GPUs with factors rounded to TF32."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from typing import Any

from effbench.machine.devices import Precision


@contextmanager
def float32_arithmetic(precision: str = "fp32") -> Iterator[None]:
    """Inside, float32 is TF32 where the precision is ``tf32``, else float32, whatever torch is set to.

    By itself, torch computes convolutions and recurrent layers in TF32 on a GPU that has it. Its settings
    are of the whole process: those of before are back afterwards.
    """
    import torch

    tf32 = precision == Precision.tf32
    before = _read_switches()
    try:
        torch.set_float32_matmul_precision("high" if tf32 else "highest")
        torch.backends.cudnn.allow_tf32 = tf32
        for switch in _new_switches():
            switch.fp32_precision = "tf32" if tf32 else "ieee"
        yield
    finally:
        _restore_switches(*before)


@cache
def _new_switches() -> tuple[Any, ...]:
    """Torch's settings by operation, from torch 2.9 on: they win over the older ones, which remain."""
    from torch import backends

    operations = [
        getattr(library, name, None)
        for library in (backends.cudnn, backends.mkldnn)
        for name in ("conv", "rnn", "matmul")
    ]
    return tuple(one for one in (backends.cuda.matmul, *operations) if hasattr(one, "fp32_precision"))


def _read_switches() -> tuple[str | None, bool | None, list[str]]:
    import torch

    products = convolutions = None
    with suppress(RuntimeError):  # torch does not read the older settings of those who use the newer ones
        products = torch.get_float32_matmul_precision()
    with suppress(RuntimeError):
        convolutions = torch.backends.cudnn.allow_tf32
    return products, convolutions, [switch.fp32_precision for switch in _new_switches()]


def _restore_switches(products: str | None, convolutions: bool | None, new: list[str]) -> None:
    import torch

    if products is not None:
        torch.set_float32_matmul_precision(products)
    if convolutions is not None:
        torch.backends.cudnn.allow_tf32 = convolutions
    for switch, value in zip(_new_switches(), new, strict=True):
        switch.fp32_precision = value
