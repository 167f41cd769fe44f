"""Stores and exports of version 0.1.0, as ``effbench profile`` and ``effbench evaluate`` left them."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from effbench.machine.description import Environment
from effbench.results import migrations
from effbench.results.store import Store

BEFORE = Path(__file__).parents[1] / "fixtures" / "before"
#: What measurements tell beside their environment.
DETAILS = {"timing", "memory_of_the_run"}


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


def test_a_store_of_before_keeps_its_layout_and_its_rows(store: Path) -> None:
    def content() -> list[tuple[object, ...]]:
        with sqlite3.connect(store) as connection:
            assert migrations.version(connection) == len(migrations.MIGRATIONS)
            return connection.execute("SELECT * FROM measurements ORDER BY id").fetchall()

    before = content()
    Store(store).close()
    assert content() == before


def test_rows_of_before_are_known_again_by_their_content(store: Path) -> None:
    with Store(store) as opened:
        assert opened.import_csv(BEFORE / "store.csv") == 0


def test_environments_of_before_are_read_without_loss(store: Path) -> None:
    with Store(store) as opened:
        records = [record for record in opened.read().environment if record]
    whole = [record for record in records if "cpu" in record]
    assert 0 < len(whole) < len(records)  # counts keep the software alone
    for record in whole:
        known = {name: value for name, value in record.items() if name not in DETAILS}
        assert Environment.from_dict(record).to_dict() == known
    for record in records:
        assert Environment.from_dict(record).to_dict()["software"] == record["software"]
