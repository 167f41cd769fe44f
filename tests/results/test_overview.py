"""What is shown of a store: everything that tells rows apart, and a form for spreadsheets."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd

from effbench.results.exchange import encode, to_frame
from effbench.results.measurement import Measurement
from effbench.results.overview import conditions_of, for_reading, tidy, wide


def row(quantity: str, value: float, spec: str = "fmn04", **conditions: object) -> Measurement:
    device = "CPU A" if "part" in conditions else None
    provenance = {"provenance": "measured", "source": "me", "device": device}
    return Measurement(spec, quantity, value, conditions=conditions, **provenance)  # type: ignore[arg-type]


def frame(*rows: Measurement) -> pd.DataFrame:
    return to_frame(encode(measurement) for measurement in rows)


COUNTS = (row("parameters", 860_318), row("macs_exact", 224_211_456, seconds=10.0))
TIMES = tuple(
    row(quantity, value, part=part, batch_size=1, seconds=10.0)
    for part, rate in (("network", 50.0), ("both", 30.5))
    for quantity, value in (("throughput", rate), ("latency_p50", 1 / rate))
)
SEEDS = tuple(row("psds1", 40 + seed, data="a", seed=seed, fingerprint="f0") for seed in (0, 1))


def test_every_condition_that_occurs_is_a_column() -> None:
    rows = tidy(frame(*COUNTS, *TIMES, *SEEDS, row("psds1", 1, data="b", recipe="x", median_window=9)))
    assert {"part", "batch_size", "seconds", "data", "seed", "fingerprint", "recipe", "median_window"} <= set(
        conditions_of(rows)
    )
    assert len({tuple(cells.values()) for cells in rows}) == len(rows)
    assert rows[0]["value"] == 860_318
    assert isinstance(rows[0]["value"], int)


def test_a_reader_sees_what_differs_and_is_told_what_does_not() -> None:
    read, everywhere = for_reading(tidy(frame(*COUNTS, *TIMES, *SEEDS)))
    assert [cells["under"] for cells in read] == [
        *("", ""),
        *("part network", "part network", "part both", "part both"),
        *("seed 0", "seed 1"),
    ]
    assert everywhere is not None
    for said in ("provenance measured", "device CPU A", "seconds 10", "batch_size 1", "data a"):
        assert said in everywhere


def test_a_condition_that_only_one_of_two_alike_has_is_shown() -> None:
    read, _ = for_reading(tidy(frame(row("psds1", 40, data="a"), row("psds1", 41, data="a", seed=0))))
    assert [cells["under"] for cells in read] == ["", "seed 0"]


def test_wide_is_one_row_for_each_model_where_one_setting_was_measured() -> None:
    other = row("parameters", 7, spec="fmn06")
    rows = wide(frame(*COUNTS, *TIMES[:2], SEEDS[0], other))
    assert len(rows) == 2
    assert figures(rows[0]) == {
        "parameters": 860_318,
        "macs_exact": 224_211_456,
        "throughput": 50,
        "latency_p50": 0.02,
        "psds1": 40,
    }
    assert figures(rows[1]) == {"parameters": 7}
    assert (rows[0]["part"], rows[0]["seed"], rows[0]["device"]) == ("network", 0, "CPU A")


def test_wide_has_a_row_for_each_setting_and_mixes_none() -> None:
    rows = wide(frame(*COUNTS, *TIMES, *SEEDS))
    assert len(rows) == 4
    assert all(cells["parameters"] == 860_318 for cells in rows)
    assert {(cells["part"], cells["throughput"]) for cells in rows if cells["throughput"]} == {
        ("network", 50),
        ("both", 30.5),
    }
    assert {(cells["seed"], cells["psds1"]) for cells in rows if cells["psds1"]} == {(0, 40), (1, 41)}


def test_published_and_measured_values_share_no_row() -> None:
    published = Measurement("fmn04", "psds1", 39.52, provenance="published", source="paper")
    rows = wide(frame(*COUNTS, published))
    assert [(cells["provenance"], cells["psds1"]) for cells in rows] == [
        ("measured", None),
        ("published", 39.52),
    ]


def figures(cells: Mapping[str, object]) -> dict[str, object]:
    names = ("parameters", "macs_exact", "throughput", "latency_p50", "psds1")
    return {name: cells[name] for name in names if cells.get(name) is not None}
