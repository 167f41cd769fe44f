"""Builds models of one's own: runs the user's code, and says in words what is wrong with it."""

from __future__ import annotations

import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass
from importlib import import_module
from importlib.machinery import SourceFileLoader
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import CodeType, ModuleType

import torch
from torch import Tensor, nn

from effbench.errors import EffbenchError, UsageError, nearest
from effbench.identity import content_digest, digest
from effbench.models.detector import SoundEventDetector
from effbench.models.own_inputs import Inputs, check_one_clip, input_of
from effbench.models.own_model import OwnModel
from effbench.yaml_files import parse

#: The function beside a factory, or the method of its module, that gives the inputs of one call.
EXAMPLE_INPUTS = "example_inputs"

#: From which the code of models came.
_folders: set[str] = set()


@dataclass(frozen=True)
class OwnModule:
    """What the user's code made: a module in eval mode; the inputs of one call, or none for a detector."""

    name: str
    module: nn.Module
    inputs: Inputs | None


def build_own(model: OwnModel, *, seed: int | None = None, **wanted: int) -> OwnModule:
    """Run a model's factory.

    Args:
        model: whose code is run.
        seed: makes fresh weights reproducible and leaves the global random state as it was.
        wanted: arguments that the factory gets if it has them, e.g. ``n_classes``.

    Raises:
        UsageError: no such file, module, factory or option; it gives no module; or inputs are missing or not
            understood.
        EffbenchError: the code fails; with the line that did.
    """
    with torch.random.fork_rng(enabled=seed is not None):
        if seed is not None:
            torch.manual_seed(seed)
        made = run_factory(model, wanted)
        if not isinstance(made, nn.Module):
            raise UsageError(
                f"the model '{model}' is no torch module: {model.factory} in {model.file} gave a value of "
                f"type {type(made).__name__}"
            )
        made.eval()
        if isinstance(made, SoundEventDetector):
            if model.inputs:
                raise UsageError(f"the model '{model}' is a detector, which takes audio: it needs no inputs")
            made.spec = str(model)
            return OwnModule(str(model), made, None)
        return OwnModule(str(model), made, _inputs(model, load_code(model), made))


def run_factory(model: OwnModel, wanted: Mapping[str, object], *given: object) -> object:
    """What a factory gives with a model's options, with what it takes of ``wanted``, and with arguments.

    Raises:
        UsageError: no such file, module, factory or option.
        EffbenchError: the code fails; with the line that did.
    """
    factory = _factory(model, load_code(model))
    options = {key: _value(model, key, text) for key, text in model.options}
    _check_options(model, factory, options)
    if isinstance(factory, nn.Module) and not options:
        return deepcopy(factory)
    options = {**_accepted(factory, wanted), **options}
    told = ", ".join([*map(repr, given), *(f"{key}={value!r}" for key, value in options.items())])
    with running(model, f"{model.factory}({told})"), _looking_in(_folder(model)):
        return factory(*given, **options)


def load_code(model: OwnModel) -> ModuleType:
    """The module that a model's code is in, run if it was not yet; it can import its neighbours.

    Raises:
        UsageError: there is none.
        EffbenchError: it fails; with the line that did.
    """
    file = model.file
    with running(model, f"the code of {file}"), _looking_in(_folder(model)):
        if not model.place.endswith(".py"):
            return import_module(model.place)
        # A file that was changed since is another module.
        name = f"{file.stem}_{digest([str(file), content_digest(file)])}"
        if name in sys.modules:
            return sys.modules[name]
        spec = spec_from_file_location(name, file, loader=_FromSource(name, str(file)))
        assert spec is not None
        assert spec.loader is not None
        module = sys.modules[name] = module_from_spec(spec)
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[name]
            raise
        return module


class _FromSource(SourceFileLoader):
    """Runs what the file says: bytecode is kept by second and size, and may be of an earlier content."""

    def get_code(self, fullname: str) -> CodeType:
        code: CodeType = self.source_to_code(self.get_data(self.path), self.path)
        return code


def _folder(model: OwnModel) -> str:
    return str(Path(model.place).parent if model.place.endswith(".py") else Path.cwd())


@contextmanager
def _looking_in(folder: str) -> Iterator[None]:
    """Imports find what is in a folder first; later ones, of a forward pass say, find it last.

    Neighbours of another model that have the same name as one here are forgotten.
    """
    others = _folders - {folder}
    for name, module in list(sys.modules.items()):
        top = name.partition(".")[0]
        file = Path(getattr(module, "__file__", None) or "")
        here = Path(folder, f"{top}.py").exists() or Path(folder, top).is_dir()
        if here and any(str(parent) in others for parent in file.parents):
            del sys.modules[name]
    _folders.add(folder)
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)
        if folder not in sys.path:
            sys.path.append(folder)


@contextmanager
def running(model: OwnModel, what: str) -> Iterator[None]:
    """Says of an error of the user's code what it is, and in which line."""
    try:
        yield
    except EffbenchError:
        raise
    except (Exception, SystemExit) as error:
        raise EffbenchError(f"the model '{model}' can't be used: {what} raises {describe(error)}") from error


def blame(error: BaseException) -> str | None:
    """An error that went through the code of models, in one line; ``None`` for any other."""
    files = [Path(frame.filename) for frame in traceback.extract_tb(error.__traceback__)]
    users = any(_is_users(str(file)) and _folders.intersection(map(str, file.parents)) for file in files)
    return f"the code of a model fails: {describe(error)}" if users else None


def describe(error: BaseException) -> str:
    """An exception in one line: its type, what it says, and the line of the code that is not a library's."""
    reason = " ".join(str(error).split())
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if _is_users(frame.filename)]
    if isinstance(error, SyntaxError) and error.filename:
        reason, where = str(error.msg), f"{error.filename}, line {error.lineno}"
    else:
        where = f"{frames[-1].filename}, line {frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{': ' if reason else ''}{reason}{f' ({where})' if where else ''}"


def _is_users(filename: str) -> bool:
    own = Path(__file__).resolve().parents[1]
    path = Path(filename)
    inside = "site-packages" in path.parts or path.is_relative_to(own) or path.is_relative_to(sys.base_prefix)
    return not inside and not filename.startswith("<")


def _factory(model: OwnModel, source: ModuleType) -> Callable[..., object]:
    found: object = source
    for part in model.factory.split("."):
        if not hasattr(found, part):
            names = [name for name in vars(found) if not name.startswith("_")]
            raise UsageError(f"{model.file} has no '{part}'{nearest(part, names)}")
        found = getattr(found, part)
    if not callable(found):
        raise UsageError(
            f"'{model.factory}' in {model.file} is a value of type {type(found).__name__}: a model's factory "
            "is a class or a function that gives a module"
        )
    return found


def _parameters(factory: Callable[..., object]) -> Mapping[str, inspect.Parameter]:
    try:
        return {} if isinstance(factory, nn.Module) else inspect.signature(factory).parameters
    except (TypeError, ValueError):  # written in C
        return {}


def _accepted(factory: Callable[..., object], wanted: Mapping[str, object]) -> dict[str, object]:
    """The arguments that a factory has by name."""
    names = _parameters(factory)
    return {key: value for key, value in wanted.items() if key in names}


def _check_options(model: OwnModel, factory: Callable[..., object], options: Mapping[str, object]) -> None:
    names = _parameters(factory)
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in names.values()):
        return
    for key in options.keys() - names.keys():
        known = f"\nIt has {', '.join(names)}." if names else ""
        raise UsageError(
            f"{model.factory} of the model '{model}' has no argument '{key}'{nearest(key, names)}{known}"
        )


def _value(model: OwnModel, key: str, text: str) -> object:
    try:
        return parse(text)
    except ValueError as error:
        raise UsageError(f"option {key} of the model '{model}' is not YAML: {error}") from None


def _inputs(model: OwnModel, source: ModuleType, module: nn.Module) -> Inputs:
    """Inputs of one clip, as the user gives them, or as the code does."""
    if model.inputs:
        given = tuple(input_of(text) for text in model.inputs)
        check_one_clip(str(model), given)
        return given
    holder = next((place for place in (module, source) if hasattr(place, EXAMPLE_INPUTS)), None)
    if holder is None:
        hint = " To be one, it is an effbench.SoundEventDetector." if hasattr(module, "frontend") else ""
        raise UsageError(
            f"the model '{model}' is not a detector: give the inputs of one call, as shapes such as "
            f"1,1,128,1000, or as a function {EXAMPLE_INPUTS}() in {source.__file__}.{hint}"
        )
    with running(model, f"{EXAMPLE_INPUTS}()"):
        inputs = getattr(holder, EXAMPLE_INPUTS)()
    if not isinstance(inputs, Tensor | Sequence | Mapping) or isinstance(inputs, str | bytes):
        raise UsageError(
            f"{EXAMPLE_INPUTS}() of the model '{model}' gives a tensor, a tuple of arguments or a dict of "
            f"keyword arguments, not a value of type {type(inputs).__name__}"
        )
    check_one_clip(str(model), inputs)
    return dict(inputs) if isinstance(inputs, Mapping) else inputs
