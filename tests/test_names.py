"""One name, one thing: a reader who meets a name anywhere knows what it is."""

import ast
from collections import defaultdict
from pathlib import Path

import pytest

import effbench

PACKAGE = Path(effbench.__file__).parent

#: Modules that are meant to share a name: a command is named after what it runs, and ``api`` holds what a
#: room gives to the package.
SHARED = {"__init__", "__main__", "api"}


def modules():
    return [path for path in PACKAGE.rglob("*.py") if "_share" not in path.parts]


def defined(path, kind):
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if kind == "class" and isinstance(node, ast.ClassDef):
            yield node.name
        if kind == "constant" and isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (t.id for t in targets if isinstance(t, ast.Name) and t.id.isupper() and len(t.id) > 1)


@pytest.mark.parametrize("kind", ["class", "constant"])
def test_no_name_is_used_for_two_things(kind):
    places = defaultdict(list)
    for path in modules():
        for name in defined(path, kind):
            if not name.startswith("_"):
                places[name].append(path.relative_to(PACKAGE).as_posix())
    assert {name: where for name, where in places.items() if len(where) > 1} == {}


def test_no_module_name_is_used_for_two_things():
    places = defaultdict(list)
    for path in modules():
        if path.stem not in SHARED and path.parent.name != "cli":
            places[path.stem].append(path.relative_to(PACKAGE).as_posix())
    assert {name: where for name, where in places.items() if len(where) > 1} == {}
