"""Models of one's own: how a text names one, and what of it stays in a record. Torch-free; runs no code."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from importlib.machinery import PathFinder
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote, unquote

from effbench.errors import EffbenchError, UnknownModel, UsageError
from effbench.identity import content_digest
from effbench.spec import ModelSpec, is_spec, row_name

#: Option of a reference that is not the factory's: the inputs of a call.
INPUT = "input"

_REFERENCE = re.compile(
    r"(?:(?P<name>[^=:?/]*)=)?(?P<place>[^?=]+):(?P<factory>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?:\?(?P<options>.*))?",
    re.DOTALL,
)
_NAME = re.compile(r"\w[\w.+-]{0,63}")
_MODULE = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_FORM = "a model of your own is './file.py:factory' or 'package.module:factory'"


@dataclass(frozen=True, order=True)
class OwnModel(ModelSpec):
    """A model that a user's code builds; what rows call it stands for the backbone.

    Attributes:
        place: absolute path of a Python file, or the dotted name of a module.
        factory: name of a class or function in it that gives a module.
        options: its keyword arguments, each with its value in YAML.
        inputs: of one call, e.g. ``1,77:int64``; none for a detector, or where the code has example inputs.

    Raises:
        UsageError: an option that is given twice.
    """

    place: str = ""
    factory: str = ""
    options: tuple[tuple[str, str], ...] = ()
    inputs: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        keys = [key for key, _ in self.options]
        if repeated := sorted({key for key in keys if keys.count(key) > 1}):
            raise UsageError(f"the model '{self}' has its option {', '.join(repeated)} twice")

    @property
    def reference(self) -> str:
        """The text that ``find_model`` makes this model of again, in any folder."""
        pairs = [*self.options, *((INPUT, shape) for shape in self.inputs)]
        told = "&".join(f"{key}={quote(value, safe=',:.-+/')}" for key, value in pairs)
        return f"{self.backbone}={self.place}:{self.factory}{'?' if told else ''}{told}"

    @property
    def file(self) -> Path:
        """The file that the factory is looked up in.

        Raises:
            UsageError: there is none.
        """
        if self.place.endswith(".py"):
            path = Path(self.place)
            if not path.is_file():
                raise UsageError(f"there is no file '{path}' to take the model '{self}' from")
            return path
        return _module_file(self.place)

    @property
    def code(self) -> str:
        """What rows keep of where it comes from: file, factory and options, and a digest of the file."""
        told = "&".join(f"{key}={value}" for key, value in self.options)
        place = Path(self.place).name if self.place.endswith(".py") else self.place
        factory = f"{place}:{self.factory}{'?' if told else ''}{told}"
        try:
            return f"{factory} (sha256 {content_digest(self.file)})"
        except OSError as error:
            raise UsageError(f"can't read {self.file}: {error.strerror or error}") from None


def find_model(model: str | ModelSpec) -> ModelSpec:
    """The model that a text names: a spec, or else a reference to a model of one's own.

    A reference is ``[name=]./file.py:factory`` or ``[name=]package.module:factory``, and may go on with
    options: ``?width=2&depth=3``.

    Raises:
        UnknownModel: it is neither.
        UsageError: a name that can't be one or is like a spec, or options without values.
    """
    if isinstance(model, ModelSpec):
        return model
    try:
        return ModelSpec.parse(model)
    except UnknownModel as error:
        match = _REFERENCE.fullmatch(model.strip()) if isinstance(model, str) else None
        if match is None or not (_is_file(match["place"]) or _MODULE.fullmatch(match["place"])):
            if isinstance(model, str) and ".py" in model:
                raise UnknownModel(f"unknown model '{model}': {_FORM}") from None
            raise error from None
    pairs = _pairs(model, match["options"])
    options = tuple(pair for pair in pairs if pair[0] != INPUT)
    inputs = tuple(value for key, value in pairs if key == INPUT)
    place, factory = match["place"], match["factory"]
    name = match["name"] or _default_name(place, factory, options)
    if _is_file(place):
        place = str(Path(place).expanduser().absolute())
    return OwnModel(_own_name(name), place=place, factory=factory, options=options, inputs=inputs)


def code_beside(file: Path, name: str, text: str) -> OwnModel:
    """The code of a part that a card calls by this name; paths are relative to the card's folder.

    Raises:
        EffbenchError: the text is no reference.
    """
    match = _REFERENCE.fullmatch(text.strip())
    if match is None or match["name"] or not (_is_file(match["place"]) or _MODULE.fullmatch(match["place"])):
        raise EffbenchError(f"model card {file}: '{text}' builds nothing: {_FORM}")
    place = match["place"]
    if _is_file(place):
        place = str((file.parent / place).absolute())
    options = tuple(_pairs(text, match["options"]))
    return OwnModel(name, place=place, factory=match["factory"], options=options)


def own_model(
    model: str, *, name: str | None = None, options: tuple[str, ...] = (), inputs: tuple[str, ...] = ()
) -> str:
    """A reference with another name, more options (``width=2`` each), and inputs (``1,77:int64`` each).

    Raises:
        UsageError: one of these for a spec, which has its own; or as ``find_model``.
    """
    if name is None and not options and not inputs:
        return model
    found = find_model(model)
    if not isinstance(found, OwnModel):
        raise UsageError(f"'{found}' is a spec: a name, options and inputs are for models of your own")
    named = "=" in model.partition(":")[0]
    given = tuple((key.strip(), value) for key, value in map(_pair, options))
    everything = found.options + given
    default = str(found) if named else _own_name(_default_name(found.place, found.factory, everything))
    return replace(
        found,
        backbone=default if name is None else _own_name(name),
        options=everything,
        inputs=inputs or found.inputs,
    ).reference


def _own_name(text: str) -> str:
    text = text.strip()
    if _NAME.fullmatch(text) is None:
        raise UsageError(
            f"'{text}' can't be the name of a model of your own: letters, digits, . _ + and -, 64 at most"
        )
    named = row_name(text)
    if is_spec(named):
        raise UsageError(f"'{text}' is the spec {named}: choose another name for a model of your own")
    return named


def _is_file(place: str) -> bool:
    return place.endswith(".py")


def _pairs(model: str, options: str | None) -> list[tuple[str, str]]:
    try:
        return [_pair(part) for part in (options or "").split("&") if part]
    except UsageError as error:
        raise UsageError(f"{error} (in '{model}')") from None


def _pair(text: str) -> tuple[str, str]:
    key, equals, value = text.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_]\w*", key.strip()):
        raise UsageError(f"'{text}' is not an option of a factory: write key=value")
    return key.strip(), unquote(value)


def _default_name(place: str, factory: str, options: tuple[tuple[str, str], ...]) -> str:
    """``net.Net-width2`` of ``./net.py:Net?width=2``."""
    module = Path(place).stem if _is_file(place) else place.rpartition(".")[2]
    parts = [f"{module}.{factory}", *(f"{key}{value}" for key, value in options)]
    return re.sub(r"[^\w.-]+", "_", "-".join(parts))[:64]


def _module_file(module: str) -> Path:
    """The file of a module, found without running anything of it or of the packages around it."""
    first, *others = module.split(".")
    found = PathFinder.find_spec(first, [str(Path.cwd())]) or find_spec(first)
    name = first
    for part in others:
        name = f"{name}.{part}"
        found = found and PathFinder.find_spec(name, list(found.submodule_search_locations or ()))
    if found is None:
        raise UsageError(f"there is no module '{module}' to take a model from: {_FORM}")
    if found.origin is None or not Path(found.origin).is_file():
        raise UsageError(f"'{module}' is no module with a file of its own: {_FORM}")
    return Path(found.origin)
