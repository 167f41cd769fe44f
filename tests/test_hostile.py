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


@pytest.mark.slow
@pytest.mark.parametrize("condition", ["read-only", "full"])
def test_every_command_ends_in_one_line(tmp_path, condition):
    program = [sys.executable, "-m", "tests.hostile", tmp_path, condition]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        program, capture_output=True, text=True, cwd=Path(__file__).parents[1], env=environment, check=False
    )
    if done.returncode == 75:
        pytest.skip("this user can't make such a folder")
    assert done.returncode == 0, done.stderr
    found = {row["command"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert list(found) == ALL
    for name, row in found.items():
        assert "Traceback" not in row["stderr"], row
        assert row["code"] in ((1,) if name in WRITE else (0, 1)), row
        if row["code"]:
            errors = [line for line in row["stderr"].splitlines() if line.startswith("error: ")]
            assert len(errors) == 1, row
            reasons = (
                "No space left on device",
                "disk is full",
                "Read-only",
                "ermission",
            )
            assert any(reason in errors[0] for reason in reasons), row
