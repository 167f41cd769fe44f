"""``effbench detect --out FOLDER``: every result belongs to the audio that was given, and is made once."""

import io
import json
import os
import shutil
import subprocess
import sys
import time
from functools import partial

import pytest

from effbench.detect.record import INPUTS, MANIFEST
from tests.detect import heard


@pytest.fixture
def detect(effbench):
    return partial(effbench, "detect", "--model", "fmn01", "--top", 1, "--out", "ev")


@pytest.fixture
def day(tmp_path):
    """A folder of two recordings."""
    heard.write(tmp_path / "day1" / "a.wav", 1)
    heard.write(tmp_path / "day1" / "sub" / "b.flac", 2)
    return tmp_path / "day1"


def results(folder):
    return {path.name: path.read_text() for path in sorted(folder.rglob("*.csv"))}


def test_only_what_is_missing_is_done_again(detect, day, tmp_path):
    first = detect("day1")
    assert first.returncode == 0, first.stderr
    made = {path: path.stat().st_mtime_ns for path in (tmp_path / "ev").rglob("*.csv")}
    assert {path.name for path in made} == {"a.wav.csv", "b.flac.csv"}
    (tmp_path / "ev" / "sub" / "b.flac.csv").unlink()
    later = time.time() + 5
    os.utime(day / "a.wav", (later, later))
    again = detect("day1")
    assert "2 files, 1 of them done before\n" in again.stderr
    assert (tmp_path / "ev" / "a.wav.csv").stat().st_mtime_ns == made[tmp_path / "ev" / "a.wav.csv"]
    assert results(tmp_path / "ev").keys() == {"a.wav.csv", "b.flac.csv"}


def test_a_changed_recording_is_done_again_and_said(detect, day, tmp_path):
    assert detect("day1").returncode == 0
    before, about = results(tmp_path / "ev"), (day / "a.wav").stat()
    # As large and as old as before.
    heard.write(day / "a.wav", 1, seed=9)
    os.utime(day / "a.wav", ns=(about.st_atime_ns, about.st_mtime_ns + 1))
    again = detect("day1")
    assert "2 files, 1 of them done before; 1 file changed since, done again" in again.stderr
    heard.write(day / "a.wav", 3)
    assert detect("day1").returncode == 0
    after = results(tmp_path / "ev")
    assert after["a.wav.csv"] != before["a.wav.csv"]
    assert after["b.flac.csv"] == before["b.flac.csv"]
    assert "2 files, 2 of them done before\n" in detect("day1").stderr


def test_another_recording_of_the_same_name_is_refused_before_work_starts(detect, day, tmp_path):
    assert detect("day1").returncode == 0
    before = results(tmp_path / "ev")
    heard.write(tmp_path / "day2" / "a.wav", 3)
    heard.write(tmp_path / "day2" / "new.wav", 1)
    refused = detect("day2")
    assert refused.returncode == 2
    assert f"a.wav: the result is of {day / 'a.wav'}" in refused.stderr
    assert "--overwrite" in refused.stderr
    assert results(tmp_path / "ev") == before
    assert detect("day2", "--overwrite").returncode == 0
    assert "3.0" in results(tmp_path / "ev")["a.wav.csv"]


def test_the_same_recording_in_another_place_is_done(detect, day, tmp_path):
    assert detect("day1").returncode == 0
    (tmp_path / "moved").mkdir()
    shutil.move(day, tmp_path / "moved" / "archive")
    assert "2 files, 2 of them done before\n" in detect("moved/archive").stderr


def test_scores_of_another_folder_of_events_are_not_replaced(detect, day, tmp_path):
    assert detect("day1", "--scores", "scores").returncode == 0
    heard.write(tmp_path / "day2" / "a.wav", 3)
    before = (tmp_path / "scores" / "a.wav.parquet").read_bytes()
    for out in ("other", "other.csv"):
        refused = detect("day2", "--scores", "scores", "--out", out)
        assert refused.returncode == 2
        assert "'scores' has scores or figures of the results in 'ev'" in refused.stderr
    assert (tmp_path / "scores" / "a.wav.parquet").read_bytes() == before
    assert "2 of them done before" in detect("day1", "--scores", "scores").stderr
    (tmp_path / "scores" / "a.wav.parquet").unlink()
    assert detect("day2", "--scores", "scores").returncode == 2
    assert "2 files, 1 of them done before" in detect("day1", "--scores", "scores").stderr
    shutil.rmtree(tmp_path / "ev")
    assert detect("day2", "--scores", "scores", "--out", "other").returncode == 0


def test_standard_input_has_an_identity(detect, day, tmp_path, monkeypatch):
    def piped(path):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(path.read_bytes())))
        return detect("-", "-")

    assert piped(day / "a.wav").returncode == 0
    assert "1 file, 1 of them done before" in piped(day / "a.wav").stderr
    refused = piped(heard.write(tmp_path / "other.wav", 2))
    assert refused.returncode == 2
    assert "stdin: the result is of other standard input" in refused.stderr


def test_what_has_no_whole_record_is_not_trusted(detect, day, tmp_path):
    assert detect("day1").returncode == 0
    record = tmp_path / "ev" / INPUTS
    lines = record.read_text().splitlines()
    record.write_text(lines[0] + "\n" + lines[1][:40])
    again = detect("day1")
    assert "2 files, 1 of them done before" in again.stderr
    assert "2 files, 2 of them done before" in detect("day1").stderr
    record.unlink()
    refused = detect("day1")
    assert refused.returncode == 2
    assert "no record of the audio" in refused.stderr
    assert "--overwrite" in refused.stderr
    (tmp_path / "ev" / MANIFEST).write_text("[1")
    assert "damaged" in detect("day1").stderr
    assert detect("day1", "--overwrite").returncode == 0
    assert json.loads((tmp_path / "ev" / MANIFEST).read_text())["model"] == "fmn01"


def test_what_killed_runs_left_is_removed(detect, day, tmp_path):
    dead = subprocess.Popen([sys.executable, "-c", "pass"])
    dead.wait()
    assert detect("day1").returncode == 0
    from effbench.files import replacing

    with replacing(tmp_path / "ev" / "mine.csv") as mine:
        ended = mine.with_name(mine.name.replace(f"-{os.getpid()}-", f"-{dead.pid}-"))
        elsewhere, old = (mine.with_name(f".effbench-{machine}-1-0.csv") for machine in ("0" * 8, "1" * 8))
        for path in (ended, elsewhere, old):
            path.touch()
        os.utime(old, (0, 0))
        assert detect("day1").returncode == 0
        assert mine.exists()
        assert elsewhere.exists()
        assert not ended.exists()
        assert not old.exists()


def test_other_options_in_a_folder_are_noticed(detect, day, tmp_path):
    assert detect("day1").returncode == 0
    before = results(tmp_path / "ev")
    other = detect("day1", "--threshold", 0.9)
    assert other.returncode == 2
    assert "thresholds: [0.5] before, [0.9] now" in other.stderr
    assert results(tmp_path / "ev") == before
    made = detect("day1", "--threshold", 0.9, "--overwrite")
    assert made.returncode == 0, made.stderr
    assert results(tmp_path / "ev") != before
    assert "2 of them done before" in detect("day1", "--threshold", 0.9).stderr
