"""Counters of energy: read where they are, wrapped around rightly, and said in words where they are not."""

import os

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from effbench.errors import EffbenchError
from effbench.machine.energy_counters import (
    POWERCAP_VARIABLE,
    EnergyCounter,
    EnergyMeter,
    NoEnergyCounter,
    cpu_counters,
    energy_meter,
    gpu_counter,
)
from tests.powercap import package, running


def test_every_package_is_read_and_nothing_within_or_beside_one(tmp_path):
    for number, energy in ((0, 5_000_000), (1, 7_500_000)):
        package(tmp_path, number, energy)
    package(tmp_path, "0:0", 1, name="core")
    package(tmp_path, 2, 1, name="psys")
    counters = cpu_counters(tmp_path)
    assert [(c.name, c.read(), c.wraps_at) for c in counters] == [
        ("RAPL package-0", 5.0, 1000.0),
        ("RAPL package-1", 7.5, 1000.0),
    ]
    meter = EnergyMeter(tuple(counters), 0.001)
    assert meter.name == "RAPL package-0 + RAPL package-1"
    assert meter.between((999.0, 7.5), meter.read()) == 6.0


@given(before=st.integers(0, 9_999), used=st.integers(0, 9_999))
def test_a_counter_may_wrap_around_once(before, used):
    counter = EnergyCounter("package-0", lambda: 0.0, 10_000)
    assert counter.between(before, (before + used) % 10_000) == used


def test_a_counter_that_can_not_wrap_has_been_reset():
    with pytest.raises(EffbenchError, match="reset"):
        EnergyCounter("GPU", lambda: 0.0).between(5.0, 4.0)


@pytest.mark.parametrize("content", ["", "unknown"])
def test_a_broken_or_missing_counter_is_said_in_words(tmp_path, content):
    with pytest.raises(NoEnergyCounter, match=r"no RAPL.*virtual machines"):
        cpu_counters(tmp_path)
    (package(tmp_path, 0, 0) / "energy_uj").write_text(content)
    with pytest.raises(NoEnergyCounter, match="can't be read"):
        cpu_counters(tmp_path)


def test_a_link_to_what_a_container_hides_is_no_counter(tmp_path):
    (tmp_path / "intel-rapl:0").symlink_to(tmp_path / "hidden")
    with pytest.raises(NoEnergyCounter, match="no RAPL"):
        cpu_counters(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_counter_that_root_alone_may_read_says_how_to_allow_it(tmp_path):
    (package(tmp_path, 0, 0) / "energy_uj").chmod(0)
    with pytest.raises(NoEnergyCounter, match=r"sudo chmod a\+r .*intel-rapl:\*/energy_uj"):
        cpu_counters(tmp_path)


def test_a_counter_is_watched_before_it_is_trusted(tmp_path, monkeypatch):
    monkeypatch.setenv(POWERCAP_VARIABLE, str(tmp_path / "still"))
    package(tmp_path / "still", 0, 3_000_000)
    with pytest.raises(NoEnergyCounter, match="does not count: it stands at 3 J"):
        energy_meter(torch.device("cpu"))
    monkeypatch.setenv(POWERCAP_VARIABLE, str(tmp_path / "moving"))
    with running(tmp_path / "moving", 10.0, lambda: 0.0):
        assert 0.001 < energy_meter(torch.device("cpu")).step_seconds < 1


def test_a_gpu_that_is_not_there_has_no_counter():
    with pytest.raises(NoEnergyCounter, match="does not tell"):
        gpu_counter("no such GPU")
