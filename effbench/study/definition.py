"""Studies: which models, tasks and data. YAML under ``benchmarks/studies/``, or your own file."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    WrapValidator,
    model_validator,
)

from effbench.config import Strict, load, one_or_more
from effbench.data.synth.write import SynthOptions, make_options
from effbench.errors import EffbenchError
from effbench.grid import CLIP_SECONDS
from effbench.spec import ModelSpec
from effbench.study.products import Models, Product, specs_of
from effbench.study.spending import Price, duration
from effbench.yaml_files import PROTOCOLS, beside, find, shipped

_FOLDER = "benchmarks/studies"

Precision = Literal["fp32", "tf32", "bf16", "fp16"]
Part = Literal["network", "frontend", "both"]
Backend = Literal[
    "eager", "folded", "compiled", "onnx", "onnx-int8", "openvino", "cuda-graph", "triton", "triton-blocks"
]


def _protocol(name: str) -> str:
    try:
        find(name, PROTOCOLS, "protocol")
    except EffbenchError as error:
        raise ValueError(str(error).splitlines()[0]) from error
    return name


#: One that ships, or a path.
ProtocolName = Annotated[str, AfterValidator(_protocol)]


def _device(name: str) -> str:
    return re.sub("^gpu(?=$|:)", "cuda", name.strip().lower())


#: As ``resolve_device`` takes them, each in one spelling.
DeviceName = Annotated[str, AfterValidator(_device)]


class Task(Strict):
    """What is done with each of ``models``; with the study's, where a task names none.

    ``name`` tells it from others of its kind.
    """

    name: Annotated[str, Field(pattern=r"^[\w.-]+$")] | None = None
    models: Models | None = None


class ComplexityTask(Task):
    """Parameters and MACs, also as third-party ``counters`` see them, for a clip of ``seconds``."""

    counters: tuple[Literal["fvcore", "thop", "torch"], ...] = ()
    seconds: PositiveFloat = CLIP_SECONDS


class ThroughputTask(Task):
    """Throughput, latency and memory, under conditions as ``effbench.measure.conditions`` describes them.

    Each of ``precisions`` and ``parts`` is measured by itself; ``batch_sizes`` are a sweep by default. On a
    cluster, ``hardware`` names the machines that are to be timed, as their resources in Ray do.
    """

    device: DeviceName = "cpu"
    precisions: Annotated[tuple[Precision, ...], Field(min_length=1)] = ("fp32",)
    parts: Annotated[tuple[Part, ...], Field(min_length=1)] = ("network",)
    batch_sizes: tuple[PositiveInt, ...] | None = None
    backend: Backend = "eager"
    threads: PositiveInt | None = None
    seconds: PositiveFloat = CLIP_SECONDS
    kernels: Literal["torch", "mamba-ssm"] = "torch"
    hardware: str | None = None


class TrainTask(Task):
    """A training of each model with each seed.

    Attributes:
        recipe: name of a shipped recipe, or a YAML file.
        changes: of the recipe, ``section.key=value`` each.
        data: name of a set of the study, or a folder; likewise ``audio``, ``pseudo_labels``, ``weak_data``.
        layout: of the data set; recognised by default.
        audio: folder of its audio, if it is not beside the tables.
        pseudo_labels: HDF5 file, for recipes that distil.
        weak_data: clips of the weak batches, for recipes with an online teacher.
        workers: loading processes.
    """

    recipe: str
    changes: tuple[str, ...] = ()
    data: str
    layout: str | None = None
    audio: str | None = None
    pseudo_labels: str | None = None
    weak_data: str | None = None
    seeds: Annotated[tuple[NonNegativeInt, ...], Field(min_length=1)] = (0,)
    device: DeviceName = "auto"
    workers: NonNegativeInt = 0
    threads: PositiveInt | None = None


class EvaluateTask(Task):
    """Scores of each model: of the weights that the study trains, with each seed, where it does.

    Attributes:
        data: name of a set of the study, or a folder.
        layout: of the data set; recognised by default.
        audio: folder of its audio, if it is not beside the tables.
        checkpoint: ``strong``, ``advanced-kd`` or a file, for models that the study does not train;
            untrained weights by default.
        protocol: name of one that ships, or the path of a YAML file, from the study's folder.
        metrics: those of the protocol by default.
        backend: what runs the models.
        batch_size: windows per call; by default what suits the device.
    """

    data: str
    layout: str | None = None
    audio: str | None = None
    split: str | None = "eval"
    checkpoint: str | None = None
    protocol: ProtocolName = "paper"
    metrics: tuple[str, ...] | None = None
    device: DeviceName = "cpu"
    precision: Precision = "fp32"
    backend: Backend = "folded"
    batch_size: PositiveInt | None = None


AnyTask = TypeVar("AnyTask", bound=Task)


def _named_apart(tasks: tuple[AnyTask, ...]) -> tuple[AnyTask, ...]:
    names = [task.name for task in tasks]
    if len(set(names)) < len(names):
        raise ValueError(f"{len(tasks)} tasks of one kind need a name each, as in {{name: half, …}}")
    return tasks


#: One task, or a list of them, each with a name of its own; nothing is none.
Several = Annotated[tuple[AnyTask, ...], WrapValidator(one_or_more), AfterValidator(_named_apart)]


class Tasks(Strict):
    """What is done with each model."""

    complexity: Several[ComplexityTask] = ()
    throughput: Several[ThroughputTask] = ()
    train: Several[TrainTask] = ()
    evaluate: Several[EvaluateTask] = ()


class SyntheticSet(Strict):
    """A data set of synthetic soundscapes, with the options and defaults of ``effbench data synth``."""

    layout: Literal["audioset", "hear"] = "audioset"
    clips: int = 200
    eval_clips: int = 50
    classes: tuple[str, ...] | None = None
    seconds: float | None = None
    snr: tuple[float, float] = (0.0, 20.0)
    seed: int = 0

    @property
    def options(self) -> SynthOptions:
        """The same, checked and complete."""
        return make_options(**dict(self))

    @model_validator(mode="after")
    def _possible(self) -> SyntheticSet:
        try:
            _ = self.options
        except EffbenchError as error:
            raise ValueError(str(error).splitlines()[0]) from error
        return self


class Study(Strict):
    """A grid of models and tasks.

    Attributes:
        data: sets that are made when a task needs them, by their names.
        budget: seconds after which a run begins no more jobs; in files as ``90s``, ``30m`` or ``2h``.
        price: of an hour of a machine, for estimates.
    """

    title: str
    models: Models
    tasks: Tasks
    budget: Annotated[float, BeforeValidator(duration)] | None = None
    price: Price | None = None
    data: dict[str, SyntheticSet] = Field(default_factory=lambda: {"synthetic": SyntheticSet()})

    def specs(self, models: Iterable[str | Product] | None = None) -> list[ModelSpec]:
        """The study's models, or those of a task, each once."""
        return specs_of(self.models if models is None else models)


def load_study(name: str) -> Study:
    """A shipped study by name, or a YAML file by path; ``EffbenchError`` lists all of its problems.

    A protocol of one's own is read, too, so that what is wrong with it is said before anything runs.
    """
    path = find(name, _FOLDER, "study")
    study = load(path, Study, "study")
    scorings = tuple(_with_protocol(task, path) for task in study.tasks.evaluate)
    tasks = study.tasks.model_copy(update={"evaluate": scorings})
    return study.model_copy(update={"tasks": tasks})


def _with_protocol(task: EvaluateTask, path: Path) -> EvaluateTask:
    """The task with the path of its protocol, where that is not one that ships."""
    if task.protocol in shipped(PROTOCOLS):
        return task
    from effbench.evaluate.protocol_files import load_protocol  # loads SciPy

    own = beside(task.protocol, path)
    load_protocol(own)
    return task.model_copy(update={"protocol": own})
