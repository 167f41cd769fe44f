"""``effbench regress`` as a user, or a CI job, runs it."""

import json

from effbench.resources import share

DEFAULT = "benchmarks/baselines/regress.json"


def test_an_unchanged_model_passes_and_a_heavier_one_fails_and_is_named(effbench, tmp_path):
    save = effbench("regress", "save", "--model", "fmn04", "--complexity-only", "--format", "json")
    assert save.returncode == 0, save.stderr
    path = tmp_path / DEFAULT
    content = json.loads(path.read_text())
    assert json.loads(save.stdout) == content
    check = ("regress", "check", "--complexity-only", "--model", "FMN04")
    passed = effbench(*check)
    assert passed.returncode == 0, passed.stderr
    assert "860,318" in passed.stdout
    assert "passed (1 checked): complexity equal\n" in passed.stderr
    content["models"]["fmn04"] |= {"parameters": 2, "macs_exact": 1}
    path.write_text(json.dumps(content))
    failed = effbench(*check, "--format", "json")
    assert failed.returncode == 1
    assert "fmn04: parameters 2 -> 860,318; MACs (exact) 1 -> " in failed.stderr
    found = json.loads(failed.stdout)
    assert found["passed"] is False
    (model,) = found["models"]
    assert (model["spec"], model["status"]) == ("fmn04", "changed")
    assert model["parameters"] == {"baseline": 2, "now": 860_318}


def test_the_committed_baseline_holds(effbench):
    path = share("benchmarks") / "baselines" / "regress.json"
    done = effbench("regress", "check", "--complexity-only", "--baseline", path)
    assert done.returncode == 0, done.stderr
    assert "passed (8 checked)" in done.stderr


def test_speeds_from_other_hardware_are_refused(effbench, tmp_path):
    content = json.loads((share("benchmarks") / "baselines" / "regress.json").read_text())
    content["conditions"]["hardware"]["cpu_model"] = "Abacus 3000"
    (tmp_path / "other.json").write_text(json.dumps(content))
    done = effbench("regress", "check", "--baseline", "other.json")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: other.json was measured on other hardware")
    assert "Abacus 3000" in done.stderr
    assert "--complexity-only" in done.stderr
    save = effbench("regress", "save", "--model", "fmn04", "--baseline", "other.json")
    assert save.returncode == 2
    assert "without --model" in save.stderr
    assert "--baseline FILE" in save.stderr


def test_a_bad_baseline_is_one_line(effbench, tmp_path):
    (tmp_path / "bad.json").write_text("{]")
    done = effbench("regress", "check", "--baseline", "bad.json")
    assert done.returncode == 2
    assert done.stderr.startswith("error: baseline bad.json can't be read: ")
    assert done.stderr.count("\n") == 1
