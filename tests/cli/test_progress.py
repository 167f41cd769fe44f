"""Progress without a terminal: lines in a log, neither too many nor none."""

import time

import pytest

from effbench.cli.progress import clock, counting, status


@pytest.mark.parametrize(
    ("total", "lines"),
    [(99, []), (100, [f"{10 * tenth} of 100 clips" for tenth in range(1, 11)])],
)
def test_without_a_terminal_each_tenth_of_a_hundred_clips_and_more_is_a_line(total, lines, capsys):
    with counting("clips") as progress:
        for done in range(total + 1):
            progress(done, total)
    assert capsys.readouterr().err.splitlines() == lines


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
