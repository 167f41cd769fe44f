"""Torch's own database of operators, in a process of its own."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("operator_database.py")


@pytest.mark.slow
def test_every_operator_of_torch_is_known():
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", PROGRAM]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-5000:]
