"""The two versions that are compared: which Python runs each, with which code, in which folder."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tomllib
import venv
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from filelock import FileLock
from packaging.requirements import InvalidRequirement, Requirement

from effbench.errors import EffbenchError, UsageError
from effbench.files import replacing, reporting_write_errors
from effbench.identity import content_digest, digest
from effbench.models.download import cache_folder

_FORMS = "a git revision, a wheel (FILE.whl), or an environment (its folder, or its python)"


@dataclass(frozen=True)
class Side:
    """One version.

    Attributes:
        label: what reports call it.
        python: the interpreter.
        folder: where it runs; relative paths of models of one's own start there.
        code: folders that it imports from before anything that is installed.
        moved: the folder that models of one's own name, and the one in which they lie for this side.
    """

    label: str
    python: Path
    folder: Path
    code: tuple[Path, ...]
    moved: tuple[Path, Path] | None = None

    def locally(self, model: str) -> str:
        """The reference of a model as this side has it."""
        return model.replace(f"{self.moved[0]}/", f"{self.moved[1]}/") if self.moved else model


def both_sides(against: str) -> tuple[Side, Side]:
    """The version to compare with, and what is here: the working tree, or the installed effbench.

    Args:
        against: a git revision of the repository of the current folder, a wheel, or an environment.

    Raises:
        UsageError: it is none of these, or can't be used.
        EffbenchError: what it needs can't be installed, or the cache folder can't be written.
    """
    here = Side("here", Path(sys.executable), Path.cwd(), (_installed(),))
    place = Path(against)
    if place.suffix == ".whl":
        return _wheel(place, here), here
    pythons = (place, place / "bin" / "python", place / "Scripts" / "python.exe")
    python = next((found for found in pythons if found.is_file() and os.access(found, os.X_OK)), None)
    if python is not None:
        return Side(against, python.absolute(), here.folder, ()), here
    return _revision(against)


def _installed() -> Path:
    return Path(__file__).resolve().parents[2]


def _wheel(file: Path, here: Side) -> Side:
    if not file.is_file():
        raise UsageError(f"there is no wheel '{file}'")

    def unpack(folder: Path) -> None:
        try:
            with zipfile.ZipFile(file) as wheel:
                wheel.extractall(folder)
        except zipfile.BadZipFile:
            raise UsageError(f"'{file}' is no wheel: it is no zip archive") from None

    folder = _kept(f"wheel-{content_digest(file)}", unpack)
    metadata = next(iter(folder.glob("*.dist-info/METADATA")), None)
    if metadata is None:
        raise UsageError(f"'{file}' is no wheel: it has no METADATA")
    needs = re.findall(r"^Requires-Dist: (.*)$", metadata.read_text(encoding="utf-8"), re.MULTILINE)
    return Side(file.name, _python_with(needs, _own_needs()), here.folder, (folder,))


def _revision(revision: str) -> tuple[Side, Side]:
    top = _git("rev-parse", "--show-toplevel", wrong=f"there is no '{revision}' here, and no git repository")
    name = ("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
    commit = _git(*name, wrong=f"'{revision}' is no revision of {top}, nor a file: give {_FORMS}")
    root = Path(top)

    def export(folder: Path) -> None:
        archive = folder / "tree.tar"
        _git("-C", top, "archive", f"--output={archive}", commit, wrong=f"git can't export '{revision}'")
        shutil.unpack_archive(archive, folder, filter="data")
        archive.unlink()

    tree = _kept(f"tree-{commit}", export)
    python = _python_with(_project_needs(tree), _project_needs(root))
    within = tree / Path.cwd().relative_to(root)
    label = revision if revision.startswith(commit[:7]) else f"{revision} ({commit[:7]})"
    before = Side(
        label, python, within if within.is_dir() else tree, (*_code(tree), _installed()), (root, tree)
    )
    return before, Side("here", Path(sys.executable), Path.cwd(), (*_code(root), _installed()))


def _code(root: Path) -> tuple[Path, ...]:
    return (root / "src", root) if (root / "src").is_dir() else (root,)


def _git(*arguments: str, wrong: str) -> str:
    command = ["git", "--no-optional-locks", *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except OSError:
        raise UsageError("git is not installed, without which a revision can't be compared with") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.strip().removeprefix("fatal: ").splitlines()[:1]
        raise UsageError(": ".join([wrong, *said])) from None


def _kept(name: str, fill: Callable[[Path], None]) -> Path:
    """A folder of the cache, filled once."""
    folder = cache_folder() / "regress" / name
    with reporting_write_errors(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not (folder / ".complete").exists():
                shutil.rmtree(folder, ignore_errors=True)
                folder.mkdir()
                fill(folder)
                with replacing(folder / ".complete"):
                    pass
    return folder


def _project_needs(tree: Path) -> list[str]:
    """What the project in a folder declares to need; nothing where it declares no project."""
    try:
        with (tree / "pyproject.toml").open("rb") as file:
            needs = tomllib.load(file).get("project", {}).get("dependencies", [])
    except (FileNotFoundError, tomllib.TOMLDecodeError):
        return []
    return [str(need) for need in needs]


def _own_needs() -> list[str]:
    from importlib.metadata import PackageNotFoundError, requires

    try:
        return requires("effbench") or []
    except PackageNotFoundError:
        return _project_needs(_installed())


def _python_with(needs: Iterable[str], here: Iterable[str]) -> Path:
    """This Python where the needs are those of what is here; else one of an environment made for them.

    That environment takes from this one what suits, and installs the rest.
    """
    wanted = _normal(needs)
    if wanted <= _normal(here):
        return Path(sys.executable)

    def make(folder: Path) -> None:
        venv.create(folder, with_pip=find_spec("pip") is None)
        packages = next(folder.glob("lib/python*/site-packages"))
        around = [path for path in sys.path if Path(path).name in ("site-packages", "dist-packages")]
        (packages / "around.pth").write_text("\n".join(around) + "\n")
        pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--quiet", *sorted(wanted)]
        done = subprocess.run(pip, capture_output=True, text=True, check=False)
        if done.returncode:
            said = done.stderr.strip().splitlines()[-1:] or [f"pip ended with {done.returncode}"]
            raise EffbenchError(f"what this version needs can't be installed: {said[0]}")

    return _kept(f"environment-{digest([sys.version, *sorted(wanted)])}", make) / "bin" / "python"


def _normal(needs: Iterable[str]) -> set[str]:
    """Requirements written alike, without those of extras."""
    found = set()
    for text in needs:
        try:
            need = Requirement(text)
        except InvalidRequirement:
            raise UsageError(f"it needs '{text}', which is no requirement") from None
        if need.marker is None or need.marker.evaluate({"extra": ""}):
            need.marker = None
            found.add(str(need))
    return found
