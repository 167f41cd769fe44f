import subprocess
import sys
from pathlib import Path

import pytest

MACHINE = Path(__file__).with_name("identity.py")


@pytest.mark.slow
def test_results_are_those_of_a_fresh_folder_whatever_happened_before():
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", MACHINE]
    done = subprocess.run(command, cwd=MACHINE.parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout
