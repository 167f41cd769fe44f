"""The regression gate: what it lets pass, what it stops, and what it refuses to judge."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from effbench.errors import EffbenchError, UsageError
from effbench.regress.baseline import read_baseline
from effbench.regress.gate import check, compare, save
from effbench.regress.interleaved import Setting
from effbench.regress.result import Check
from tests.regress.repository import CHANGED, NETS, commit, model

MODELS = ("fmn04", "fmn04+gru-104")


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A baseline of two models; tests that change it work on a copy."""
    path = tmp_path_factory.mktemp("regress") / "new" / "baseline.json"
    save(path, MODELS)
    return path


@pytest.fixture
def baseline(saved: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "baseline.json"
    copy.write_bytes(saved.read_bytes())
    return copy


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository whose last commit has the models."""
    monkeypatch.setenv("EFFBENCH_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    commit(folder, NETS)
    return folder


def edit(path: Path, *keys: str, to: Any) -> None:
    """Changes one value, by the keys that lead to it."""
    content = json.loads(path.read_text())
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = to
    path.write_text(json.dumps(content))


def statuses(result: Check) -> dict[str, str]:
    return {model.spec: model.status for model in result.models}


@pytest.mark.parametrize("name", ["macs_exact", "parameters", "operators", "peak_live_bytes"])
def test_a_count_that_differs_by_one_is_enough_to_fail(baseline: Path, name: str) -> None:
    value = getattr(read_baseline(baseline).models["fmn04"], name)
    edit(baseline, "models", "fmn04", name, to=value + 1)
    result = check(baseline, MODELS)
    assert statuses(result) == {"fmn04": "changed", "fmn04+gru-104": "same"}
    assert result.models[0].changed == [name]
    assert re.search(rf"^fmn04: .* {value + 1:,} -> {value:,}$", result.verdict, re.MULTILINE)


def test_a_model_that_is_not_built_any_more_is_missing_and_fails(baseline: Path) -> None:
    edit(baseline, "models", "fmn04+gone-1", to=json.loads(baseline.read_text())["models"]["fmn04"])
    content = read_baseline(baseline)
    assert "fmn04+gone-1" in content.models
    result = check(baseline)
    assert statuses(result)["fmn04+gone-1"] == "missing"
    assert "fmn04+gone-1: can't be built any more: unknown " in result.verdict


def test_new_models_are_reported_and_do_not_fail(baseline: Path) -> None:
    result = check(baseline, ["FMN04", "fmn06"])
    assert result.passed
    assert statuses(result) == {"fmn04": "same", "fmn06": "new"}


def test_a_check_that_would_compare_nothing_is_refused(baseline: Path) -> None:
    with pytest.raises(UsageError, match=r"holds none of these models; it has fmn04, fmn04\+gru-104"):
        check(baseline, ["fmn20"])


def test_with_another_torch_its_counts_are_left_out_and_that_is_said(baseline: Path) -> None:
    edit(baseline, "torch", to="1.0")
    edit(baseline, "models", "fmn04", "operators", to=1)
    result = check(baseline, MODELS)
    assert result.passed
    assert any(note.startswith("not compared, since torch 1.0 became ") for note in result.notes)
    edit(baseline, "models", "fmn04", "macs_exact", to=1)
    assert not check(baseline, MODELS).passed


def test_saving_some_models_keeps_the_others(baseline: Path) -> None:
    before = read_baseline(baseline)
    save(baseline, ["fmn06"])
    after = read_baseline(baseline)
    assert list(after.models) == [*MODELS, "fmn06"]
    assert {spec: after.models[spec] for spec in MODELS} == before.models


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is not a mapping"),
        ("[]", "is not a mapping"),
        ("{}", "has 5 problems\ncreated: is missing\n"),
        ('{"schema_version": 1}', "of an earlier version: delete it, and save it anew"),
        ('{"schema_version": 3}', "schema_version: 3: input should be 2"),
        ("\0\1", "can't be read: "),
    ],
)
def test_a_bad_file_is_refused_with_what_is_wrong(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(content)
    for command in (check, save):
        with pytest.raises(UsageError) as caught:
            command(path)
        assert said in str(caught.value)
        assert str(path) in str(caught.value)
    assert path.read_text() == content


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("models",), {}),
        (("models", "fmn04", "parameters"), -1),
        (("models", "fmn04", "parameters"), "860318"),
        (("models", "fmn04", "colour"), "red"),
    ],
)
def test_impossible_values_in_a_baseline_are_refused(
    baseline: Path, keys: tuple[str, ...], value: Any
) -> None:
    edit(baseline, *keys, to=value)
    with pytest.raises(UsageError, match=rf"has 1 problem\n{re.escape('.'.join(keys))}: "):
        read_baseline(baseline)


def test_counts_may_not_grow_against_a_revision(repository: Path) -> None:
    (repository / "net.py").write_text(CHANGED)
    names = ("Same", "Wider", "Narrower", "Deeper", "Gone", "New")
    result = compare("HEAD", [model(name) for name in names], counts_only=True)
    assert not result.passed
    assert list(statuses(result).values()) == ["same", "heavier", "lighter", "heavier", "missing", "new"]
    assert "wider: parameters 1,096 -> 1,225; MACs" in result.verdict
    assert "deeper: MACs (exact) 40,960 -> 41,984; MACs (paper) 40,960 -> 41,984; operators" in result.verdict
    assert "gone: can't be built any more: " in result.verdict
    assert "new is new: " in result.notes[0]


def test_where_nothing_can_be_compared_nothing_passes(repository: Path) -> None:
    (repository / "net.py").write_text(CHANGED)
    with pytest.raises(EffbenchError, match=r"runs none of these models: .*New"):
        compare("HEAD", [model("New")], counts_only=True)


@pytest.mark.slow
@pytest.mark.alone
def test_slower_versions_are_found_and_named(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("effbench.regress.gate.PROCESSES", 1)
    monkeypatch.setattr("effbench.regress.interleaved._LAUNCH_SECONDS", 0.1)
    work = "class Same(Net):\n    def forward(self, x):\n        {}\n        return super().forward(x)"
    busy, waiting = (
        work.format("sum(range(50_000))"),
        work.format("time.sleep(0.002)").replace("Same", "Wider"),
    )
    now = NETS.replace("class Same(Net):\n    pass", busy).replace("class Wider(Net):\n    pass", waiting)
    (repository / "net.py").write_text(now)
    said: list[str] = []
    result = compare(
        "HEAD", [model("Same"), model("Wider")], setting=Setting(budget_seconds=60), say=said.append
    )
    assert statuses(result) == {"same": "slower", "wider": "slower"}
    assert [found.timed.clock for found in result.models if found.timed] == ["processor", "wall"]
    assert said[-1].startswith("wider: slower: +")
