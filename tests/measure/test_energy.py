"""Joules for a clip, on a machine whose counter follows a known rule."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
import torch

import effbench
from effbench.errors import EffbenchError, UsageError
from effbench.machine.energy_counters import POWERCAP_VARIABLE, NoEnergyCounter, energy_meter
from effbench.measure.conditions import Conditions
from effbench.measure.energy import Energy, EnergyWindow, measure_energy
from effbench.measure.timing import Budget
from effbench.results.store import Store
from tests.measure.detectors import tiny_detector
from tests.powercap import running

BRIEF = Budget(
    min_seconds=0.1,
    min_iterations=3,
    min_latency_iterations=5,
    max_seconds=1.0,
    min_warmup_seconds=0.0,
    max_warmup_seconds=0.1,
    idle_seconds=0.1,
)

#: 100 J in 10 s for 20 clips, of which 6 W are idle: 2 J for a clip.
WINDOW = EnergyWindow(100.0, 10.0, 20)


def worked() -> float:
    """80 J for each second of a processor."""
    return 80 * time.process_time()


def energy(idle_watts=(6.0, 6.0), windows=(WINDOW,) * 5, step=0.0):
    return Energy(windows, idle_watts, "RAPL package-0", step, 4, Conditions(threads=1))


def test_what_the_device_takes_idle_is_subtracted():
    joules = energy().joules
    assert (joules.value, joules.low, joules.high) == (2.0, 2.0, 2.0)


def test_idle_that_is_not_the_same_before_and_after_widens_the_interval():
    joules = energy(idle_watts=(5.0, 7.0)).joules
    assert (joules.value, joules.low, joules.high) == (2.0, 1.5, 2.5)


def test_a_step_of_the_counter_widens_the_interval():
    joules = energy(step=0.1).joules
    assert (joules.value, joules.low, joules.high) == (2.0, 1.95, 2.05)


def test_windows_that_differ_widen_the_interval():
    windows = [replace(WINDOW, joules=joules) for joules in (90.0, 100.0, 100.0, 100.0, 130.0)]
    joules = energy(windows=tuple(windows)).joules
    assert joules.low < joules.value == 2.0 < joules.high


def test_joules_that_every_call_takes_are_found_above_idle(tmp_path, monkeypatch):
    monkeypatch.setenv(POWERCAP_VARIABLE, str(tmp_path))
    detector, calls = tiny_detector(), [0]

    def count(*_: object) -> None:
        calls[0] += 1

    detector.backbone.register_forward_hook(count)
    with running(tmp_path, 10.0, lambda: 0.5 * calls[0]):
        meter = energy_meter(torch.device("cpu"))
        found = measure_energy(detector, Conditions(threads=1), meter, batch_size=4, budget=BRIEF)
    assert found.joules.value == pytest.approx(0.125, rel=0.05)
    assert found.idle == pytest.approx(10, rel=0.2)
    assert all(window.seconds >= 100 * meter.step_seconds for window in found.windows)


def test_a_machine_that_takes_no_more_for_its_work_has_nothing_to_tell(tmp_path, monkeypatch):
    monkeypatch.setenv(POWERCAP_VARIABLE, str(tmp_path))
    conditions, cpu = Conditions(threads=1), torch.device("cpu")
    with running(tmp_path, 50.0, lambda: 0.0), pytest.raises(EffbenchError, match="can't be told from"):
        measure_energy(tiny_detector(), conditions, energy_meter(cpu), batch_size=1, budget=BRIEF)


def test_energy_is_a_figure_of_a_profile_and_a_row_of_the_store(tmp_path, monkeypatch):
    monkeypatch.setenv(POWERCAP_VARIABLE, str(tmp_path))
    with running(tmp_path, 5.0, worked):
        profile = effbench.profile(
            tiny_detector(), energy=True, batch_sizes=[1, 2], threads=1, clip_seconds=1, budget=BRIEF
        )
    assert profile.energy is not None
    assert profile.best_throughput is not None
    assert profile.energy.batch_size == profile.best_throughput.batch_size
    (row,) = [row for row in profile.timings() if row.quantity == "energy"]
    (timed,) = [
        row
        for row in profile.timings()
        if row.quantity == "throughput" and row.conditions["batch_size"] == profile.energy.batch_size
    ]
    assert (row.unit, row.conditions, row.device) == ("J/clip", timed.conditions, timed.device)
    assert row.environment is not None
    details = row.environment["energy"]
    assert isinstance(details, dict)
    assert details["counter"] == "RAPL package-0"
    assert details["idle_watts"] == pytest.approx(profile.energy.idle)
    assert len(details["windows"]) == 5
    assert profile.rows()[0]["energy"] == profile.compared()[0]["J/clip"] == row.value
    assert profile.to_dict()["energy"]["value"] == row.value


def test_without_a_counter_nothing_is_measured(tmp_path, monkeypatch):
    monkeypatch.setenv(POWERCAP_VARIABLE, str(tmp_path))
    lines: list[str] = []
    with pytest.raises(NoEnergyCounter, match="no RAPL"):
        effbench.profile("fmn04", energy=True, progress=lines.append)
    assert not lines
    with pytest.raises(UsageError, match="beside throughput"):
        effbench.profile("fmn04", energy=True, throughput=False)
    module = torch.nn.Linear(2, 2)
    with pytest.raises(UsageError, match="measured of detectors"):
        effbench.profile(module, inputs=torch.zeros(1, 2), energy=True)


def test_the_command_refuses_before_it_measures_and_says_what_to_do(effbench, tmp_path, monkeypatch):
    (tmp_path / "powercap").mkdir()
    arguments = ("profile", "--model", "fmn04", "--energy", "--batch-size", "1", "--threads", "1")
    monkeypatch.setenv(POWERCAP_VARIABLE, str(tmp_path / "powercap"))
    done = effbench(*arguments)
    assert done.returncode == 2
    assert not done.stdout
    assert "EFFBENCH_POWERCAP" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["powercap"]
    assert "leave out --no-throughput" in effbench(*arguments, "--no-throughput").stderr


@pytest.mark.slow
def test_the_command_shows_and_keeps_joules(effbench, tmp_path, monkeypatch):
    monkeypatch.setenv(POWERCAP_VARIABLE, str(tmp_path / "powercap"))
    options = ("--energy", "--batch-size", "1", "--threads", "1", "--seconds", "1")
    with running(tmp_path / "powercap", 5.0, worked):
        done = effbench("profile", "--model", "fmn01", *options)
    assert done.returncode == 0, done.stderr
    assert "Energy above idle" in done.stdout
    assert "RAPL package-0" in done.stdout
    (row,) = Store(tmp_path / "results" / "effbench.sqlite").latest(quantities=["energy"]).to_dict("records")
    assert row["low"] < row["value"] < row["high"]


def test_a_model_is_chosen_by_its_joules(effbench):
    given = ("--quantity", "energy", "--unit", "J", "--device", "Box", "--source", "us")
    for model, joules in (("fmn04", "0.3"), ("fmn10", "0.9")):
        effbench("store", "add", "--model", model, "--value", joules, *given)
    done = effbench("recommend", "--max-energy", "500mJ", "--device", "Box")
    assert done.stdout.startswith("Best psds1 with energy ≤ 0.5 J/clip on Box: fmn04\n"), done.stderr
    assert "not clear without its unit: J/clip" in effbench("recommend", "--max-energy", "2").stderr
