"""YAML files: how they are found and read, before their content is checked (``config``)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml

from effbench.errors import EffbenchError, UsageError, nearest
from effbench.resources import share

#: Folder of the evaluation protocols that ship.
PROTOCOLS = "protocols"
_SUFFIXES = (".yaml", ".yml")


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """Reads 3e-3 as a number, as YAML 1.2 does; in YAML 1.1 it is text."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9][0-9_]*[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def shipped(folder: str) -> list[str]:
    """Names of the YAML files that ship in a folder, e.g. ``train``."""
    return sorted(path.stem for path in share(folder).glob("*.yaml"))


def find(name: str, folder: str, kind: str) -> Path:
    """The file of a name that ships in a folder, or of a path that ends in ``.yaml`` or ``.yml``.

    Raises:
        UsageError: there is no such name; the message has the nearest, and the kind: ``recipe``.
    """
    names = shipped(folder)
    if name in names:
        return share(folder) / f"{name}.yaml"
    if name.endswith(_SUFFIXES):
        return Path(name)
    known = ", ".join(names)
    raise UsageError(f"unknown {kind} '{name}'{nearest(name, names)}\nKnown: {known}; or give a YAML file.")


def beside(name: str, file: Path) -> str:
    """What a file calls by a name that ships, or by a path from the file's own folder."""
    return str(file.parent / name) if name.endswith(_SUFFIXES) else name


def parse(text: str) -> object:
    """A value written in YAML.

    Raises:
        ValueError: it is not YAML, or repeats keys of a mapping; a line for each.
    """
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return None
        if repeated := list(_repeated(node)):
            raise ValueError("\n".join(["it repeats keys", *repeated]))
        return loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        line = f" in line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ValueError(f"{error.problem}{line}") from error
    except yaml.YAMLError as error:
        raise ValueError(" ".join(str(error).split())) from error


def _repeated(node: yaml.Node, place: tuple[str, ...] = ()) -> Iterator[str]:
    """Keys that a mapping has twice, of which YAML silently takes the last."""
    if isinstance(node, yaml.MappingNode):
        seen = set()
        for key, value in node.value:
            here = (*place, str(key.value))
            if here in seen:
                yield f"{'.'.join(here)}: again in line {key.start_mark.line + 1}"
            seen.add(here)
            yield from _repeated(value, here)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            yield from _repeated(value, (*place, str(index)))


def read(path: Path, kind: str, error: type[EffbenchError] = EffbenchError) -> dict[str, object]:
    """Keys and values of a YAML file, unchecked.

    Raises:
        EffbenchError: ``error``; the file can't be read, is not YAML, repeats a key, or is not a mapping.
        UsageError: there is no file, unless ``error`` is of a kind of its own.
    """
    try:
        content = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError as reason:
        error = UsageError if error is EffbenchError else error
        raise error(f"{kind} {path} can't be read: {reason.strerror}") from None
    except (OSError, ValueError) as reason:
        raise error(f"{kind} {path} can't be read: {getattr(reason, 'strerror', None) or reason}") from reason
    if not isinstance(content, dict):
        raise error(f"{kind} {path} is not a mapping of keys to values")
    return content
