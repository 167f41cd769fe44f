"""The real entry point, in a process of its own and an empty folder."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

EFFBENCH = Path(sys.executable).with_name("effbench")


@pytest.fixture
def effbench(tmp_path):
    """Runs ``effbench`` with arguments; the result has ``stdout``, ``stderr`` and ``returncode``."""

    def run(*arguments, cwd=tmp_path):
        environment = {**os.environ, "EFFBENCH_CACHE": str(tmp_path / "cache"), "COLUMNS": "200"}
        command = [str(EFFBENCH), *map(str, arguments)]
        return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)

    return run
