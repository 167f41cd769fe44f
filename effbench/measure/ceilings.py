"""What a device can do at most, measured on it: multiply-accumulates a second, and bytes a second."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from effbench.machine.arithmetic import float32_arithmetic
from effbench.machine.devices import Precision
from effbench.measure.timing import Call, synchronise, timed

#: (rows, summed axis, columns) of products that are timed: a square, and a 1x1 convolution of many positions.
_CPU_PRODUCTS = ((1024, 1024, 1024), (4096, 480, 480))
_GPU_PRODUCTS = ((8192, 8192, 8192), (2**17, 1024, 1024))
#: (channels, height, width, kernel) of depthwise convolutions: from what stays in the caches of one core to
#: what keeps many busy for longer than they need to begin.
_DEPTHWISE = ((64, 64, 64, 5), (64, 128, 128, 5), (64, 128, 128, 7), (32, 256, 512, 7))
_CPU_SETS = tuple(2**power for power in (18, 20, 22, 24, 26, 28))
_GPU_SETS = tuple(2**power for power in (22, 24, 26, 28, 30, 32))
_CALLS = 3
_SHORTEST = 2e-3  # seconds between two looks at the clock


@dataclass(frozen=True)
class Ceilings:
    """The fastest of several calls each: what else the machine does can only make them slower.

    Rates are those of the precision or of float32, whichever is higher: where a precision is slow, a network
    may compute in float32 inside.

    Attributes:
        products: multiply-accumulates per second of dense products, of the fastest shape.
        depthwise: of depthwise convolutions, whose channels do not meet: on a CPU of the fastest shape, on a
            GPU of float32 products, which its tensor cores have no part in.
        bytes_per_second: by the size of the working set in bytes: reading it, copying half of it onto the
            other half, or adding two thirds into the last; the fastest of the three.
    """

    products: float
    depthwise: float
    bytes_per_second: Mapping[int, float]

    def bandwidth(self, working_set: float) -> float:
        """Bytes per second of so many bytes: the most of any set that is as large, or not much smaller."""
        below = max((size for size in self.bytes_per_second if size <= working_set), default=0)
        return max(rate for size, rate in self.bytes_per_second.items() if size >= below)

    def to_dict(self) -> dict[str, object]:
        """Plain data; sizes of working sets are texts."""
        sizes = {str(size): rate for size, rate in self.bytes_per_second.items()}
        return {**asdict(self), "bytes_per_second": sizes}


class CeilingMeter:
    """Calls that bring a device to its limits, to be timed again and again: its speed drifts.

    Use inside ``prepared``, which sets threads and arithmetic.
    """

    def __init__(self, device: torch.device, precision: Precision) -> None:
        self.device, on_cpu = device, device.type == "cpu"
        shapes = _CPU_PRODUCTS if on_cpu else _GPU_PRODUCTS
        dtypes = dict.fromkeys((precision.dtype, torch.float32))
        self._products = [work for dtype in dtypes for work in _products(shapes, device, dtype)]
        if on_cpu:
            self._depthwise = [_depthwise(*shape, dtype) for dtype in dtypes for shape in _DEPTHWISE]
        else:
            exact = _products(shapes, device, torch.float32)
            self._depthwise = [(macs, partial(_in_float32, call)) for macs, call in exact]
        sets = _CPU_SETS if on_cpu else _fitting(_GPU_SETS, device)
        memory = torch.ones(max(sets) // 4, device=device)
        self._passes = {size: list(_passes(memory[: size // 4])) for size in sets}

    def read(self) -> Ceilings:
        """The ceilings of the moment; half a second on two cores."""
        return Ceilings(
            self._rate(self._products),
            self._rate(self._depthwise),
            {size: self._rate([(size, call) for call in calls]) for size, calls in self._passes.items()},
        )

    def _rate(self, works: Sequence[tuple[int, Call]]) -> float:
        return max(amount / fastest(call, self.device) for amount, call in works)


def fastest(call: Call, device: torch.device) -> float:
    """Seconds of a call: the least of three times as many as take 2 ms together, after one to warm up."""
    call()
    synchronise(device)
    count = max(1, round(_SHORTEST / timed(call, device)))

    def several() -> None:
        for _ in range(count):
            call()

    return min(timed(several, device) for _ in range(_CALLS)) / count


def _fitting(sets: tuple[int, ...], device: torch.device) -> tuple[int, ...]:
    """The working sets that take no more than half of a GPU's free memory, the smallest in any case."""
    free, _ = torch.cuda.mem_get_info(device)
    return tuple(size for size in sets if size <= max(free // 2, min(sets)))


def _products(
    shapes: tuple[tuple[int, int, int], ...], device: torch.device, dtype: torch.dtype
) -> Iterator[tuple[int, Call]]:
    """MACs and calls of products; on a CPU also with a matrix that is laid out for oneDNN, where it can."""
    for rows, inner, columns in shapes:
        x = torch.randn(rows, inner, device=device, dtype=dtype)
        w = torch.randn(columns, inner, device=device, dtype=dtype)
        yield rows * inner * columns, partial(F.linear, x, w)
        if device.type == "cpu" and dtype == torch.float32 and torch.backends.mkldnn.is_available():
            packed = torch.ops.mkldnn._reorder_linear_weight(w, rows)
            linear = torch.ops.mkldnn._linear_pointwise
            yield rows * inner * columns, partial(linear, x, packed, None, "none", [], "")


def _depthwise(channels: int, height: int, width: int, kernel: int, dtype: torch.dtype) -> tuple[int, Call]:
    x = torch.randn(1, channels, height, width, dtype=dtype).to(memory_format=torch.channels_last)
    w = torch.randn(channels, 1, kernel, kernel, dtype=dtype).to(memory_format=torch.channels_last)
    return x.numel() * kernel**2, partial(F.conv2d, x, w, padding=kernel // 2, groups=channels)


def _passes(memory: Tensor) -> Iterator[Call]:
    """Calls that touch every number of a working set once."""
    first, second = memory.chunk(2)
    yield partial(torch.sum, memory)
    yield partial(second.copy_, first)
    a, b, out = memory[: len(memory) // 3 * 3].chunk(3)
    yield partial(torch.add, a, b, out=out)


def _in_float32(call: Callable[[], object]) -> object:
    with float32_arithmetic():
        return call()
