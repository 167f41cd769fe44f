"""The roof of operators: closed forms, and what it can't do."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from effbench.measure.ceilings import Ceilings
from effbench.measure.macs import count_macs
from effbench.measure.macs.report import OperatorCount
from effbench.measure.roof import operators_by_layer, roof_of

SLOW_MEMORY = Ceilings(products=1e9, depthwise=1e8, bytes_per_second={1000: 4e6, 1_000_000: 1e6})
FAST_MEMORY = Ceilings(products=1e9, depthwise=1e8, bytes_per_second={1000: 1e15})


def operators(module: nn.Module, *shape: int) -> dict[OperatorCount, int]:
    return dict(count_macs(module, torch.zeros(shape)).operators)


@pytest.mark.parametrize("float_bytes", [2, 4])
def test_a_linear_layer_reads_and_writes_each_number_once(float_bytes: int) -> None:
    roof = roof_of(operators(nn.Linear(60, 30), 8, 60), SLOW_MEMORY, float_bytes)
    assert roof.macs == 8 * 60 * 30
    assert roof.bytes == float_bytes * (8 * 60 + 60 * 30 + 30 + 8 * 30)
    assert roof.intensity == roof.macs / roof.bytes
    assert roof.bound == "memory"
    assert roof.seconds == pytest.approx(roof.bytes / 4e6)


@pytest.mark.parametrize(("groups", "rate"), [(16, 1e8), (8, 1e9), (1, 1e9)])
def test_only_a_depthwise_convolution_has_the_rate_of_one(groups: int, rate: float) -> None:
    layer = nn.Conv2d(16, 32, 3, padding=1, groups=groups, bias=False)
    roof = roof_of(operators(layer, 2, 16, 10, 12), FAST_MEMORY, 4)
    assert roof.macs == 2 * 32 * 10 * 12 * 9 * 16 // groups
    assert roof.bound == "compute"
    assert roof.seconds == pytest.approx(roof.macs / rate)


def test_a_transposed_convolution_to_one_channel_is_not_depthwise() -> None:
    (found,) = operators(nn.ConvTranspose2d(16, 1, 3), 2, 16, 10, 12)
    assert not found.depthwise


def test_steps_between_operators_cost_nothing_and_repeated_ones_add_up() -> None:
    layer = nn.Linear(20, 20)
    one = roof_of(operators(layer, 5, 20), SLOW_MEMORY, 4)
    three = roof_of(
        operators(nn.Sequential(layer, nn.ReLU(), layer, nn.LayerNorm(20), layer), 5, 20), SLOW_MEMORY, 4
    )
    assert (three.macs, three.bytes) == (3 * one.macs, 3 * one.bytes)
    assert three.seconds == pytest.approx(3 * one.seconds)


@given(
    macs=st.integers(0, 10**9),
    floats=st.integers(1, 10**9),
    products=st.floats(1e6, 1e15),
    depthwise=st.booleans(),
    bandwidths=st.dictionaries(st.integers(1, 10**10), st.floats(1e3, 1e13), min_size=1, max_size=6),
)
def test_nothing_is_below_either_roof_and_higher_ceilings_take_no_longer(
    macs: int, floats: int, products: float, depthwise: bool, bandwidths: dict[int, float]
) -> None:
    operator = OperatorCount("", "convolution", depthwise, macs, floats, 0)
    ceilings = Ceilings(products, products / 10, bandwidths)
    seconds = roof_of({operator: 1}, ceilings, 4).seconds
    assert seconds >= macs / (products / 10 if depthwise else products)
    assert seconds >= 4 * floats / max(bandwidths.values())
    faster = Ceilings(2 * products, products, {size: 2 * rate for size, rate in bandwidths.items()})
    assert roof_of({operator: 1}, faster, 4).seconds <= seconds
    larger = OperatorCount("", "convolution", depthwise, 2 * macs, 2 * floats, 0)
    assert roof_of({larger: 1}, ceilings, 4).seconds >= seconds


def test_layers_share_out_all_operators_and_a_parent_keeps_its_own() -> None:
    class Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.small, self.large = nn.Linear(8, 8), nn.Sequential(nn.Linear(8, 80), nn.Linear(80, 8))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.large(self.small(x)) @ torch.ones(8, 8)

    report = count_macs(Two(), torch.zeros(4, 8))
    layers = operators_by_layer(report)
    assert set(layers) == {"", "small", "large.0", "large.1"}
    assert sum(op.macs * times for found in layers.values() for op, times in found.items()) == report.exact
    assert [op.kind for op in layers[""]] == ["matrix product"]
