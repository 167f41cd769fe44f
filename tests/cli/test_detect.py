"""``effbench detect`` as a user runs it."""

import csv
import io
import json
import shutil
import signal
import subprocess
import sys
import time
from functools import partial

import numpy as np
import pyarrow.parquet as pq
import pytest

from effbench.detect.record import INPUTS
from tests.command import started
from tests.detect import heard


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A folder of audio, and weights that make its scores vary."""
    folder = tmp_path_factory.mktemp("files")
    heard.write(folder / "audio" / "one.wav", 12.3)
    heard.write(folder / "audio" / "sub" / "two.flac", 3.2, rate=22_050, seed=5)
    heard.write(folder / "audio" / "sub" / "three.mp3", 4, rate=44_100, seed=7)
    (folder / "audio" / "notes.txt").write_text("no audio")
    heard.weights(folder)
    return folder


@pytest.fixture
def detect(effbench, files):
    return partial(effbench, "detect", "--model", "fmn04", "--checkpoint", files / "fmn04.pt")


def test_table_of_one_file(detect, files):
    done = detect(files / "audio" / "one.wav", "--threshold", 0.95, "--top", 3)
    assert done.returncode == 0, done.stderr
    header, _, *lines = [line for line in done.stdout.splitlines() if line.strip()]
    assert header.split() == ["filename", "onset", "offset", "label", "threshold", "score"]
    assert all(line.split()[0] == "one.wav" for line in lines)
    assert "untrained" not in done.stderr


def test_every_format_has_the_same_events(detect, files):
    wanted = (files / "audio" / "one.wav", "--threshold", 0.9)
    rows = list(csv.DictReader(io.StringIO(detect(*wanted, "--format", "csv").stdout)))
    assert len(rows) > 20
    events = [(row["onset"], row["offset"], row["label"]) for row in rows]
    document = json.loads(detect(*wanted, "--format", "json").stdout)
    (file,) = document["files"]
    assert [(str(e["onset"]), str(e["offset"]), e["label"]) for e in file["events"]] == events
    assert file["duration"] == 12.3
    assert document["model"] == "fmn04"
    assert document["checkpoint"].startswith("fmn04.pt (sha256 ")
    assert document["options"]["thresholds"] == [0.9]
    dcase = list(csv.DictReader(io.StringIO(detect(*wanted, "--format", "dcase").stdout), delimiter="\t"))
    assert list(dcase[0]) == ["filename", "onset", "offset", "event_label"]
    assert [(row["onset"], row["offset"], row["event_label"]) for row in dcase] == events
    labels = [line.split("\t") for line in detect(*wanted, "--format", "audacity").stdout.splitlines()]
    assert [(float(a), float(b), c) for a, b, c in labels] == [(float(a), float(b), c) for a, b, c in events]


def test_events_of_several_thresholds_carry_theirs(detect, files):
    wanted = (files / "audio" / "one.wav", "--threshold", 0.6, "--threshold", 0.9)
    rows = list(csv.DictReader(io.StringIO(detect(*wanted, "--format", "dcase").stdout), delimiter="\t"))
    assert {row["threshold"] for row in rows} == {"0.6", "0.9"}
    assert "(> 0.6)" in detect(*wanted, "--format", "audacity").stdout


def test_folders_globs_and_standard_input(detect, files, tmp_path):
    rows = csv.DictReader(io.StringIO(detect(files / "audio", "--format", "csv").stdout))
    assert list(dict.fromkeys(row["filename"] for row in rows)) == [
        "one.wav",
        "sub/three.mp3",
        "sub/two.flac",
    ]
    found = detect(files / "audio" / "sub" / "t*", "--format", "json")
    assert [file["filename"] for file in json.loads(found.stdout)["files"]] == ["three.mp3", "two.flac"]
    command = [sys.executable, "-m", "effbench", "detect", "-", "--model", "fmn04", "--format", "json"]
    piped = (files / "audio" / "one.wav").read_bytes()
    done = subprocess.run(command, input=piped, capture_output=True, check=False, cwd=tmp_path)
    (file,) = json.loads(done.stdout)["files"]
    assert (file["filename"], file["duration"]) == ("stdin", 12.3)
    assert b"untrained" in done.stderr


def test_selection_by_class_and_duration(detect, files):
    wanted = (files / "audio" / "one.wav", "--format", "csv")
    done = detect(*wanted, "--classes", "*whistle*", "--classes", "speech", "--min-duration", 0.2)
    rows = list(csv.DictReader(io.StringIO(done.stdout)))
    assert rows
    assert all("whistle" in row["label"].lower() or row["label"] == "Speech" for row in rows)
    assert all(float(row["offset"]) - float(row["onset"]) >= 0.199 for row in rows if row["offset"] != "12.3")


def test_scores_of_several_files_in_one_and_in_a_folder(detect, files, tmp_path):
    done = detect(files / "audio", "--scores", "all.parquet", "--out", "events.csv")
    assert done.returncode == 0, done.stderr
    events = len((tmp_path / "events.csv").read_text().splitlines()) - 1
    assert done.stderr.splitlines()[-1] == f"{events:,} events of 3 files in events.csv"
    table = pq.read_table(tmp_path / "all.parquet").to_pandas()
    assert list(table.columns[:3]) == ["filename", "onset", "offset"]
    assert len(table.columns) == 450
    assert table.dtypes.iloc[3] == np.float32
    one = table[table["filename"] == "one.wav"]
    assert len(one) == 308
    assert one["offset"].iloc[-1] == 12.3
    np.testing.assert_allclose(one["onset"].to_numpy()[1:], one["offset"].to_numpy()[:-1])
    assert detect(files / "audio", "--scores", "scores", "--out", "events.csv").returncode == 0
    own = pq.read_table(tmp_path / "scores" / "one.wav.parquet").to_pandas()
    np.testing.assert_array_equal(own.to_numpy(), one.to_numpy()[:, 1:].astype(float))
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
def test_killed_run_is_continued(stop, effbench, files, tmp_path):
    count = 24  # so that a busy machine stops it in time
    for number in range(count):
        heard.write(tmp_path / "audio" / f"{number}.wav", 21, seed=number)
    command = ["detect", "audio", "--model", "fmn04", "--threads", "1", "--threshold", "0.9"]
    command += ["--checkpoint", files / "fmn04.pt", "--out", "results", "--scores", "scores"]
    running = started(tmp_path, *command)
    deadline, record = time.monotonic() + 60, tmp_path / "results" / INPUTS
    while not (record.exists() and record.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.005)
    running.send_signal(stop)
    _, told = running.communicate()
    if stop is signal.SIGINT:
        assert running.returncode == 130
        assert told.splitlines()[-1] == "error: interrupted: the same command does the files that are left"
    names = [json.loads(line)["name"] for line in record.read_text().splitlines()]
    finished = {path: path.stat().st_mtime_ns for path in (tmp_path / f"results/{n}.csv" for n in names)}
    assert 1 <= len(finished) < count
    done = effbench(*command)
    assert done.returncode == 0, done.stderr
    assert f"{count} files, {len(finished)} of them done before" in done.stderr
    for pattern in ("results/[!.]*.csv", "scores/[!.]*.parquet"):
        assert len(list(tmp_path.glob(pattern))) == count
    assert all(path.stat().st_mtime_ns == then for path, then in finished.items())


def test_bad_files_are_said_in_one_line_and_the_others_go_on(detect, files, tmp_path):
    shutil.copytree(files / "audio", tmp_path / "audio")
    (tmp_path / "audio" / "broken.wav").write_bytes(b"RIFF1234WAVEfmt nothing")
    (tmp_path / "audio" / "empty.flac").touch()
    done = detect("audio", "--format", "json")
    assert done.returncode == 1
    document = json.loads(done.stdout)
    assert len(document["files"]) == 3
    assert {failed["filename"] for failed in document["failed"]} == {"broken.wav", "empty.flac"}
    assert len([line for line in done.stderr.splitlines() if "failed:" in line]) == 2
    assert "error: 2 of 5 files could not be used" in done.stderr
    quiet = detect("audio", "--quiet").stderr.splitlines()
    assert [line.partition(":")[0] for line in quiet] == ["failed", "failed", "error"]
    (tmp_path / "audio" / "empty.flac").unlink()
    for known in (0, 3):
        done = detect("audio", "--out", "results")
        assert f"4 files, {known} of them done before" in done.stderr
        assert len([line for line in done.stderr.splitlines() if "failed: audio/broken.wav" in line]) == 1
        assert done.returncode == 1
    assert "Traceback" not in done.stderr


def test_figures(detect, files, tmp_path):
    clip = files / "audio" / "one.wav"
    assert detect(clip, "--plot", "one.svg", "--threshold", 0.9, "--top", 2).returncode == 0
    drawn = (tmp_path / "one.svg").read_text()
    assert "time (s)" in drawn
    assert "one.wav" in drawn
    heard.write(tmp_path / "long.wav", 61)
    refused = detect("long.wav", "--plot", "long.png")
    assert refused.returncode == 2
    assert "--plot: long.wav is longer than the 60 s" in refused.stderr
    assert "give a folder" in refused.stderr
    assert detect("long.wav", "--plot", "figures", "--top", 2).returncode == 0
    drawn = sorted(path.name for path in (tmp_path / "figures").iterdir())
    assert drawn == ["long.wav.0m.png", "long.wav.1m.png"]
    assert (tmp_path / "figures" / drawn[0]).read_bytes().startswith(b"\x89PNG")


def test_median_window_in_frames_or_seconds(detect, files):
    clip = files / "audio" / "sub" / "two.flac"
    outs = [
        detect(clip, "--format", "csv", "--median-window", window).stdout
        for window in ("9", "0.36s", "360ms", "1")
    ]
    assert outs[0] == outs[1] == outs[2] != outs[3]


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["missing.wav"], 1, "missing.wav"),
        (["nothing*.wav"], 2, "nothing*.wav"),
        (["."], 2, "no audio files in '.'"),
        (["a.wav", "--classes", "Speach"], 2, "did you mean 'Speech'?"),
        (["a.wav", "--classes", "whistl"], 2, "Steam whistle"),
        (["a.wav", "--threshold", "1.5"], 2, "--threshold"),
        (["a.wav", "--median-window", "0"], 2, "--median-window"),
        (["a.wav", "--median-window", "9.5"], 2, "--median-window"),
        (["a.wav", "--scores", "x.h5"], 2, ".parquet"),
        (["a.wav", "--plot", "x.gif"], 2, ".png"),
        (["a.wav", "b.wav", "--plot", "x.png"], 2, "use a folder"),
        (["a.wav", "b.wav", "--format", "audacity"], 2, "--out: Audacity labels belong to one audio file"),
        (["a.wav", "--out", "folder", "--scores", "x.parquet"], 2, "--scores"),
        (["a.wav", "--out", "folder", "--format", "table"], 2, "folder"),
        (["a.wav", "--out", "missing/x.csv"], 1, "missing"),
        (["a.wav", "--checkpoint", "gone.pt"], 1, "gone.pt"),
        (["a.wav", "--device", "tpu"], 2, "tpu"),
        (["a.wav", "--precision", "fp8"], 2, "fp32"),
    ],
)
def test_bad_input_is_one_clear_message(effbench, arguments, code, told):
    done = effbench("detect", *arguments, "--model", "fmn04")
    assert done.returncode == code, done.stderr
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_unknown_model_suggests(effbench):
    done = effbench("detect", "a.wav", "--model", "fmn1")
    assert done.returncode == 2
    assert "did you mean" in done.stderr


def test_the_command_imports_nothing_heavy_until_it_runs():
    code = "import sys, effbench.cli.detect; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "numpy", "pandas", "matplotlib", "rich"} & set(done.stdout.split())
