"""Rooflines of real detectors: what is timed, what is said of it, what is left behind."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
import torch

import effbench
from effbench.errors import UsageError
from effbench.machine.devices import Precision
from effbench.measure.ceilings import CeilingMeter
from effbench.measure.layer_clock import time_layers
from effbench.results.measurement import Measurement
from effbench.shown import Table
from tests.measure.detectors import tiny_detector


@pytest.fixture(scope="module")
def roofline() -> effbench.Roofline:
    return effbench.profile_roofline("fmn01", clip_seconds=1, batch_size=2, threads=1, rounds=2)


def test_layers_add_up_to_the_network(roofline: effbench.Roofline) -> None:
    layers, folded, whole = roofline.layers(), roofline.folded(), roofline.whole()
    assert sum(layer.macs for layer in layers) == folded.macs == whole.macs == roofline.macs.exact
    assert sum(layer.bytes for layer in layers) == whole.bytes
    assert {layer.layer for layer in layers} >= {"backbone.features.0", "strong_head"}
    for turn in roofline.rounds:
        assert min(turn.layers.values()) > 0
    assert 0 < roofline.share.low <= roofline.share.value <= roofline.share.high < 100


def test_a_batch_repeats_the_work_but_not_the_weights() -> None:
    options = {"clip_seconds": 1, "threads": 1, "rounds": 1}
    one, three = (
        effbench.profile_roofline(tiny_detector(), batch_size=size, **options).whole() for size in (1, 3)
    )
    assert three.macs == 3 * one.macs
    assert one.bytes < three.bytes < 3 * one.bytes


def test_every_form_says_the_same_share(roofline: effbench.Roofline) -> None:
    plain = json.loads(json.dumps(roofline.to_dict()))
    (kept,) = roofline.measurements()
    assert isinstance(kept, Measurement)
    assert (kept.quantity, kept.unit) == ("roof_share", "% of the roof")
    assert kept.conditions["batch_size"] == 2
    assert kept.value == plain["roof_share"] == roofline.rows()[-1]["roof_share"]
    assert kept.environment is not None
    assert json.loads(json.dumps(kept.environment["roof"])) == {
        name: plain[name] for name in ("ceilings", "network", "folded", "layers")
    }
    table = next(section for section in roofline.sections() if isinstance(section, Table))
    assert [row["layer"] for row in table.rows] == [row["layer"] for row in roofline.rows()]


def test_a_detector_is_left_as_it_was() -> None:
    detector, threads = tiny_detector().train(), torch.get_num_threads()
    effbench.profile_roofline(detector, clip_seconds=1, threads=1, rounds=1)
    assert detector.training
    assert torch.get_num_threads() == threads
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in detector.modules())


def test_a_clock_gives_a_module_only_what_its_parts_do_not_take() -> None:
    class Waits(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            torch.linalg.inv(torch.eye(300) + torch.rand(300, 300))
            return x

    network = torch.nn.Sequential(torch.nn.Sequential(Waits(), torch.nn.Identity()), torch.nn.Identity())
    seconds = time_layers(network, ["0", "0.0"], lambda: network(torch.zeros(1)), torch.device("cpu"))
    assert set(seconds) == {"", "0", "0.0"}
    assert seconds["0.0"] > seconds["0"] > 0


@pytest.mark.parametrize(("option", "value"), [("batch_size", 0), ("rounds", 0), ("backend", "fast")])
def test_impossible_options_are_refused(option: str, value: object) -> None:
    with pytest.raises(UsageError, match=str(value)):
        effbench.profile_roofline("fmn01", **{option: value})


@pytest.mark.alone
def test_ceilings_are_those_of_a_computer() -> None:
    with torch.inference_mode():
        found = CeilingMeter(torch.device("cpu"), Precision.fp32).read()
    assert 1e9 < found.depthwise < 1e13
    assert 1e9 < found.products < 1e13
    assert all(1e8 < rate < 1e13 for rate in found.bytes_per_second.values())
    rates = [found.bandwidth(size) for size in (1, 10**6, 10**8, 10**10)]
    assert all(small >= large for small, large in pairwise(rates))
