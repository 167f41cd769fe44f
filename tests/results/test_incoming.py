"""Rows of other people: understood or refused, all or none, and never taken for measured here."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from effbench.errors import StoreError, UsageError
from effbench.results.declared import declared, depends_on, in_stored_unit
from effbench.results.incoming import Arrival, add_declared, import_files, merge
from effbench.results.measurement import UNITS, Measurement
from effbench.results.store import Store
from tests.rows import complexity, timings

GPU = timings("NVIDIA Test", specs=["fmn04", "fmn10"])


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


def counts(arrival: Arrival) -> tuple[int, int, int]:
    return arrival.added, arrival.known, len(arrival.dropped)


def imported(tmp_path: Path, text: str, store: Path, **options: object) -> Arrival:
    file = tmp_path / "table.csv"
    file.write_text(text)
    return import_files([file], store, **options)  # type: ignore[arg-type]


def values(store: Path) -> dict[tuple[str, str], float]:
    with Store(store) as opened:
        frame = opened.read()
    return dict(zip(zip(frame.spec, frame.quantity, strict=True), frame.value, strict=True))


@pytest.mark.parametrize("name", ["rows.csv", "rows.csv.gz", "rows.parquet"])
def test_an_export_comes_back_whole_and_is_known_again(store: Path, tmp_path: Path, name: str) -> None:
    file, copy = tmp_path / name, tmp_path / "copy.sqlite"
    rows = [*GPU, replace(GPU[0], samples=(0.1, 0.30000000000000004) * 9000, device=None, low=None)]
    with Store(store, create=True) as opened:
        opened.add(rows)
        opened.export(file)
        original = opened.read()
    assert counts(import_files([file], store)) == (0, len(rows), 0)
    assert counts(import_files([file, file], copy)) == (len(rows), len(rows), 0)
    with Store(copy) as opened:
        pd.testing.assert_frame_equal(opened.read(), original)
        assert opened.read(imported=False).empty
        assert [(row["origin"], row["rows"]) for row in opened.origins()] == [(str(file), len(rows))]


def test_a_table_by_hand_is_understood_with_its_units(store: Path, tmp_path: Path) -> None:
    text = (
        "\ufeffmodel,PSDS1 (%),psds1_low,psds1_high,parameters (M),macs_exact (G),latency_p50 (ms),"
        "pauroc (fraction),device,batch_size,note,source\n"
        "mynet,0.449,0.4,0.5,5.0283,1.2,22.4,0.849,CPU X,1,first try,us\n"
        "mynet,0.449,0.4,0.5,5.0283,1.2,43.5,,CPU X,2,first try,us\n"
        "FMN10+tf:64,,,,,,,0.9,,,,\n"
    )
    assert counts(imported(tmp_path, text, store, source="them")) == (7, 0, 0)
    assert values(store) == {
        ("mynet", "psds1"): 0.449,
        ("mynet", "parameters"): 5_028_300,
        ("mynet", "macs_exact"): 1.2e9,
        ("mynet", "latency_p50"): 0.0435,
        ("mynet", "pauroc"): 84.9,
        ("fmn10+tf-64", "pauroc"): 90,
    }
    with Store(store) as opened:
        frame = opened.read()
    assert set(frame.provenance) == {"published"}
    assert set(frame.source) == {"us", "them"}
    timed = frame[frame.device == "CPU X"]
    assert dict(zip(timed.batch_size, timed.value, strict=True)) == {1: 0.0224, 2: 0.0435}
    assert frame[frame.quantity != "latency_p50"].batch_size.isna().all()
    assert counts(imported(tmp_path, text, store, source="them")) == (0, 7, 0)


def test_a_parquet_table_with_gaps_reads_as_its_csv_would(store: Path, tmp_path: Path) -> None:
    file = tmp_path / "table.parquet"
    table = {"model": ["a", "b"], "parameters": [4_010_000, None], "psds1": [44.9, 45], "source": "us"}
    pd.DataFrame(table).to_parquet(file)
    assert counts(import_files([file], store)) == (3, 0, 0)
    assert values(store)["a", "parameters"] == 4_010_000


BAD = """model,psds1,parameters,throughput,device,precision,source
mynet,0.449,,,,,us
fmn10+tff-256,44,,,,,us
a,44,4.01,,,,us
b,,12,,,,us
c,,,100,,,us
d,44.9,,,,,
e,44.9
f,"44,9",,,,,us
g,,,,,,us
h,45,,,,,us
h,46,,,,,us
i,nan,,,,,us
j,145,,,,,us
k,44,,,,fp23,us
l,44.9,,,CPU X,,us
good,44.9,,,,,us
"""


def test_every_bad_line_is_listed_and_nothing_is_imported_or_made(store: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError) as caught:
        imported(tmp_path, BAD, store)
    first, *others = str(caught.value).splitlines()
    assert first == "14 lines not understood, and nothing imported"
    assert [line.partition(", line ")[2] for line in others] == [
        "2: psds1 0.449 is not clear without its unit: %, fraction",
        "3: unknown model 'fmn10+tff-256'; did you mean 'fmn10+tf-256'?",
        "4: parameters is a whole number of parameters, not 4.01: in millions it has the unit M",
        "5: parameters 12 is not clear without its unit: parameters, k, M, G, T",
        "6: throughput of c depends on the device that it was measured on: name it",
        "7: psds1 of d needs a source: where is the value from?",
        "8: expected 7 columns",
        "9: psds1 is not a number: '44,9'",
        "10: there is no value of g",
        "12: psds1 of h is 46 here and 45 in a line before: leave one out, or name the condition that tells "
        "them apart",
        "13: psds1 is nan, not a finite number",
        "14: psds1 can't be 145 %",
        "15: precision is fp32, tf32, bf16 or fp16, not 'fp23'",
        "16: no value of l here depends on device: leave it out, or write a note",
    ]
    assert not store.exists()
    assert counts(imported(tmp_path, BAD, store, on_bad_row="drop")) == (2, 0, 14)


@pytest.mark.parametrize(
    ("head", "complaint"),
    [
        ("model,psds1,sorce", "column 'sorce': not understood; did you mean 'source'?"),
        ("model,psds1,macs,source", "column 'macs': 'macs' is no quantity: write macs_exact"),
        ("model,psds1 (points),source", "psds1 can't be in 'points': its units are %, fraction"),
        ("model,psds1_low,source", "there is no column 'psds1'"),
        ("model,psds1,psds1_low (fraction),source", "its unit is not that of 'psds1'"),
        ("model,psds1,PSDS1 (%),source", "'psds1' holds the same"),
        ("model,psds1,psds1,source", "has two columns 'psds1'"),
        ("model,spec,psds1,source", "has model and spec"),
        ("model;psds1;source", "its cells must be separated by commas"),
        ("model,source", "no column is of a quantity"),
        ("model,psds1", "add a column 'source'"),
        ("model,quantity,value", "its header lacks spec, unit"),
    ],
)
def test_a_column_that_is_not_understood_is_refused(
    store: Path, tmp_path: Path, head: str, complaint: str
) -> None:
    with pytest.raises(StoreError) as caught:
        imported(tmp_path, f"{head}\n", store)
    assert complaint in str(caught.value)


@pytest.mark.parametrize("name", ["none.csv", "rows.tsv", "broken.parquet", "broken.csv.gz", "empty.csv"])
def test_what_is_no_file_of_rows_is_one_line(store: Path, tmp_path: Path, name: str) -> None:
    if name.startswith("broken"):
        (tmp_path / name).write_bytes(b"PAR1 no more")
    if name.startswith("empty"):
        (tmp_path / name).touch()
    with pytest.raises(StoreError, match=name) as caught:
        import_files([tmp_path / name], store)
    assert "\n" not in str(caught.value)


def test_a_bad_file_keeps_the_good_one_out(store: Path, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.csv", tmp_path / "bad.csv"
    good.write_text("model,psds1,source\nmynet,44.9,us\n")
    bad.write_text("model,psds1,source\nmynet,high,us\n")
    with pytest.raises(StoreError, match=r"bad\.csv', line 2: psds1 is not a number"):
        import_files([good, bad], store)
    assert not store.exists()


def test_another_store_is_merged_and_stays_as_it_is(store: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    with Store(other, create=True) as opened:
        opened.add([*complexity()[:3], *GPU])
    before = other.read_bytes()
    assert counts(merge(other, store)) == (3 + len(GPU), 0, 0)
    assert counts(merge(other, store)) == (0, 3 + len(GPU), 0)
    assert other.read_bytes() == before
    with Store(store) as opened, Store(other) as theirs:
        pd.testing.assert_frame_equal(opened.read(), theirs.read())
        assert opened.read(imported=False).empty
    with pytest.raises(StoreError, match="is this store itself"):
        merge(store, store)


def test_a_store_of_a_newer_effbench_is_not_merged(store: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.sqlite"
    Store(other, create=True).close()
    with sqlite3.connect(other) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=r"other.sqlite' was written by a newer effbench \(layout 99"):
        merge(other, store)
    assert not store.exists()


def test_what_a_reader_should_know_is_said(store: Path, tmp_path: Path) -> None:
    with Store(store, create=True) as opened:
        opened.add(GPU)
    other = tmp_path / "other.sqlite"
    with Store(other, create=True) as opened:
        opened.add([replace(row, value=1.0, low=None, high=None) for row in GPU])
    (remark,) = merge(other, store).remarks
    assert remark == "'NVIDIA Test' is timed here, too: figures take both for one device"
    (differing,) = add_declared(declared("BEATs", "psds1", 47, source="us"), store).remarks
    assert "is 47 here, and 46.5 in other publications" in differing
    (own,) = add_declared(declared("mynet", "psds1", 44.9, source="us"), store).remarks
    assert own == "no specs, and taken for names of one's own: mynet"


def test_what_was_declared_or_imported_is_taken_back_and_kept(store: Path, tmp_path: Path) -> None:
    removed = tmp_path / "removed.csv"
    with Store(store, create=True) as opened:
        opened.add(complexity()[:3])
    add_declared(declared("fmn04", "psds1", 44.9, source="us"), store)
    with Store(store) as opened:
        assert opened.remove(removed, specs="fmn04") == 1
        assert len(opened.read()) == 3
        with pytest.raises(StoreError, match="is there already"):
            opened.remove(removed, specs="fmn04")
        assert opened.remove(tmp_path / "none.csv", specs="fmn04") == 0
    assert counts(import_files([removed], store)) == (1, 0, 0)
    with Store(store) as opened:
        assert opened.remove(tmp_path / "again.parquet", origin=str(removed)) == 1
        assert opened.origins() == []


@pytest.mark.parametrize(
    ("quantity", "value", "unit", "stored"),
    [
        ("psds1", "0.449", "fraction", 44.9),
        ("psds1", "44.9", None, 44.9),
        ("psds1", "0", None, 0),
        ("parameters", "4.0101234567", "M", 4_010_123),
        ("macs_exact", "860", "MACs/clip", 860),
        ("latency_p99", "250", "µs", 0.00025),
        ("memory_peak", "2", "MiB", 2 * 2**20),
    ],
)
def test_values_are_brought_into_the_unit_of_the_store(
    quantity: str, value: str, unit: str | None, stored: float
) -> None:
    assert in_stored_unit(quantity, value, unit) == stored


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"quantity": "psds1", "low": 45}, "44.9 is not within its interval"),
        ({"quantity": "latency_p50"}, "depends on the device"),
        ({"quantity": "latency_p50", "device": "X"}, "not clear without its unit: s, ms"),
        ({"source": " "}, "needs a source"),
        ({"device": "X"}, "is of no device"),
        ({"conditions": {"batch_size": 1}}, "psds1 does not depend on batch_size"),
        ({"conditions": {"figure": 1}}, "unknown condition 'figure'"),
        ({"conditions": {"seed": "many"}}, "seed is a whole number, not 'many'"),
        ({"created": "2999-01-01"}, "in the future"),
        ({"created": "May"}, "is not a date"),
        ({"quantity": "psds"}, "write psds1 or psds2"),
    ],
)
def test_a_declared_value_that_is_not_clear_is_refused(change: dict[str, object], complaint: str) -> None:
    given = {"spec": "mynet", "quantity": "psds1", "value": 44.9, "source": "us", **change}
    with pytest.raises(UsageError) as caught:
        declared(**given)  # type: ignore[arg-type]
    assert complaint in str(caught.value)


def test_a_declared_value_is_never_measured_here() -> None:
    row: Measurement = declared(
        "mynet", "throughput", 80, source="us", device="X", conditions={"compiled": "no", "threads": "1"}
    )
    assert (row.provenance, row.source, row.commit) == ("published", "us", None)
    assert row.conditions == {"declared": "by the user", "compiled": False, "threads": 1}


def test_what_is_of_live_streams_depends_on_their_hop_and_limit():
    for name in ("hop", "look_ahead", "limit"):
        on = {quantity for quantity in UNITS if depends_on(quantity, name)}
        assert on - {"real_time_factor"} == {"streams", "hop_latency_p99"}
        assert ("real_time_factor" in on) == (name != "limit")
    streams = {"source": "us", "device": "Phone"}
    with pytest.raises(UsageError, match="depends on the hop of the streams"):
        declared("fmn04", "streams", 3, **streams)
    with pytest.raises(UsageError, match="depends on the limit of the streams"):
        declared("fmn04", "hop_latency_p99", 0.4, unit="s", conditions={"hop": 1}, **streams)
    with pytest.raises(UsageError, match="does not depend on limit"):
        declared("fmn04", "real_time_factor", 0.4, conditions={"hop": 1, "limit": 1}, **streams)
    row = declared("fmn04", "streams", 3, conditions={"hop": 1, "limit": "0.5"}, **streams)
    assert (row.conditions["hop"], row.conditions["limit"]) == (1.0, 0.5)
