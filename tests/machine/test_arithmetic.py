"""Float32 is float32, whatever torch is set to, and torch is as it was afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch
from torch import backends
from torch.nn import functional as F

from effbench.machine.arithmetic import float32_arithmetic

NEW = hasattr(backends.cuda.matmul, "fp32_precision")  # settings by operation, torch 2.9 on


def settings() -> list[object]:
    """All of torch's settings; None for older ones that torch does not read beside newer ones."""
    readers: list[Callable[[], object]] = [
        torch.get_float32_matmul_precision,
        lambda: backends.cudnn.allow_tf32,
        lambda: backends.cuda.matmul.allow_tf32,
    ]
    if NEW:
        owners = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn, backends.mkldnn.matmul)
        readers += [lambda owner=owner: owner.fp32_precision for owner in owners]
    found: list[object] = []
    for read in readers:
        try:
            found.append(read())
        except RuntimeError:
            found.append(None)
    return found


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    with float32_arithmetic():
        yield


def by_switches() -> None:
    backends.cudnn.allow_tf32 = True
    backends.cuda.matmul.allow_tf32 = True


def by_name() -> None:
    torch.set_float32_matmul_precision("medium")


def by_operation() -> None:
    backends.cudnn.conv.fp32_precision = "tf32"
    backends.cudnn.rnn.fp32_precision = "ieee"
    backends.cuda.matmul.fp32_precision = "tf32"


def check(wanted: bool) -> None:
    """What holds inside; and an error."""
    assert (backends.cudnn.allow_tf32, backends.cuda.matmul.allow_tf32) == (wanted, wanted)
    if NEW:
        assert set(settings()[3:]) == {"tf32" if wanted else "ieee"}
    raise KeyError


@pytest.mark.parametrize("set_up", [by_switches, by_name, *[by_operation] * NEW])
@pytest.mark.parametrize(("precision", "wanted"), [("fp32", False), ("fp16", False), ("tf32", True)])
def test_settings_hold_inside_alone(set_up: Callable[[], None], precision: str, wanted: bool) -> None:
    set_up()
    before = settings()
    with pytest.raises(KeyError), float32_arithmetic(precision):
        check(wanted)
    assert [now for now, then in zip(settings(), before, strict=True) if then is not None] == [
        then for then in before if then is not None
    ]


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_float32_on_a_gpu_is_as_exact_as_on_a_cpu() -> None:
    x, w = torch.randn(2, 64, 32, 32), torch.randn(64, 64, 3, 3)
    exact = F.conv2d(x.double(), w.double())
    with float32_arithmetic():
        error = (F.conv2d(x.cuda(), w.cuda()).cpu() - exact).norm() / exact.norm()
    assert error < 1e-5
