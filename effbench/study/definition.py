"""Studies: which models, tasks and data. YAML under ``benchmarks/studies/``, or your own file."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from effbench.config import Strict, load
from effbench.data.synth.write import SynthOptions, make_options
from effbench.errors import EffbenchError
from effbench.grid import CLIP_SECONDS
from effbench.models import zoo
from effbench.spec import ModelSpec
from effbench.yaml_files import PROTOCOLS, beside, find, shipped

_FOLDER = "benchmarks/studies"

Precision = Literal["fp32", "tf32", "bf16", "fp16"]
Part = Literal["network", "frontend", "both"]


def _known(models: tuple[str, ...]) -> tuple[str, ...]:
    try:
        names = [str(spec) for spec in zoo.resolve(models)]
    except EffbenchError as error:
        raise ValueError(str(error).splitlines()[0]) from error
    if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
        raise ValueError(f"two models are called {twice[0]}: give each a name, as NAME=./file.py:factory")
    return models


#: Specs, globs over the model cards, and references to models of one's own.
Models = Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_known)]


def _protocol(name: str) -> str:
    try:
        find(name, PROTOCOLS, "protocol")
    except EffbenchError as error:
        raise ValueError(str(error).splitlines()[0]) from error
    return name


#: One that ships, or a path.
ProtocolName = Annotated[str, AfterValidator(_protocol)]


class Task(Strict):
    """What is done with each of ``models``; with the study's, where a task names none."""

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

    device: str = "cpu"
    precisions: Annotated[tuple[Precision, ...], Field(min_length=1)] = ("fp32",)
    parts: Annotated[tuple[Part, ...], Field(min_length=1)] = ("network",)
    batch_sizes: tuple[PositiveInt, ...] | None = None
    compiled: bool = False
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
    device: str = "auto"
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
        batch_size: windows per call; by default what suits the device.
    """

    data: str
    layout: str | None = None
    audio: str | None = None
    split: str | None = "eval"
    checkpoint: str | None = None
    protocol: ProtocolName = "paper"
    metrics: tuple[str, ...] | None = None
    device: str = "cpu"
    precision: Precision = "fp32"
    batch_size: PositiveInt | None = None


class Tasks(Strict):
    """What is done with each model."""

    complexity: ComplexityTask | None = None
    throughput: ThroughputTask | None = None
    train: TrainTask | None = None
    evaluate: EvaluateTask | None = None


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
    """A grid of models and tasks; ``data`` are sets that are made when a task needs them, by their names."""

    title: str
    models: Models
    tasks: Tasks
    data: dict[str, SyntheticSet] = Field(default_factory=lambda: {"synthetic": SyntheticSet()})

    def specs(self, models: Iterable[str] | None = None) -> list[ModelSpec]:
        """The study's models, or those of a task, each once."""
        return zoo.resolve(self.models if models is None else models)


def study_names() -> list[str]:
    """Names of the studies that ship with effbench."""
    return shipped(_FOLDER)


def load_study(name: str) -> Study:
    """A shipped study by name, or a YAML file by path; ``EffbenchError`` lists all of its problems.

    A protocol of one's own is read, too, so that what is wrong with it is said before anything runs.
    """
    path = find(name, _FOLDER, "study")
    study = load(path, Study, "study")
    scoring = study.tasks.evaluate
    if scoring is None or scoring.protocol in shipped(PROTOCOLS):
        return study
    from effbench.evaluate.protocol_files import load_protocol  # loads SciPy

    own = beside(scoring.protocol, path)
    load_protocol(own)
    tasks = study.tasks.model_copy(update={"evaluate": scoring.model_copy(update={"protocol": own})})
    return study.model_copy(update={"tasks": tasks})
