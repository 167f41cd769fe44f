"""``effbench regress`` as a user, or a CI job, runs it."""

import json
from xml.etree import ElementTree

import pytest

from effbench.resources import share
from effbench.yaml_files import parse
from tests.pages import ROOT, invocations, understand
from tests.regress.repository import CHANGED, NETS, commit, model

DEFAULT = "benchmarks/baselines/regress.json"


def test_an_unchanged_model_passes_and_a_heavier_one_fails_and_is_named(effbench, tmp_path):
    save = effbench("regress", "save", "--model", "fmn04", "--format", "json")
    assert save.returncode == 0, save.stderr
    path = tmp_path / DEFAULT
    content = json.loads(path.read_text())
    assert json.loads(save.stdout) == content
    check = ("regress", "check", "--model", "FMN04")
    passed = effbench(*check)
    assert passed.returncode == 0, passed.stderr
    assert "860,318" in passed.stdout
    assert f"passed (1 checked against {DEFAULT}): counts equal\n" in passed.stderr
    content["models"]["fmn04"] |= {"parameters": 2, "macs_exact": 1}
    path.write_text(json.dumps(content))
    failed = effbench(*check, "--format", "json")
    assert failed.returncode == 1
    assert "fmn04: parameters 2 -> 860,318; MACs (exact) 1 -> " in failed.stderr
    found = json.loads(failed.stdout)
    assert found["passed"] is False
    (entry,) = found["models"]
    assert (entry["spec"], entry["status"]) == ("fmn04", "changed")
    assert entry["parameters"] == {"before": 2, "now": 860_318}


def test_the_committed_baseline_holds(effbench):
    path = share("benchmarks") / "baselines" / "regress.json"
    done = effbench("regress", "check", "--baseline", path)
    assert done.returncode == 0, done.stderr
    assert "passed (8 checked" in done.stderr


def test_a_bad_baseline_is_one_line(effbench, tmp_path):
    (tmp_path / "bad.json").write_text("{]")
    done = effbench("regress", "check", "--baseline", "bad.json")
    assert done.returncode == 2
    assert done.stderr.startswith("error: baseline bad.json can't be read: ")
    assert done.stderr.count("\n") == 1


def test_a_comparison_writes_what_ci_systems_read(effbench, tmp_path, monkeypatch):
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    commit(tmp_path, NETS)
    (tmp_path / "net.py").write_text(CHANGED)
    models = [word for name in ("Same", "Wider") for word in ("--model", model(name))]
    outputs = ("--junit", "out/junit.xml", "--benchmark", "out/benchmark.json")
    done = effbench("regress", "check", "--against", "HEAD", *models, "--counts-only", *outputs)
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    suite = ElementTree.parse(tmp_path / "out" / "junit.xml").getroot()
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    (failure,) = suite.iter("failure")
    assert failure.get("type") == "heavier"
    assert "parameters 1,096 -> 1,225" in failure.get("message")
    entries = json.loads((tmp_path / "out" / "benchmark.json").read_text())
    assert {"name": "wider: parameters", "unit": "count", "value": 1225} in entries
    summary = (tmp_path / "summary.md").read_text()
    assert "| wider | 1,225 |" in summary
    assert "failed (1 of 2 checked against HEAD (" in summary


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--against", "no-such"), "error: there is no 'no-such' here, and no git repository"),
        (("--threshold", "5"), "error: --threshold is for a comparison: give --against as well"),
        (("--budget", "5"), "error: --budget is for a comparison: give --against as well"),
        (("--against", "x", "--threshold", "much"), "error: --threshold takes [MODEL=]PERCENT, not 'much'"),
        (
            ("--against", "x", "--threshold", "fmn77=3"),
            "error: --threshold fmn77=3: 'fmn77' is none of fmn04",
        ),
        (("--against", "x", "--threshold", "0"), "error: --threshold takes 0.1 to 99, not '0'"),
    ],
)
def test_wrong_usage_is_said(effbench, arguments, said):
    done = effbench("regress", "check", "--model", "fmn04", *arguments)
    assert done.returncode == 2
    assert done.stderr.startswith(said)


def test_the_workflow_runs_a_command_that_is_understood():
    text = (
        (ROOT / ".github" / "workflows" / "regress.yml").read_text().replace("${{ github.base_ref }}", "main")
    )
    (job,) = parse(text)["jobs"].values()
    commands = [arguments for step in job["steps"] for arguments in invocations(step.get("run", ""))]
    assert [arguments[:4] for arguments in commands] == [["regress", "check", "--against", "origin/main"]]
    understand(commands[0])
