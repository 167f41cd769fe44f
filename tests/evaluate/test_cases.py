"""Small inputs as people have them: the right value, or a refusal that says why.

Each folder of ``tests/fixtures/scoring`` holds the files of a case; ``expected.json`` says what
``effbench evaluate`` gives for them.
"""

import json
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[1] / "fixtures" / "scoring"
CASES = json.loads((FOLDER / "expected.json").read_text())


@pytest.mark.parametrize("case", CASES, ids=[f"{case['case']} {case['args']}" for case in CASES])
def test_inputs_are_read_rightly_or_refused(effbench, case):
    """``values`` are printed (in their units), ``refused`` and ``told`` are said on stderr."""
    done = effbench("evaluate", *case["args"].split(), "--format", "json", cwd=FOLDER / case["case"])
    said = " ".join(done.stderr.split())
    assert case.get("told", "") in said
    if "refused" in case:
        assert done.returncode != 0
        assert case["refused"] in said
        return
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)["values"]
    expected = case["values"].items()
    assert {name: found[name]["value"] for name, _ in expected} == pytest.approx(dict(expected))
