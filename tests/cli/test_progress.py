"""Progress without a terminal: lines in a log, neither too many nor none."""

import pytest

from effbench.cli.progress import counting


@pytest.mark.parametrize(
    ("total", "lines"),
    [(99, []), (100, [f"{10 * tenth} of 100 clips" for tenth in range(1, 11)])],
)
def test_without_a_terminal_each_tenth_of_a_hundred_clips_and_more_is_a_line(total, lines, capsys):
    with counting("clips") as progress:
        for done in range(1, total + 1):
            progress(done, total)
    assert capsys.readouterr().err.splitlines() == lines
