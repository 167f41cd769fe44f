"""Stores and exports of version 0.1.0, as ``effbench profile`` and ``effbench evaluate`` left them."""

from __future__ import annotations

import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from effbench.machine.description import Environment
from effbench.results import migrations
from effbench.results.exchange import COLUMNS, content_hash, encode
from effbench.results.measurement import Measurement
from effbench.results.row_files import read_rows, write_rows
from effbench.results.store import Store

BEFORE = Path(__file__).parents[1] / "fixtures" / "before"
#: What measurements tell beside their environment.
DETAILS = {"timing", "memory_of_the_run"}
#: Of which measurements did not tell the version yet.
SINCE = ("onnxruntime", "openvino")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return Path(shutil.copy(BEFORE / "store.sqlite", tmp_path))


def test_a_store_of_before_is_read_and_exported_as_before(store: Path, tmp_path: Path) -> None:
    with Store(store) as opened:
        frame = opened.read()
        assert opened.export(tmp_path / "rows.csv") == len(frame) == 21
    assert (tmp_path / "rows.csv").read_bytes() == (BEFORE / "store.csv").read_bytes()
    counts = frame[frame.quantity == "macs_exact"]
    assert list(counts.spec) == ["fmn01+gru-16"]
    assert set(frame[frame.quantity == "throughput"].part) == {"network", "frontend", "both"}


def content(store: Path) -> list[tuple[object, ...]]:
    with sqlite3.connect(store) as connection:
        return connection.execute("SELECT * FROM measurements ORDER BY id").fetchall()


def test_a_store_of_before_keeps_its_rows(store: Path) -> None:
    before = content(store)
    Store(store).close()
    with sqlite3.connect(store) as connection:
        assert migrations.version(connection) == len(migrations.MIGRATIONS)
    assert content(store) == before


GPU_TIMED = Measurement(
    "fmn10",
    "throughput",
    5000.0,
    provenance="measured",
    source="effbench 0.1.0",
    device="NVIDIA H100",
    created="2026-01-01T00:00:00+00:00",
)


@pytest.mark.parametrize(
    ("part", "gpu", "precision", "alone"),
    [
        ("network", {"tf32_convolutions": True, "tf32_matrix_products": False}, "tf32", "convolutions"),
        ("network", {"tf32_convolutions": True, "tf32_matrix_products": True}, "tf32", None),
        ("both", {"tf32_convolutions": False, "tf32_matrix_products": True}, "tf32", "matrix products"),
        ("network", {"tf32_convolutions": False, "tf32_matrix_products": False}, "fp32", None),
        ("frontend", {"tf32_convolutions": True, "tf32_matrix_products": False}, "fp32", None),
        ("network", {"name": "NVIDIA H100"}, "fp32 or tf32", None),
        ("network", None, "fp32", None),
    ],
)
def test_float32_that_was_tf32_is_called_so(
    store: Path, tmp_path: Path, part: str, gpu: dict[str, object] | None, precision: str, alone: str | None
) -> None:
    said = {"precision": "fp32", "part": part, "batch_size": 8}
    old = replace(GPU_TIMED, conditions=said, environment={"gpu": gpu}, samples=(0.1, 0.2))
    row = encode(old)
    with sqlite3.connect(store) as connection:
        marks = ", ".join("?" * (len(COLUMNS) + 1))
        names = ", ".join(f'"{name}"' for name in ("uid", *COLUMNS))
        values = [content_hash(row), *(row[name] for name in COLUMNS)]
        connection.execute(f"INSERT INTO measurements ({names}) VALUES ({marks})", values)
    write_rows(tmp_path / "old.csv.gz", [row])
    with Store(store) as opened:
        (found,) = opened.read(specs="fmn10").to_dict("records")
        assert opened.add(read_rows(tmp_path / "old.csv.gz")) == 0
    assert found["precision"] == precision
    assert found["conditions"].get("tf32") == alone
    assert found["samples"] == old.samples


def test_two_rows_that_a_migration_makes_equal_become_one(store: Path) -> None:
    gpu = {"gpu": {"tf32_convolutions": True, "tf32_matrix_products": True}}
    old = replace(GPU_TIMED, conditions={"precision": "fp32"}, environment=gpu)
    with Store(store) as opened:
        opened.add([old, replace(old, conditions={"precision": "tf32"})])
    with sqlite3.connect(store) as connection:
        connection.execute("PRAGMA user_version = 2")
    with Store(store) as opened:
        assert list(opened.read(specs="fmn10").precision) == ["tf32"]


def test_rows_of_before_are_known_again_by_their_content(store: Path) -> None:
    with Store(store) as opened:
        assert opened.add(read_rows(BEFORE / "store.csv")) == 0


def test_environments_of_before_are_read_without_loss(store: Path) -> None:
    with Store(store) as opened:
        records = [record for record in opened.read().environment if record]
    whole = [record for record in records if "cpu" in record]
    assert 0 < len(whole) < len(records)  # counts keep the software alone
    for record in whole:
        known = {name: value for name, value in record.items() if name not in DETAILS}
        assert Environment.from_dict(record).to_dict() | {"software": record["software"]} == known
    for record in records:
        # Versions that nobody wrote down then are unknown now, not made up.
        unknown = dict.fromkeys(SINCE, "")
        assert Environment.from_dict(record).to_dict()["software"] == record["software"] | unknown
