"""Published results as rows with their source."""

from __future__ import annotations

from pathlib import Path

import pytest

from effbench.errors import StoreError
from effbench.measure.complexity import measure_complexity
from effbench.models import zoo
from effbench.resources import share
from effbench.results.measurement import Measurement
from effbench.results.row_files import read_rows
from effbench.results.shipped import import_shipped, published_measurements
from effbench.results.store import Store

COUNTS = ("parameters", "macs_exact", "macs_paper")


def test_published_points_carry_figure_source_and_remark() -> None:
    found = published_measurements()
    assert len(found) == 46 * 4
    assert {row.provenance for row in found} == {"published"}
    assert {row.quantity for row in found} == {"psds1", "parameters", "macs_paper", "throughput"}
    point = {
        row.quantity: row for row in found if row.spec == "fmn10+gru-256" and row.conditions["figure"] == 2
    }
    assert point["psds1"].value == 43.53
    assert point["parameters"].value == 6_483_900
    assert point["macs_paper"].value == 1.00e9
    assert point["throughput"].value == 1896.9
    assert point["throughput"].device is None
    assert point["throughput"].source.endswith("figure 2")
    assert "digitised" in point["macs_paper"].conditions["note"]


def test_importing_what_ships_twice_adds_nothing(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite", create=True) as store:
        assert import_shipped(store) >= 184
        assert import_shipped(store) == 0
        scores = store.read(quantities="psds1", provenance="published")
    assert set(scores.figure.dropna()) == {1, 2}
    others = scores[scores.figure.isna()].set_index("spec")
    assert dict(others.value) == {"BEATs": 46.5, "ATST-F": 45.8, "fpasst": 45.4, "M2D": 46.3, "ASIT": 46.2}
    assert all("2409.09546" in source for source in others.source)


def test_the_panel_of_a_gpu_is_complete(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite", create=True) as store:
        import_shipped(store)
        rows = store.read(device="NVIDIA H100 80GB HBM3")
    speeds = rows[rows.quantity == "throughput"]
    assert all(len(samples) >= 3 for samples in speeds.samples)
    assert {name for row in speeds.environment for name in [row["device_name"]]} == set(speeds.device)
    eager = speeds[~speeds.compiled.astype(bool)]
    models = eager.groupby("precision").spec.agg(set)
    assert set(models.index) == {"fp32", "tf32", "bf16", "fp16"}
    assert all(len(specs) == 46 for specs in models)
    # What is called float32 was measured in it, and nothing is fast without its cost.
    used = {(row.precision, row.environment["gpu"]["tf32_convolutions"]) for row in eager.itertuples()}
    assert ("fp32", False) in used
    assert ("fp32", True) not in used
    costs = rows[rows.quantity == "logit_error"]
    costs = set(zip(costs.spec, costs.precision, costs.compiled, strict=True))
    fast = speeds[speeds.precision != "fp32"]
    assert set(zip(fast.spec, fast.precision, fast.compiled, strict=True)) <= costs


def test_shipped_counts_are_of_all_published_models_and_those_of_today(tmp_path: Path) -> None:
    with Store(tmp_path / "s.sqlite", create=True) as store:
        import_shipped(store)
        rows = store.read(provenance="measured", quantities=list(COUNTS))
    counts = rows.pivot(index="spec", columns="quantity", values="value")
    assert set(counts.index) == {str(spec) for spec in zoo.models()}
    assert counts.notna().all(axis=None)
    for spec in sorted(counts.index)[::6]:
        today = measure_complexity(spec)
        expected = {"parameters": today.parameters.total, "macs_exact": today.macs.exact}
        assert counts.loc[spec].to_dict() == expected | {"macs_paper": today.macs.paper}, spec


def test_what_was_counted_here_comes_before_what_ships_whenever_it_was(tmp_path: Path) -> None:
    date = "2020-01-01T00:00:00+00:00"
    own = Measurement("fmn10", "parameters", 7, provenance="measured", source="effbench", created=date)
    with Store(tmp_path / "s.sqlite", create=True) as store:
        import_shipped(store)
        assert store.latest(specs="fmn10", quantities="parameters", provenance="measured").value.item() > 7
        store.add([own])
        assert store.latest(specs="fmn10", quantities="parameters", provenance="measured").value.item() == 7


def test_every_shipped_file_is_imported(tmp_path: Path) -> None:
    lines = 0
    with Store(tmp_path / "s.sqlite", create=True) as store:
        import_shipped(store)
        for path in share("benchmarks/measurements").glob("*.csv*"):
            if path.name != "published.csv":
                assert store.add(read_rows(path)) == 0
                lines += 1
        devices = set(store.read(provenance="measured", quantities="throughput").device)
    assert len(devices) >= min(lines, 1)


def test_a_bad_published_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "published.csv"
    file.write_text("figure,spec,psds1,source,note\n1,fmn10,high,somewhere,\n")
    with pytest.raises(StoreError, match="line 2: could not convert"):
        published_measurements(file)
    file.write_text("figure,spec,psds1,note\n1,fmn10,4,\n")
    with pytest.raises(StoreError, match="its header lacks source"):
        published_measurements(file)
    with pytest.raises(StoreError, match="can't be read"):
        published_measurements(tmp_path / "none.csv")
