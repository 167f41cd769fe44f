"""The results store: what goes in comes out, whoever else writes and whenever a process dies."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from effbench.errors import StoreError
from effbench.results import exchange, migrations
from effbench.results.measurement import UNITS, Measurement
from effbench.results.row_files import read_rows
from effbench.results.shipped import newest_rows
from effbench.results.store import Store

BASE = Measurement(
    spec="fmn10+tf-256",
    quantity="throughput",
    value=812.5,
    provenance="measured",
    source="effbench 0.1.0",
    low=801.25,
    high=820.0,
    device="GPU A",
    conditions={"precision": "fp16", "batch_size": 64, "threads": 2, "compiled": False, "part": "model"},
    samples=(0.1, 0.30000000000000004),
    environment={"torch": "2.13.0", "cores": 16},
    commit="abc+dirty",
    created="2026-01-02T03:04:05+00:00",
)

WRITER = """
import sys
from effbench.results.measurement import Measurement
from effbench.results.row_files import read_rows
from effbench.results.store import Store
path, name, batches, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
print("ready", flush=True)
for batch in range(batches):
    with Store(path, create=True) as store:
        store.add(
            Measurement(
                "fmn10",
                "throughput",
                batch * size + i,
                provenance="measured",
                source="me",
                device=name,
                created="1",
            )
            for i in range(size)
        )
"""


def writer(path: Path, name: str, batches: int, size: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(path), name, str(batches), str(size)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def only(frame: pd.DataFrame) -> dict[str, Any]:
    assert len(frame) == 1
    return frame.to_dict("records")[0]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "store.sqlite"


def test_a_measurement_comes_back_whole(path: Path) -> None:
    with Store(path, create=True) as store:
        assert store.add([BASE]) == 1
    with Store(path) as store:
        row = only(store.read())
    for name in ("spec", "quantity", "value", "low", "high", "provenance", "source", "device", "commit"):
        assert row[name] == getattr(BASE, name)
    assert row["unit"] == "clips/s"
    assert row["conditions"] == BASE.conditions
    assert row["samples"] == BASE.samples
    assert row["environment"] == BASE.environment
    assert (row["precision"], row["batch_size"], row["compiled"], row["part"]) == ("fp16", 64, False, "model")
    assert row["seconds"] is None


def test_rows_are_chosen_by_model_quantity_provenance_and_device(path: Path) -> None:
    with Store(path, create=True) as store:
        store.add(
            [
                BASE,
                replace(BASE, device="GPU B"),
                replace(BASE, spec="fmn20", provenance="published", device=None),
                Measurement("fmn20", "parameters", 13_359_222, provenance="measured", source="test"),
            ]
        )
        assert set(store.read(specs=["FMN10+transformer:256"]).device) == {"GPU A", "GPU B"}
        assert list(store.read(quantities="parameters").value) == [13_359_222]
        assert list(store.read(provenance="published").spec) == ["fmn20"]
        assert list(store.read(device="GPU B", quantities=["throughput"]).device) == ["GPU B"]
        assert store.read(specs=[]).empty
        assert list(store.read(specs="fmn20", quantities="parameters").value) == [13_359_222]
        with pytest.raises(TypeError, match="unexpected keyword argument 'spec'"):
            store.read(spec="fmn20")  # type: ignore[call-arg]


def test_a_store_names_its_file(path: Path) -> None:
    with Store(path, create=True) as store:
        assert repr(store) == f"<Store {path}>"


def test_latest_keeps_the_newest_of_rows_under_equal_conditions(path: Path) -> None:
    newer = replace(BASE, value=900.0, created="2026-03-01T00:00:00+00:00")
    other = replace(BASE, conditions={**BASE.conditions, "batch_size": 1})
    with Store(path, create=True) as store:
        store.add([newer, BASE, other, replace(BASE, device=None), replace(BASE, device=None, value=1.0)])
        latest = store.latest()
    assert sorted(latest.value) == [1.0, 812.5, 900.0]
    assert len(latest[latest.batch_size == 1]) == 1


def test_adding_the_same_rows_twice_adds_nothing(path: Path) -> None:
    with Store(path, create=True) as store:
        assert store.add([BASE, BASE]) == 1
        assert store.add([BASE, replace(BASE, value=1.0)]) == 1
        assert len(store.read()) == 2


def test_a_published_value_is_the_same_whenever_it_is_written_down(path: Path) -> None:
    row = replace(BASE, provenance="published", device=None)
    with Store(path, create=True) as store:
        assert store.add([row, replace(row, created="2026-05-05"), replace(row, value=1.0)]) == 2
        assert store.add([replace(BASE, created="2026-05-05"), BASE]) == 2


def test_imported_rows_are_told_from_those_that_were_added(path: Path) -> None:
    other = replace(BASE, device="GPU B")
    with Store(path, create=True) as store:
        assert store.add([BASE]) == 1
        assert store.add([BASE, other], origin="their.csv") == 1
        assert list(store.read(imported=False).device) == ["GPU A"]
        assert list(store.read(imported=True).device) == ["GPU B"]
        assert len(store.read()) == 2


def test_a_store_can_be_read_and_left_as_it_is(path: Path) -> None:
    version_1_file(path)
    before = path.read_bytes()
    with Store(path, untouched=True) as store:
        assert list(store.read().value) == [860_312]
        with pytest.raises(StoreError, match="read-only"):
            store.add([BASE])
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_one_bad_value_keeps_the_whole_lot_out(path: Path) -> None:
    with Store(path, create=True) as store:
        with pytest.raises(
            StoreError, match=r"throughput of fmn10\+tf-256 can't be stored: its value is nan"
        ):
            store.add([BASE, replace(BASE, value=float("nan"))])
        with pytest.raises(StoreError, match="CHECK"):
            store.add([BASE, replace(BASE, provenance="guessed")])  # type: ignore[arg-type]
        with pytest.raises(StoreError, match="can't be written as JSON"):
            store.add([replace(BASE, conditions={"path": path})])
        with pytest.raises(StoreError, match="no source"):
            store.add([replace(BASE, source="")])
        assert store.read().empty
        assert store.add([BASE]) == 1


text = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)
number = st.floats(allow_nan=False, allow_infinity=False)
value = st.none() | st.booleans() | st.integers(-(2**60), 2**60) | number | text
measurements = st.builds(
    Measurement,
    spec=st.sampled_from(["fmn10", "fmn04+gru-104", "ATST-F"]),
    quantity=st.sampled_from(sorted(UNITS)),
    value=number,
    provenance=st.sampled_from(["measured", "published"]),
    source=text.filter(bool),
    low=st.none() | number,
    high=st.none() | number,
    device=st.none() | text,
    conditions=st.dictionaries(text, value | st.lists(value, max_size=3), max_size=4),
    samples=st.lists(number, max_size=4).map(tuple),
    environment=st.none() | st.dictionaries(text, value, max_size=3),
    commit=st.none() | text,
)


@settings(max_examples=40, deadline=None)
@given(st.lists(measurements, max_size=5))
@example([replace(BASE, value=-0.0)])
def test_export_then_import_is_the_identity(tmp_path_factory: pytest.TempPathFactory, lot: Any) -> None:
    folder = tmp_path_factory.mktemp("identity")
    with Store(folder / "a.sqlite", create=True) as store:
        added = store.add(lot)
        assert store.export(folder / "a.csv") == store.export(folder / "a.parquet") == added
        original = store.read()
    with Store(folder / "b.sqlite", create=True) as copy:
        assert copy.add(read_rows(folder / "a.csv")) == added
        assert copy.add(read_rows(folder / "a.csv")) == copy.add(read_rows(folder / "a.parquet")) == 0
        pd.testing.assert_frame_equal(copy.read(), original)
        copy.export(folder / "b.csv")
    assert (folder / "b.csv").read_bytes() == (folder / "a.csv").read_bytes()


def test_parquet_export_holds_the_same_table(path: Path, tmp_path: Path) -> None:
    with Store(path, create=True) as store:
        store.add([BASE, replace(BASE, low=None, device=None, environment=None)])
        store.export(tmp_path / "rows.parquet", device="GPU A")
    frame = pd.read_parquet(tmp_path / "rows.parquet")
    assert list(frame.columns) == list(exchange.COLUMNS)
    assert list(frame.value) == [812.5]


def test_export_leaves_no_half_file(path: Path, tmp_path: Path) -> None:
    with Store(path, create=True) as store:
        store.add([BASE])
        with pytest.raises(StoreError, match=r"ends in \.csv, \.csv\.gz or \.parquet"):
            store.export(tmp_path / "rows.xlsx")
        with pytest.raises(StoreError, match="can't be written: No such file or directory"):
            store.export(tmp_path / "none" / "rows.csv")
    assert {file.suffix for file in tmp_path.iterdir()} == {".sqlite"}


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("812.5", "fast", "line 2: value is not a number: 'fast'"),
        ("clips/s", "clips/min", "line 2: unit of throughput is clips/s, not clips/min"),
        ("measured", "guessed", "line 2: provenance is 'measured' or 'published', not 'guessed'"),
        ("fmn10+tf", "fmn10+tff", r"line 2: unknown model 'fmn10\+tff-256'"),
        ("throughput,", "speed,", "line 2: unknown quantity 'speed'"),
        ("[0.1,", "[0.1;", "line 2: samples is not JSON"),
        (",unit,", ",units,", "its header lacks unit and has unknown units"),
        ("effbench 0.1.0", "", "line 2: source is missing"),
        ("effbench 0.1.0", "effbench, 0.1.0", "line 2: expected 14 columns"),
    ],
)
def test_a_bad_line_is_named_and_nothing_is_imported(
    path: Path, tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    file = tmp_path / "rows.csv"
    with Store(path, create=True) as store:
        store.add([BASE])
        store.export(file)
        content = file.read_text()
        assert old in content
        file.write_text(content.replace(old, new, 1) + content.splitlines()[1].replace("812.5", "1") + "\n")
        with pytest.raises(StoreError, match=complaint):
            store.add(read_rows(file))
        assert len(store.read()) == 1


def test_a_disk_that_is_full_keeps_the_whole_lot_out_and_is_said(path: Path) -> None:
    large = replace(BASE, environment={"text": "x" * 10_000})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Store(path, create=True) as store:
        store.add([BASE])
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, hard))
        try:
            with pytest.raises(StoreError, match="the disk is full"):
                store.add(replace(large, value=float(number)) for number in range(1000))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert store.add([replace(BASE, value=1.0)]) == 1
        assert len(store.read()) == 2


def test_two_processes_write_side_by_side(path: Path) -> None:
    processes = [writer(path, name, batches=20, size=10) for name in ("one", "two")]
    for process in processes:
        _, errors = process.communicate(timeout=50)
        assert process.returncode == 0, errors
    with Store(path) as store:
        frame = store.read()
    assert frame.groupby("device").value.apply(sorted).to_dict() == {
        "one": list(range(200)),
        "two": list(range(200)),
    }


def test_a_killed_writer_leaves_whole_batches_and_a_sound_file(path: Path) -> None:
    size = 500
    process = writer(path, "victim", batches=100_000, size=size)
    assert process.stdout is not None
    process.stdout.readline()
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        time.sleep(0.2)
        if path.exists():
            with Store(path) as store:
                if len(store.read(device="victim")) >= 2 * size:
                    break
    process.send_signal(signal.SIGKILL)
    process.communicate()
    with Store(path) as store:
        kept = len(store.read())
        assert store.add([BASE]) == 1
    assert kept >= 2 * size
    assert kept % size == 0
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_reader_is_not_held_up_by_a_writer(path: Path) -> None:
    with Store(path, create=True) as store:
        store.add([BASE])
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with Store(path) as store:
        assert len(store.read()) == 1
    blocker.close()


def test_a_lock_that_never_goes_is_reported(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("effbench.results.database.BUSY_SECONDS", 0.1)
    Store(path, create=True).close()
    blocker = sqlite3.connect(path, isolation_level=None)
    blocker.execute("BEGIN IMMEDIATE")
    with Store(path) as store, pytest.raises(StoreError, match="is locked: another process has been writing"):
        store.add([BASE])
    blocker.close()


def version_1_file(path: Path) -> None:
    """A database as the first layout had it: no index."""
    connection = sqlite3.connect(path)
    connection.executescript(
        """
        CREATE TABLE measurements (
            id INTEGER PRIMARY KEY, uid TEXT NOT NULL UNIQUE, spec TEXT NOT NULL, quantity TEXT NOT NULL,
            value REAL NOT NULL, unit TEXT NOT NULL, low REAL, high REAL, provenance TEXT NOT NULL,
            source TEXT NOT NULL, device TEXT, conditions TEXT NOT NULL, samples TEXT NOT NULL,
            environment TEXT, "commit" TEXT, created TEXT NOT NULL);
        INSERT INTO measurements VALUES (1, 'x', 'fmn04', 'parameters', 860312.0, 'parameters', NULL, NULL,
            'measured', 'effbench 0.0.1', NULL, '{}', '[]', NULL, NULL, '2025-12-01T00:00:00+00:00');
        PRAGMA application_id = 0x65666662;
        PRAGMA user_version = 1;
        """
    )
    connection.close()


def test_a_version_1_file_is_migrated_with_its_rows(path: Path) -> None:
    version_1_file(path)
    with Store(path) as store:
        assert list(store.read().value) == [860_312]
        assert store.add([BASE]) == 1
    with sqlite3.connect(path) as connection:
        assert migrations.version(connection) == len(migrations.MIGRATIONS) > 1
        names = {
            name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'index'")
        }
    assert "measurements_by_model" in names


def test_a_migration_that_fails_changes_nothing(path: Path) -> None:
    version_1_file(path)

    def add_column(connection: sqlite3.Connection) -> None:
        connection.execute("ALTER TABLE measurements ADD COLUMN extra TEXT")

    def fail(connection: sqlite3.Connection) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    connection = sqlite3.connect(path, isolation_level=None)
    with pytest.raises(sqlite3.OperationalError):
        migrations.migrate(connection, [migrations.MIGRATIONS[0], add_column, fail])
    assert migrations.version(connection) == 1
    columns = {row[1] for row in connection.execute("PRAGMA table_info(measurements)")}
    assert "extra" not in columns
    migrations.migrate(connection, [migrations.MIGRATIONS[0], add_column])
    assert migrations.version(connection) == 2
    connection.close()


def test_a_newer_effbench_that_is_faster_to_the_lock_is_noticed(path: Path) -> None:
    ours = sqlite3.connect(path, isolation_level=None)

    def overtake(statement: str) -> None:
        if statement.startswith("BEGIN"):
            with sqlite3.connect(path) as theirs:
                theirs.execute(f"PRAGMA application_id = {migrations.APPLICATION_ID}")
                theirs.execute("PRAGMA user_version = 99")

    ours.set_trace_callback(overtake)
    with pytest.raises(StoreError, match="written by a newer effbench"):
        migrations.migrate(ours)
    assert migrations.version(ours) == 99
    ours.close()


def test_a_newer_layout_is_refused(path: Path) -> None:
    Store(path, create=True).close()
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=r"written by a newer effbench \(layout 99") as caught:
        Store(path)
    assert "\n" not in str(caught.value)


def test_other_files_are_refused_and_left_alone(tmp_path: Path) -> None:
    note = tmp_path / "notes.txt"
    note.write_text("shopping list\n" * 100)
    with pytest.raises(StoreError, match="it is not an SQLite database"):
        Store(note, create=True)
    assert note.read_text() == "shopping list\n" * 100

    foreign = tmp_path / "foreign.sqlite"
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE songs (title TEXT)")
    before = foreign.read_bytes()
    with pytest.raises(StoreError, match="of another program"):
        Store(foreign, create=True)
    assert foreign.read_bytes() == before

    with pytest.raises(StoreError, match="is a folder"):
        Store(tmp_path, create=True)


def test_a_missing_store_says_what_fills_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StoreError, match="'effbench study run paper' fills one"):
        Store()
    with pytest.raises(StoreError, match=r"the folder of the results store 'none/x\.sqlite' does not exist"):
        Store("none/x.sqlite", create=True)
    assert not any(tmp_path.iterdir())


def test_the_default_store_makes_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with Store(create=True) as store:
        assert store.add([BASE]) == 1
    with Store("results/effbench.sqlite") as store:
        assert len(store.read()) == 1


def test_the_environment_names_another_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EFFBENCH_STORE", str(tmp_path / "mine.sqlite"))
    with Store(create=True) as store:
        assert repr(store) == f"<Store {tmp_path / 'mine.sqlite'}>"


@pytest.mark.parametrize("closed", [True, False], ids=["closed", "with a write-ahead log"])
@pytest.mark.parametrize("modes", [(0o444, 0o755), (0o644, 0o555), (0o444, 0o555)])
def test_a_read_only_store_can_be_read(closed: bool, modes: tuple[int, int]) -> None:
    with open_folder() as folder, ExitStack() as stack:
        path = folder / "store.sqlite"
        store = stack.enter_context(Store(path, create=True))
        store.add([BASE])
        if closed:
            store.close()
        else:  # as a process that died leaves it
            (folder / "store.sqlite-shm").unlink()
        for place, mode in zip((path, folder), modes, strict=True):
            place.chmod(mode)
        with unprivileged():
            with Store(path) as read_only:
                assert len(read_only.read()) == 1
                with pytest.raises(StoreError, match=r"store\.sqlite' can't be written: .* read-only"):
                    read_only.add([replace(BASE, value=1.0)])
            with pytest.raises(StoreError, match="read-only"):
                Store(path, create=True)
            assert len(newest_rows(path)) > 1
        assert sorted(file.name for file in folder.glob("*.sqlite")) == ["store.sqlite"]


def test_a_store_that_may_not_be_read_is_one_line() -> None:
    with open_folder() as folder:
        Store(folder / "store.sqlite", create=True).close()
        (folder / "store.sqlite").chmod(0)
        with unprivileged(), pytest.raises(StoreError, match="can't be read: Permission denied"):
            Store(folder / "store.sqlite")


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that everybody may look into."""
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
        Path(folder).chmod(0o755)


@contextmanager
def unprivileged() -> Iterator[None]:
    """The superuser, for whom no file is read-only, does without this power inside, and owns files still."""
    if os.geteuid() != 0:
        yield
        return
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)  # version 3 of Linux's capabilities, this thread
    before, without = (ctypes.c_uint32 * 6)(), (ctypes.c_uint32 * 6)()
    library = ctypes.CDLL(None, use_errno=True)
    assert library.capget(header, before) == 0
    without[:] = before[:]
    without[0] &= ~0b110  # effective: may write, and may read, whatever the mode says
    assert library.capset(header, without) == 0
    try:
        yield
    finally:
        assert library.capset(header, before) == 0
