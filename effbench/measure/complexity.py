"""What a model costs whatever it runs on: parameters and MACs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from effbench.errors import EffbenchError, UsageError, nearest
from effbench.grid import CLIP_SECONDS
from effbench.machine.description import Environment
from effbench.measure.macs import MacReport, count_macs
from effbench.measure.macs.copies import untouched
from effbench.measure.macs.crosscheck import COUNTERS, CrossCheck, cross_check
from effbench.measure.macs.random_state import generators_kept
from effbench.measure.macs.report import bounded
from effbench.models import zoo
from effbench.models.build import build_model
from effbench.models.detector import SoundEventDetector
from effbench.models.own_code import OwnModule, build_own, describe
from effbench.models.own_inputs import Inputs, told_of
from effbench.models.own_model import OwnModel, find_model
from effbench.results.measurement import UNITS, Measurement
from effbench.shown import Row, Shown, Table, short
from effbench.spec import ModelSpec

_MILLION = 1e6
_FLOAT32 = 4  # bytes


@dataclass(frozen=True)
class Parameters:
    """Number of parameters, whole and by part; buffers (statistics, windows) do not count.

    Attributes:
        total: all parameters, weak head and constant ones included, as published figures count.
        trainable: without constant ones (rotary frequencies).
        backbone, sequence, strong_head, weak_head: the parts; zero where a module has no such part.
        without_weak_head: what frame-wise detection needs.
        file_bytes: size of all weights and persistent buffers in float32, bytes.
    """

    total: int
    trainable: int
    backbone: int
    sequence: int
    strong_head: int
    weak_head: int
    without_weak_head: int
    file_bytes: int


@dataclass(frozen=True, repr=False)
class Complexity(Shown):
    """Parameters and MACs of one model.

    Attributes:
        spec: canonical spec, or the class name of a module that was passed in.
        macs: of the network for one clip of ``clip_seconds``, or of a module for one call.
        frontend: MACs of the front-end, which the network's do not include; None for other modules.
        counters: third-party figures, by name of the counter.
    """

    spec: str
    parameters: Parameters
    macs: MacReport
    frontend: MacReport | None
    counters: Mapping[str, CrossCheck]
    clip_seconds: float

    def __str__(self) -> str:
        bound = "" if self.macs.complete else "at least "
        return f"{self.spec}: {short(self.parameters.total)} parameters, {bound}{short(self.macs.exact)} MACs"

    def macs_by_counter(self) -> dict[str, int | None]:
        """MACs by counter; ``None`` where one was not asked or failed."""
        third_party = {name: self.counters[name].macs if name in self.counters else None for name in COUNTERS}
        return {"exact": self.macs.exact, "paper": self.macs.paper, **third_party}

    def layers(self) -> list[Row]:
        """Parameters and exact MACs of each layer; they add up to the totals."""
        return [
            {
                "layer": module.name,
                "kind": module.kind,
                "output": "×".join(map(str, module.output_shape)) if module.output_shape else None,
                "parameters": module.parameters,
                "macs": module.exact,
            }
            for module in self.macs.layers()
        ]

    def sections(self) -> Iterator[Table | str]:
        parameters, macs = self.parameters, self.macs
        work = "one call" if self.frontend is None else f"one clip of {self.clip_seconds:g} s"
        yield Table(list(self._parts()), f"{self.spec}, {work}")
        without = f", {parameters.without_weak_head:,} without the weak head" if parameters.weak_head else ""
        size = parameters.file_bytes / _MILLION
        yield f"Parameters: {parameters.trainable:,} trainable{without}; weights {size:.2f} MB in float32."
        apart = f"; front-end apart: {self.frontend.exact / _MILLION:,.1f} M" if self.frontend else ""
        yield f"Exact MACs by operator: {_millions(macs.by_operator)}{apart}."
        yield f"Element operations, no MACs: {_millions(macs.element_operations)}."
        yield (
            f"Read and written by its operators: {macs.traffic.bytes() / _MILLION:,.1f} MB in float32,"
            f" {macs.intensity():.3g} MACs per byte."
        )
        if macs.training is not None:
            yield f"Forward and backward: {macs.training / _MILLION:,.1f} M MACs, as in training."
        if not macs.complete:
            yield f"Incomplete: no rule for {macs.missing()}; their MACs are missing."
        if self.counters:
            explained = [row for check in self.counters.values() for row in self._explained(check)]
            yield Table(explained, "Third-party counters")

    def rows(self) -> list[Row]:
        counts = {f"parameters_{name}": count for name, count in asdict(self.parameters).items()}
        macs = {f"macs_{name}": macs for name, macs in self.macs_by_counter().items()}
        row = {"spec": self.spec, **counts, **macs, "macs_training": self.macs.training}
        traffic = {"traffic": self.macs.traffic.bytes(), "macs_per_byte": self.macs.intensity()}
        return [row | traffic | ({} if self.macs.complete else {"unknown": self.macs.missing()})]

    def to_dict(self) -> dict[str, object]:
        return {
            "spec": self.spec,
            "clip_seconds": self.clip_seconds,
            "parameters": asdict(self.parameters),
            "macs": self.macs_by_counter(),
            "macs_detail": {
                **self.macs.to_dict(),
                "frontend": self.frontend.exact if self.frontend else None,
                "causes": {name: list(check.causes) for name, check in self.counters.items()},
            },
        }

    def measurements(self, environment: Environment) -> list[Measurement]:
        """Rows for the results store; counts depend only on the software of the environment.

        With the exact MACs are kept those of the network's blocks, which add up to them.
        MACs of which some are missing, because an operator has no rule, are not stored.
        """
        software = {"software": asdict(environment.software)}
        counts = {
            "parameters" if name == "total" else f"parameters_{name}": count
            for name, count in asdict(self.parameters).items()
        }
        rows = [
            Measurement.here(self.spec, quantity, count, environment=software)
            for quantity, count in counts.items()
            if quantity in UNITS
        ]
        for name, macs in self.macs_by_counter().items():
            conditions: dict[str, object] = {"seconds": self.clip_seconds}
            if name in self.counters:
                conditions["explanation"] = list(self.counters[name].causes)
            complete = name in self.counters or not self.macs.unknown
            if macs is not None and complete:
                quantity = f"macs_{name}"
                about = {**software, "blocks": self._blocks()} if name == "exact" else software
                rows.append(
                    Measurement.here(self.spec, quantity, macs, conditions=conditions, environment=about)
                )
        return rows + [self._of_clip(*pair, software) for pair in self._extra()]

    def _blocks(self) -> list[Row]:
        return [
            {
                "name": block.name or "(itself)",
                "kind": block.kind,
                "parameters": block.parameters,
                "macs": block.exact,
            }
            for block in self.macs.blocks()
        ]

    def _extra(self) -> Iterator[tuple[str, int]]:
        if self.macs.complete:
            yield "traffic", self.macs.traffic.bytes()
            if self.macs.training is not None:
                yield "macs_training", self.macs.training

    def _of_clip(self, quantity: str, value: int, software: Mapping[str, object]) -> Measurement:
        conditions = {"seconds": self.clip_seconds}
        return Measurement.here(self.spec, quantity, value, conditions=conditions, environment=software)

    def _parts(self) -> Iterator[Row]:
        """The direct children, but for the front-end, and the whole."""
        apart = ("",) if self.frontend is None else ("", "frontend")
        for module in self.macs.modules:
            if module.name not in apart and "." not in module.name:
                yield {
                    "part": module.name.replace("_", " "),
                    "parameters": module.parameters,
                    "MACs exact": bounded(module.exact, self.macs.unknown_in(module.name)),
                    "MACs paper": bounded(module.paper, self.macs.unknown_in(module.name)),
                }
        macs = (bounded(count, self.macs.unknown) for count in (self.macs.exact, self.macs.paper))
        total = ("total", self.parameters.total, *macs)
        yield dict(zip(("part", "parameters", "MACs exact", "MACs paper"), total, strict=True))

    def _explained(self, check: CrossCheck) -> Iterator[Row]:
        exact = self.macs.exact
        difference = f"{100 * (check.macs / exact - 1):+.2f} %" if check.macs is not None and exact else ""
        first: dict[str, object] = {"counter": check.counter, "MACs": check.macs, "difference": difference}
        for cause in check.causes or ("agrees with the exact count",):
            yield {**first, "cause": cause}
            first = dict.fromkeys(first)


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


def _millions(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} {_in_millions(count)}" for kind, count in counts.items()) or "none"


def _in_millions(count: int) -> str:
    return f"{count / _MILLION:,.1f} M" if count >= _MILLION / 10 else f"{count:,}"
