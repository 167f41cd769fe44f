"""The command line for every test that wants it."""

import pytest

from tests.command import environment, run_here


@pytest.fixture
def effbench(tmp_path, monkeypatch, capfd):
    """Runs ``effbench`` with arguments in an empty folder; a ``Done`` says what came of it."""
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)

    def run(*arguments, cwd=tmp_path):
        return run_here(arguments, cwd, capfd.readouterr)

    return run
