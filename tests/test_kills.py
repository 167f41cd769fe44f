import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[1] / "benchmarks" / "suites" / "kills.py"


@pytest.mark.slow
def test_work_that_is_killed_at_any_instant_goes_on_to_the_same_results():
    done = subprocess.run([sys.executable, SCRIPT, "--instants", "6"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("killed 1 times, finished") == 6
