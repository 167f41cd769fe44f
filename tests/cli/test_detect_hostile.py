"""``effbench detect`` over a folder with one of each thing that may lie in one."""

import contextlib
import csv
import json
import os
import resource
import shutil
import socket
import sys
from functools import partial
from tempfile import gettempdir

import pyarrow.parquet as pq
import pytest

from effbench.detect.inputs import find
from effbench.errors import UsageError
from tests.detect import heard

NAMES = (
    b"plain.wav",
    b"new\nline.wav",
    b'quote".wav',
    b"comma,semi;tab\t.wav",
    "emoji \N{BELL} \N{LATIN SMALL LETTER E WITH ACUTE}.wav".encode(),
    b"latin \xe9.wav",
    b"[bold]mark[/up].wav".replace(b"/", b"\\"),
    b"-dash.wav",
    b"UPPER.WAV",
    b"x" * 251 + b".wav",
    "\N{BELL}".encode() * 62 + b"yyy.wav",
)


@pytest.fixture
def detect(effbench):
    return partial(effbench, "detect", "--model", "fmn01", "--top", 1)


@pytest.fixture
def hostile(tmp_path):
    """A folder of good files under bad names, and of bad files of every type."""
    folder = tmp_path / "hostile"
    good = heard.write(tmp_path / "good.wav", 0.5)
    folder.mkdir()
    for name in NAMES:
        shutil.copy(good, os.fsencode(folder) + b"/" + name)
    (folder / "empty.wav").touch()
    (folder / "truncated.flac").write_bytes(good.read_bytes()[:30])
    (folder / "text.wav").write_text("not a sound\n")
    (folder / "notes.txt").write_text("not meant\n")
    (folder / "a folder.wav").mkdir()
    shutil.copy(good, folder / "a folder.wav" / "inside.wav")
    (folder / "loop").symlink_to(folder)
    (folder / "a folder.wav" / "up.wav").symlink_to("..")
    (folder / "itself.wav").symlink_to("itself.wav")
    (folder / "broken.wav").symlink_to("gone.wav")
    os.mkfifo(folder / "pipe.wav")
    (folder / "device.wav").symlink_to("/dev/zero")
    with socket.socket(socket.AF_UNIX) as listening, contextlib.chdir(folder):
        listening.bind("socket.wav")  # a whole path may be too long for one
    if os.geteuid():
        shutil.copy(good, folder / "secret.wav")
        (folder / "secret.wav").chmod(0)
    return folder


BAD = ("empty.wav", "truncated.flac", "text.wav", "itself.wav", "broken.wav")


def test_everything_that_can_be_heard_is_heard(detect, hostile, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = detect("hostile", "--out", "ev", "--scores", "scores", "--plot", "plots", "--format", "json")
    assert done.returncode == 1
    bad = len(BAD) + (os.geteuid() > 0)
    failed = [line for line in done.stderr.splitlines() if "failed:" in line]
    assert len(failed) == bad, done.stderr
    assert f"error: {bad} of {bad + len(NAMES) + 1} files could not be used" in done.stderr
    for folder in ("ev", "scores", "plots"):
        made = [path for path in (tmp_path / folder).rglob("*") if path.is_file()]
        assert len([path for path in made if "effbench-detect" not in path.name]) == len(NAMES) + 1
        assert all(path.name.isprintable() and len(os.fsencode(path.name)) <= 255 for path in made)
    again = detect("hostile", "--out", "ev", "--scores", "scores", "--plot", "plots", "--format", "json")
    assert f"{len(NAMES) + 1} of them done before" in again.stderr


@pytest.mark.parametrize("form", ["csv", "json", "dcase", "table"])
def test_one_output_for_all_has_all(form, detect, hostile, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = detect("hostile", "--format", form, "--out", "all.out", "--scores", "all.parquet")
    assert "could not be used" in done.stderr
    text = (tmp_path / "all.out").read_text(encoding="utf-8")
    if form == "table":
        assert "[bold]mark" in text
        return
    if form == "json":
        names = {file["filename"] for file in json.loads(text)["files"]}
    else:
        reader = csv.DictReader(text.splitlines(), delimiter="\t" if form == "dcase" else ",")
        names = {row["filename"] for row in reader}
    assert names == set(pq.read_table(tmp_path / "all.parquet").column("filename").to_pylist())
    assert len(names) == len(NAMES) + 1
    assert {r"new\nline.wav", r"latin \xe9.wav", 'quote".wav', "a folder.wav/inside.wav"} <= names


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("form", ["table", "csv", "json"])
def test_any_terminal_shows_any_name(form, encoding, detect, hostile, tmp_path, monkeypatch, capfd):
    import io

    monkeypatch.chdir(tmp_path)
    out = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", out)
    done = detect(*sorted(hostile.glob("emoji*")), hostile / "plain.wav", "--format", form)
    assert done.returncode == 0, done.stderr
    text = out.buffer.getvalue().decode(encoding)
    assert "plain.wav" in text
    if form == "json":
        assert {file["filename"] for file in json.loads(text)["files"]} == {NAMES[4].decode(), "plain.wav"}


def test_pipes_and_devices_are_refused_unread(detect, hostile):
    for name in ("pipe.wav", "device.wav", "socket.wav"):
        done = detect(hostile / name)
        assert done.returncode == 2
        assert "is no regular file" in done.stderr


def test_searching_a_folder_takes_as_much_for_each_file_however_many_there_are(tmp_path):
    def calls_per_file(count):
        for folder in range(10):
            (tmp_path / str(count) / str(folder)).mkdir(parents=True)
            for number in range(count // 10):
                (tmp_path / str(count) / str(folder) / f"{number}.wav").touch()
        calls = 0

        def counted(frame, event, argument):
            nonlocal calls
            calls += 1

        sys.setprofile(counted)
        try:
            found = find([tmp_path / str(count)]).sources
        finally:
            sys.setprofile(None)
        assert len(found) == count
        return calls / count

    assert calls_per_file(10_000) < 1.1 * calls_per_file(1_000)


def test_media_that_can_t_be_decoded_are_counted(detect, tmp_path, monkeypatch):

    monkeypatch.setitem(sys.modules, "av", None)
    heard.write(tmp_path / "phone" / "a.wav", 0.5)
    for name in ("b.m4a", "c.M4A", "d.mp4", "notes.txt"):
        (tmp_path / "phone" / name).touch()
    done = detect("phone")
    assert done.returncode == 0
    assert "3 files left out (2 m4a, 1 mp4): pip install 'effbench[media]'" in done.stderr
    (tmp_path / "phone" / "a.wav").unlink()
    with pytest.raises(UsageError, match="2 m4a, 1 mp4"):
        find([tmp_path / "phone"])


def test_what_can_t_be_written_is_said_before_work_starts(detect, tmp_path):
    heard.write(tmp_path / "a.wav", 0.5)
    for option, value in (("--out", "gone/x.csv"), ("--scores", "gone/x.parquet"), ("--plot", "gone/x.png")):
        done = detect("a.wav", option, value)
        assert done.returncode == 1
        assert "there is no folder 'gone'" in done.stderr
        assert "[1/1]" not in done.stderr
    done = detect("a.wav", "--out", "/dev/null")
    assert "neither a file nor a folder" in done.stderr


def test_a_full_disk_is_one_line_and_loses_nothing(detect, tmp_path):
    """A limit on file sizes fails as a full disk does."""
    heard.write(tmp_path / "b.wav", 30)
    for name in ("events.csv", "scores.parquet", "figure.png"):
        (tmp_path / name).write_text("earlier")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (4000, limits[1]))
        for options in (
            ("--out", "events.csv"),
            ("--scores", "scores.parquet"),
            ("--plot", "figure.png"),
        ):
            done = detect("b.wav", *options, "--top", 200, "--threshold", 0.5)
            assert done.returncode == 1, options
            written = gettempdir() if options[0] == "--plot" else options[1]
            (error,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
            assert f"'{written}' can't be written: " in error
            assert "File too large" in error
            assert len(done.stderr.splitlines()) <= 3
            assert (tmp_path / options[1]).read_text() == "earlier"
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not list(tmp_path.glob(".effbench*"))
