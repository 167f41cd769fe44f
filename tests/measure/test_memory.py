"""Peak memory against what must be in it: weights, inputs, activations."""

from __future__ import annotations

import json
import resource
from dataclasses import replace

import pytest

import effbench
from effbench.errors import EffbenchError, UnknownModel
from effbench.machine.description import Environment
from effbench.measure.conditions import Conditions
from effbench.measure.memory import PeakMemory, peak_memory
from effbench.version import commit

MIB = 2**20
PAGES = 16 * resource.getpagesize()
ONE_THREAD = Conditions(threads=1)
FEATURE_BYTES = 4 * 128 * 1000  # of one clip of 10 s, as the network gets it


@pytest.fixture(scope="module")
def one() -> PeakMemory:
    return peak_memory("fmn04", ONE_THREAD)


@pytest.fixture(scope="module")
def eight() -> PeakMemory:
    return peak_memory("fmn04", ONE_THREAD, batch_size=8)


@pytest.fixture(scope="module")
def large() -> PeakMemory:
    return peak_memory("FMN10+bigru:512", ONE_THREAD)


def weight_bytes(spec: str) -> int:
    return sum(4 * parameter.numel() for parameter in effbench.build_model(spec, seed=0).parameters())


def test_a_loaded_model_takes_the_bytes_of_its_weights(one: PeakMemory, large: PeakMemory) -> None:
    # Resident memory comes in pages, and small tensors may lie in such as have been there before.
    assert -PAGES < one.model_bytes - weight_bytes("fmn04") < 8 * MIB
    assert -PAGES < large.model_bytes - weight_bytes("fmn10+gru-512") < 8 * MIB


def test_the_peak_holds_the_model_and_grows_with_the_batch(
    one: PeakMemory, eight: PeakMemory, large: PeakMemory
) -> None:
    for memory in (one, large):
        assert memory.model_bytes + FEATURE_BYTES < memory.peak_bytes < memory.total_bytes
    assert eight.peak_bytes - one.peak_bytes > 7 * FEATURE_BYTES
    assert eight.peak_bytes < 12 * one.peak_bytes
    assert eight.model_bytes == pytest.approx(one.model_bytes, abs=4 * MIB)


def test_every_part_has_its_own_memory(eight: PeakMemory) -> None:
    front, both = (
        peak_memory("fmn04", replace(ONE_THREAD, part=p), batch_size=8) for p in ("frontend", "both")
    )
    assert front.model_bytes < 1 * MIB
    assert 0 < front.peak_bytes < min(eight.peak_bytes, both.peak_bytes)
    assert {row.conditions["part"] for row in both.measurements("fmn04", Environment(device="cpu"))} == {
        "both"
    }


def test_memory_renders_itself_survives_json_and_becomes_a_row(one: PeakMemory) -> None:
    assert "MiB at batch 1, network, fp32, 1 thread" in str(one)
    assert json.loads(json.dumps(one.to_dict())) == one.to_dict()
    (row,) = one.measurements("fmn04", Environment(device="cpu"))
    assert (row.quantity, row.value, row.unit) == ("memory_peak", one.peak_bytes, "bytes")
    assert row.commit == commit()
    assert row.environment is not None
    assert row.environment["device"] == "cpu"
    assert row.environment["memory_of_the_run"]["total_bytes"] == one.total_bytes
    assert row.conditions["batch_size"] == 1


def test_a_batch_that_can_not_fit_is_refused_in_one_line() -> None:
    with pytest.raises(EffbenchError, match="fmn04 at batch 10000000 does not fit") as caught:
        peak_memory("fmn04", ONE_THREAD, batch_size=10_000_000)
    assert "\n" not in str(caught.value)


def test_an_unknown_model_is_refused_before_anything_runs() -> None:
    with pytest.raises(UnknownModel):
        peak_memory("fmn10+hybrd-512", ONE_THREAD)
