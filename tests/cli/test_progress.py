"""Progress without a terminal: lines in a log, neither too many nor none."""

import time

import pytest

from effbench.cli.progress import clock, counting, status
from effbench.errors import Stopped


def test_without_a_terminal_a_line_every_ten_seconds_says_what_is_left(capsys, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with counting("clips") as progress:
        for done in range(20, 51):
            progress(done, 100)
            now += 4.0
    assert capsys.readouterr().err.splitlines()[:3] == [
        "20 of 100 clips done before",
        "23 of 100 clips, about 5 min left",
        "26 of 100 clips, about 5 min left",
    ]


def test_an_interrupt_says_that_the_same_command_goes_on():
    with pytest.raises(Stopped, match="the same command goes on"), counting("clips", resumable=True):
        raise KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt), counting("clips"):
        raise KeyboardInterrupt


def test_what_was_done_before_is_said_once(capsys):
    with counting("clips") as progress:
        for done in range(5, 9):
            progress(done, 8)
    assert capsys.readouterr().err.splitlines() == ["5 of 8 clips done before"]


def test_within_a_long_file_a_line_every_ten_seconds_says_what_is_left(capsys, monkeypatch):
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    with status(2) as bar:
        bar.start("long.wav")
        for minute in range(1, 61):
            now += 3.0
            bar.within(f"{clock(60 * minute)} of {clock(3600)}", minute / 60)
        bar.start("short.wav")
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == ["[1/2] long.wav", "  long.wav 4:00 of 1:00:00, about 6 min left"]
    assert lines[-2:] == ["  long.wav 1:00:00 of 1:00:00, about 3 min left", "[2/2] short.wav"]
    assert len(lines) == 2 + 15
