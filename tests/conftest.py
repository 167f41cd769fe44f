"""The command line for every test that wants it."""

import pytest
from hypothesis import settings

from tests.command import environment, run_here

# How long an example takes depends on what else the machine does.
settings.register_profile("effbench", deadline=None)
settings.load_profile("effbench")


@pytest.fixture
def effbench(tmp_path, monkeypatch, capfd):
    """Runs ``effbench`` with arguments in an empty folder; a ``Done`` says what came of it."""
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)

    def run(*arguments, cwd=tmp_path):
        return run_here(arguments, cwd, capfd.readouterr)

    return run


def pytest_collection_modifyitems(items):
    """Slow tests begin first: none is left alone at the end, when the other workers are done."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)
