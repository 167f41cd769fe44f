"""Which code a version is: of a revision, a wheel, an environment, or nothing that can be used."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import pytest

from effbench.errors import EffbenchError, UsageError
from effbench.regress.sides import both_sides
from tests.regress.repository import NETS, commit


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("EFFBENCH_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "repository"
    folder.mkdir()
    monkeypatch.chdir(folder)
    return folder


def test_a_revision_is_exported_as_it_was(repository: Path) -> None:
    commit(repository, NETS)
    commit(repository, "changed")
    before, here = both_sides("HEAD~1")
    assert before.label.startswith("HEAD~1 (")
    assert (before.folder / "net.py").read_text() == NETS
    assert (here.folder / "net.py").read_text() == "changed"
    model = f"net={repository}/net.py:Net"
    assert before.locally(model) == f"net={before.folder}/net.py:Net"
    assert here.locally(model) == model
    assert before.python == here.python == Path(sys.executable)
    assert both_sides("HEAD~1")[0] == before


def test_a_version_that_needs_something_else_gets_an_environment(repository: Path) -> None:
    commit(repository, '[project]\nname = "net"\ndependencies = ["numpy>=1.0"]\n', "pyproject.toml")
    commit(repository, '[project]\nname = "net"\ndependencies = []\n', "pyproject.toml")
    before, here = both_sides("HEAD~1")
    assert before.python != here.python
    assert before.python.is_file()


def test_a_need_that_can_not_be_met_is_said(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    needs = '[project]\nname = "net"\ndependencies = ["no-such-package-at-all"]\n'
    commit(repository, needs, "pyproject.toml")
    (repository / "pyproject.toml").unlink()
    with pytest.raises(EffbenchError, match=r"can't be installed: .*no-such-package-at-all"):
        both_sides("HEAD")


def test_a_wheel_is_unpacked(repository: Path) -> None:
    with zipfile.ZipFile("effbench-1.whl", "w") as wheel:
        wheel.writestr("effbench/__init__.py", "")
        wheel.writestr("effbench-1.dist-info/METADATA", "Name: effbench\n")
    before, _ = both_sides("effbench-1.whl")
    assert before.label == "effbench-1.whl"
    assert [folder for folder in before.code if (folder / "effbench" / "__init__.py").exists()]


def test_an_environment_runs_what_is_installed_in_it(repository: Path) -> None:
    for place in (sys.executable, sys.prefix):
        before, _ = both_sides(place)
        assert before.code == ()
        assert before.python.is_file()


@pytest.mark.parametrize(
    ("against", "said"),
    [
        ("no-such-branch", "'no-such-branch' is no revision of .*, nor a file: give a git revision, a wheel"),
        ("--all", "'--all' is no revision"),
        ("missing.whl", "there is no wheel 'missing.whl'"),
        ("broken.whl", "'broken.whl' is no wheel: it is no zip archive"),
    ],
)
def test_what_is_no_version_is_said(repository: Path, against: str, said: str) -> None:
    commit(repository, "", "broken.whl")
    with pytest.raises(UsageError, match=said):
        both_sides(against)


def test_outside_a_repository_there_are_no_revisions(repository: Path) -> None:
    with pytest.raises(UsageError, match="there is no 'HEAD' here, and no git repository"):
        both_sides("HEAD")
