"""Where nothing can be written, every command says so in one line."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.jobs import ALL

#: Commands that write what is too large for the file system, and what the read-only one has no place for.
WRITE = {"profile", "evaluate", "pseudo-labels", "plot", "report", "data synth", "data prepare", "study run"}
WRITE |= {"export", "store add", "store import", "store merge"}


REASONS = ("No space left on device", "disk is full", "Read-only", "ermission")


@pytest.mark.slow
def test_every_command_ends_in_one_line(tmp_path):
    program = [sys.executable, "-m", "tests.hostile", tmp_path]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        program, capture_output=True, text=True, cwd=Path(__file__).parents[1], env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    if not found:
        pytest.skip("this user can make neither a read-only nor a full file system")
    for condition in {row["condition"] for row in found}:
        assert [row["command"] for row in found if row["condition"] == condition] == ALL
    for row in found:
        assert "Traceback" not in row["stderr"], row
        assert row["code"] in ((1,) if row["command"] in WRITE else (0, 1)), row
        if row["code"]:
            (error,) = (line for line in row["stderr"].splitlines() if line.startswith("error: "))
            assert any(reason in error for reason in REASONS), row
