"""What many hours of audio take follows from measured rates and sizes."""

import json

import pytest

from effbench.errors import UsageError
from effbench.reports.scaling import AudioFormat, measure_formats, scaling
from effbench.results.measurement import Measurement
from effbench.results.store import Store


@pytest.fixture
def store(tmp_path):
    """An hour of audio, 450 windows, in a second; a compiled rate and a smaller batch's don't count."""
    path = tmp_path / "store.sqlite"
    rates = {450.0: (8, False), 400.0: (4, False), 900.0: (8, True)}
    rows = [
        Measurement.here(
            "fmn01",
            "throughput",
            rate,
            conditions={"batch_size": batch, "compiled": compiled, "part": "both", "precision": "fp32"},
            device="X1",
        )
        for rate, (batch, compiled) in rates.items()
    ]
    with Store(path, create=True) as opened:
        opened.add(rows)
    return path


def test_hours_cost_bytes_and_cores_have_closed_forms(store):
    formats = [AudioFormat("x", bytes_an_hour=2e6, hours_a_second=0.25)]
    found = scaling("fmn01", 36_000, within=2, prices={"x1": 3.0}, store=store, formats=formats)
    (row,) = [row for row in found.devices if row["device"] == "X1"]
    assert (row["device hours"], row["devices for 2 h"], row["cost"]) == (10, 5, 30)
    assert found.formats == [
        {
            "format": "x",
            "MB an hour": 2,
            "TB": 0.1,
            "hours decoded a second and core": 0.25,
            "cores a device": 4,
            "MB/s a device": 2,
        }
    ]


def test_sizes_are_those_of_the_codings():
    sizes = {each.name: each.bytes_an_hour for each in measure_formats()}
    assert sizes["WAV, 16 bits"] == pytest.approx(16_000 * 2 * 3600, rel=1e-3)
    assert sizes["Opus"] < sizes["FLAC"] < sizes["WAV, 16 bits"]


def test_a_device_without_a_measurement_and_hours_that_are_none_are_refused(store):
    with pytest.raises(UsageError, match="a price of 'H1000', of which fmn01 has no measurement; it has: X1"):
        scaling("fmn01", prices={"H1000": 1}, store=store, formats=[])
    with pytest.raises(UsageError, match="must be positive"):
        scaling("fmn01", float("nan"), store=store, formats=[])


def test_the_command_prints_what_it_rests_on(effbench):
    done = effbench("scale", "--model", "fmn10", "--price", "H100=2.5", "--format", "json")
    rows = json.loads(done.stdout)["devices"]
    assert {"device", "precision", "part", "batch", "measured", "clips/s", "cost"} <= rows[0].keys()
    assert "--price takes DEVICE=PRICE" in effbench("scale", "--model", "fmn10", "--price", "H100=x").stderr
