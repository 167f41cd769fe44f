"""The fixture of pytest, in a run of pytest of its own."""

import subprocess
import sys
from xml.etree import ElementTree

import pytest

TESTS = """
def quick():
    sum(range(2000))

def slow():
    sum(range(4000))

def test_same(paired_benchmark):
    assert paired_benchmark(quick, lambda: sum(range(2000)), threshold=0.5).verdict == "same"

def test_slower(paired_benchmark):
    paired_benchmark(quick, slow)

def test_beside_pytest_benchmark(paired_benchmark, benchmark):
    paired_benchmark(slow, quick)
    assert benchmark.extra_info["paired_benchmark"].startswith("faster: -")
    benchmark(quick)
"""


@pytest.mark.slow
@pytest.mark.alone
def test_the_fixture_comes_to_verdicts_and_fails_what_is_slower(tmp_path):
    (tmp_path / "test_paired.py").write_text(TESTS)
    command = (
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "effbench.regress.pytest_plugin",
        "--junit-xml",
        "out.xml",
    )
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "1 failed, 2 passed" in done.stdout, done.stdout + done.stderr
    assert "paired benchmarks" in done.stdout
    assert "test_paired.py::test_slower: slower: +" in done.stdout
    assert "FAILED test_paired.py::test_slower - Failed: slower: +" in done.stdout
    properties = ElementTree.parse(tmp_path / "out.xml").getroot().iter("property")
    assert [found.get("name") for found in properties] == ["paired_benchmark"] * 3
