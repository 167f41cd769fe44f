"""The command's entry point, in this process."""

import sys

import pytest

from effbench.cli import main


@pytest.fixture
def effbench(tmp_path, monkeypatch, capsys):
    """Runs the entry point in an empty folder; returns exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["effbench", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as exit_:
            code = int(exit_.code or 0)
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return run
