"""What a model costs whatever it runs on: parameters and MACs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from effbench.errors import EffbenchError, UsageError, nearest
from effbench.grid import CLIP_SECONDS
from effbench.measure.complexity_result import Complexity, Parameters
from effbench.measure.macs import MacReport, count_macs
from effbench.measure.macs.copies import untouched
from effbench.measure.macs.crosscheck import COUNTERS, cross_check
from effbench.measure.macs.random_state import generators_kept
from effbench.models import zoo
from effbench.models.build import build_model
from effbench.models.detector import SoundEventDetector
from effbench.models.own_code import OwnModule, build_own, describe
from effbench.models.own_inputs import Inputs, told_of
from effbench.models.own_model import OwnModel, find_model
from effbench.spec import ModelSpec

_FLOAT32 = 4  # bytes


def measure_complexity(
    model: str | ModelSpec | nn.Module | OwnModule,
    *,
    inputs: Inputs | None = None,
    counters: Sequence[str] = (),
    clip_seconds: float = CLIP_SECONDS,
    strict: bool | None = None,
    training: bool = False,
) -> Complexity:
    """Parameters and MACs of a spec (on the ``meta`` device: no weights), a detector or any other module.

    Args:
        model: a spec, a detector, or any module; or a model of one's own, which brings its inputs.
        inputs: of one call of a module that is not a detector: one tensor, positional or keyword arguments.
        counters: third-party counters to run as well, of ``fvcore``, ``thop`` and ``torch``; they need
            the weights, and a module of one input.
        clip_seconds: length of the clip.
        strict: refuse to count a network with an operator that has no rule; by default, only one that is not
            of one's own, which is counted as far as it goes, with a warning.
        training: also count the forward and backward pass of a training.

    Raises:
        UsageError: an unknown model or counter, a clip too short for the model, missing or unwanted inputs.
        UncountedOperator: in strict mode.
    """
    for counter in counters:
        if counter not in COUNTERS:
            raise UsageError(
                f"unknown counter '{counter}'{nearest(counter, COUNTERS)}\nKnown: {', '.join(COUNTERS)}, all."
            )
    if not isinstance(model, nn.Module | OwnModule):
        found = find_model(model)
        model = build_own(found, seed=0) if isinstance(found, OwnModel) else found
    if isinstance(model, OwnModule):
        name, module, weighted, inputs = model.name, model.module, model.module, model.inputs
    elif isinstance(model, nn.Module):
        name, module, weighted = type(model).__name__, model, model
    else:
        name = str(model)
        # Code of one's own may not run where tensors have no values.
        with torch.device("meta") if zoo.model_code(model) is None else nullcontext():
            module = build_model(name)
        weighted = build_model(name) if counters else module
    if strict is None:
        strict = not isinstance(model, OwnModule) and inputs is None
    frontend = None
    with _calling(name, inputs, own=isinstance(model, OwnModule)):
        if isinstance(module, SoundEventDetector):
            if inputs is not None:
                raise UsageError("a detector is counted for a clip of some length, not on given inputs")
            inputs, frontend = _clip(module, clip_seconds, strict)
        elif inputs is None:
            raise UsageError(f"{name} is not a detector: give the inputs of one call")
        module = _initialised(module, inputs)
        args, kwargs = ((), inputs) if isinstance(inputs, Mapping) else (inputs, None)
        report = count_macs(module, args, kwargs, strict=strict, training=training)
    return Complexity(
        spec=name,
        parameters=count_parameters(module),
        macs=report,
        frontend=frontend,
        counters={name: cross_check(weighted, _only(inputs), report, name) for name in counters},
        clip_seconds=clip_seconds,
    )


@contextmanager
def _calling(name: str, inputs: Inputs | None, *, own: bool) -> Iterator[None]:
    """Says of a module that is not effbench's own that its call failed, and on which inputs."""
    try:
        yield
    except EffbenchError:
        raise
    except Exception as error:
        if not own and inputs is None:
            raise
        on = "audio" if inputs is None else told_of(inputs)
        raise UsageError(f"{name} can't be called on these inputs, {on}: {describe(error)}") from error


def _initialised(module: nn.Module, inputs: Inputs) -> nn.Module:
    """A module whose parameters have shapes: a copy of a lazy one, which gets them by a call."""
    if not any(map(is_lazy, [*module.parameters(), *module.buffers()])):
        return module
    copied, given = untouched(module, inputs)
    with torch.no_grad(), generators_kept():
        if isinstance(given, Mapping):
            copied(**given)
        else:
            copied(*((given,) if isinstance(given, Tensor) else given))
    return copied


def count_parameters(module: nn.Module) -> Parameters:
    """Parameters of a detector or of any other module; a tensor that is used twice counts once."""
    parts = {name: _count(child) for name, child in module.named_children()}
    total = _count(module)
    state = {tensor.data_ptr() or id(tensor): tensor for tensor in module.state_dict(keep_vars=True).values()}
    return Parameters(
        total=total,
        trainable=sum(p.numel() for p in module.parameters() if p.requires_grad),
        **{name: parts.get(name, 0) for name in ("backbone", "sequence", "strong_head", "weak_head")},
        without_weak_head=total - parts.get("weak_head", 0),
        file_bytes=sum(
            t.numel() * (_FLOAT32 if t.is_floating_point() else t.element_size()) for t in state.values()
        ),
    )


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def _clip(detector: SoundEventDetector, clip_seconds: float, strict: bool) -> tuple[Tensor, MacReport]:
    """Features (1, 1, mels, feature frames) of one silent clip, and what they cost."""
    device = next(detector.parameters()).device
    waveform = torch.zeros(1, round(clip_seconds * detector.sample_rate), device=device)
    try:
        with torch.no_grad():
            features = detector.frontend(waveform)
    except ValueError as error:
        raise UsageError(f"a clip of {clip_seconds:g} s can't be counted: {error}") from None
    return features, count_macs(detector.frontend, waveform, strict=strict)


def _only(inputs: Inputs) -> Tensor:
    """The one input of a call, as zeros on the CPU."""
    arguments = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    if len(arguments) != 1 or not isinstance(arguments[0], Tensor):
        raise UsageError("third-party counters take modules whose only input is a tensor")
    return torch.zeros_like(arguments[0], device="cpu")
