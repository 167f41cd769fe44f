"""``effbench store``: what comes in and goes out, and what it says of it."""

import csv
import io
import json
import shutil
import signal
import time
from dataclasses import replace

from effbench.results.exchange import decode, encode
from effbench.results.row_files import write_rows
from effbench.results.store import Store
from tests.command import started
from tests.rows import complexity, timings


def add(effbench, model, value, *more):
    given = ("--model", model, "--quantity", "psds1", "--value", value, "--source", "us")
    return effbench("store", "add", *given, *more)


def test_a_declared_value_is_kept_once_and_shown(effbench):
    assert (
        "note: no specs, and taken for names of one's own: mynet\n1 row added"
        in add(effbench, "mynet", "44.9").stderr
    )
    assert "0 rows added, 1 already there" in add(effbench, "mynet", "44.9").stderr
    (row,) = json.loads(effbench("store", "list", "--format", "json").stdout)
    assert (row["spec"], row["value"], row["provenance"]) == ("mynet", 44.9, "published")
    (whole,) = json.loads(effbench("store", "export", "--format", "json").stdout)
    assert (whole["source"], whole["conditions"], whole["samples"]) == ("us", {"declared": "by the user"}, [])


def test_wrong_usage_names_what_is_allowed(effbench):
    add(effbench, "mynet", "44.9")
    for arguments, said in (
        (["add", "--condition", "fp16"], "--condition takes KEY=VALUE, not 'fp16'"),
        (["add", "--spec", "fmn1O"], "did you mean 'fmn10'?"),
        (["list", "--model", "mynett"], "no rows of 'mynett'; did you mean 'mynet'?"),
        (["list", "--quantity", "psds3"], "unknown quantity 'psds3'; did you mean 'psds"),
        (["list", "--device", "H100"], "'H100' is no device in the store"),
        (["list", "--origin", "a.csv"], "nothing was imported from 'a.csv'"),
        (["remove", "--out", "x.csv"], "say which rows"),
        (["export", "--out", "x.csv", "--format", "json"], "--format is for stdout"),
    ):
        needed = ("--quantity", "psds1", "--value", "44", "--source", "us")
        more = ("--model", "mynet", *needed) if arguments[0] == "add" else ()
        done = effbench("store", arguments[0], *more, *arguments[1:])
        assert (done.returncode, said in done.stderr) == (2, True), done.stderr


def test_rows_go_out_and_come_in_the_same(effbench, tmp_path):
    with Store(tmp_path / "there.sqlite", create=True) as store:
        store.add([*timings("GPU A", specs=["fmn04"]), *timings("GPU B", specs=["fmn04", "fmn10"])])
    there = ("--store", "there.sqlite")
    assert (
        "2 rows written" in effbench("store", "export", *there, "--device", "gpu a", "--out", "a.csv").stderr
    )
    text = effbench("store", "export", *there, "--model", "fmn1*").stdout
    assert {row["spec"] for row in csv.DictReader(io.StringIO(text))} == {"fmn10"}
    done = effbench("store", "import", "a.csv")
    assert (done.returncode, done.stderr) == (0, "2 rows added, 0 already there: results/effbench.sqlite\n")
    done = effbench("store", "merge", "there.sqlite")
    assert done.stderr == "4 rows added, 2 already there: results/effbench.sqlite\n"
    listed = effbench("store", "list")
    assert "imported: 2 rows from a.csv" in listed.stderr
    assert "imported: 4 rows from there.sqlite" in listed.stderr
    done = effbench("store", "remove", "--origin", "a.csv", "--out", "removed.csv")
    assert done.stderr == "2 rows taken out, and kept in removed.csv\n"
    done = effbench("store", "remove", *there, "--model", "fmn04", "--out", "none.csv")
    assert (done.returncode, "no such rows that were declared or imported" in done.stderr) == (1, True)


def test_stores_of_two_machines_make_their_union_in_either_order(effbench, tmp_path):
    counted = [row for row in complexity() if row.spec == "fmn04"]
    ours = [replace(row, environment={"device_name": "ours"}) for row in timings("A CPU", specs=["fmn04"])]
    theirs = [
        replace(row, value=row.value * 2, samples=(0.1, 0.2), commit="theirs", low=None) for row in ours
    ]
    theirs = [replace(row, environment={"device_name": "theirs"}) for row in theirs]
    for name, rows in {"ours": [*counted, *ours], "theirs": [*counted, *theirs]}.items():
        with Store(tmp_path / f"{name}.sqlite", create=True) as store:
            store.add(rows)
    shutil.copy(tmp_path / "ours.sqlite", tmp_path / "before.sqlite")
    said = effbench("store", "merge", "theirs.sqlite", "--store", "ours.sqlite").stderr
    assert "note: 'A CPU' is timed here, too: figures take both for one device" in said
    assert "2 rows added, 3 already there" in said
    again = effbench("store", "merge", "theirs.sqlite", "--store", "ours.sqlite").stderr
    assert "0 rows added, 5 already there" in again
    assert (
        "2 rows added, 3 already there"
        in effbench("store", "merge", "before.sqlite", "--store", "theirs.sqlite").stderr
    )
    with Store(tmp_path / "ours.sqlite") as one, Store(tmp_path / "theirs.sqlite") as other:
        assert sorted(map(str, one.rows())) == sorted(map(str, other.rows()))
        rows = [decode(row) for row in one.rows()]
    assert {"ours", "theirs"} <= {row.environment.get("device_name") for row in rows}
    assert [row for row in rows if row.commit == "theirs"] == theirs
    assert [row for row in rows if row.quantity != "throughput"] == counted


def rows_file(path, device, count):
    (row, *_) = timings(device, specs=["fmn04"], batch_sizes=[1])
    encoded = encode(row)
    write_rows(
        path, [{**encoded, "value": float(number), "low": None, "high": None} for number in range(count)]
    )


def test_two_imports_at_once_count_every_row_once(tmp_path):
    rows_file(tmp_path / "a.csv", "GPU A", 3000)
    rows_file(tmp_path / "b.csv", "GPU B", 3000)
    both = [
        started(tmp_path, "store", "import", *files) for files in (["a.csv", "b.csv"], ["b.csv", "a.csv"])
    ]
    said = [process.communicate(timeout=60)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    assert sum(int(text.partition(" ")[0].replace(",", "")) for text in said) == 6000
    with Store(tmp_path / "results" / "effbench.sqlite") as store:
        assert len(store.read()) == 6000


def test_an_import_that_is_killed_leaves_none_of_its_rows_or_all(tmp_path):
    rows_file(tmp_path / "a.csv", "GPU A", 5000)
    store = tmp_path / "results" / "effbench.sqlite"
    process = started(tmp_path, "store", "import", "a.csv")
    while not store.exists() and process.poll() is None:
        time.sleep(0.002)
    time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    again = started(tmp_path, "store", "import", "a.csv")
    said = again.communicate(timeout=60)[1]
    assert said.startswith(("5,000 rows added, 0 already", "0 rows added, 5,000 already")), said
