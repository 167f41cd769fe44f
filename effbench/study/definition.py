"""Studies: which models, which tasks. YAML under ``benchmarks/studies/``, or anybody's own file."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from effbench.config import Strict, find, load, shipped
from effbench.grid import CLIP_SECONDS
from effbench.models import zoo
from effbench.spec import ModelSpec

Precision = Literal["fp32", "bf16", "fp16"]
FOLDER = "benchmarks/studies"

Part = Literal["network", "frontend", "both"]


class ComplexityTask(Strict):
    """Parameters and MACs.

    Attributes:
        counters: third-party counters to compare with.
        seconds: length of the clip.
    """

    counters: tuple[Literal["fvcore", "thop", "torch"], ...] = ()
    seconds: Annotated[float, Field(gt=0)] = CLIP_SECONDS


class ThroughputTask(Strict):
    """Throughput, latency and memory.

    Attributes:
        models: only these of the study's models; all by default.
        device: where to measure.
        precisions: each is measured by itself.
        parts: of the detector.
        batch_sizes: clips per call; a sweep by default.
        compiled: use ``torch.compile``.
        threads: of torch on the CPU.
        seconds: length of a clip.
    """

    models: tuple[str, ...] | None = None
    device: str = "cpu"
    precisions: Annotated[tuple[Precision, ...], Field(min_length=1)] = ("fp32",)
    parts: Annotated[tuple[Part, ...], Field(min_length=1)] = ("network",)
    batch_sizes: tuple[Annotated[int, Field(ge=1)], ...] | None = None
    compiled: bool = False
    threads: Annotated[int, Field(ge=1)] | None = None
    seconds: Annotated[float, Field(gt=0)] = CLIP_SECONDS


class Tasks(Strict):
    """What is measured of each model."""

    complexity: ComplexityTask | None = None
    throughput: ThroughputTask | None = None


class Study(Strict):
    """A grid of models and tasks.

    Attributes:
        title: one line for people.
        models: specs and globs over the model cards.
        tasks: what is measured.
    """

    title: str
    models: Annotated[tuple[str, ...], Field(min_length=1)]
    tasks: Tasks

    def specs(self) -> list[ModelSpec]:
        """The models, without repetition."""
        return zoo.resolve(self.models)


def study_names() -> list[str]:
    """Names of the studies that ship with effbench."""
    return shipped(FOLDER)


def load_study(name: str) -> Study:
    """A shipped study by name, or a YAML file by path.

    Raises:
        UsageError: no such study; names the nearest.
        EffbenchError: the file can't be read, or has problems; all of them are listed.
    """
    return load(find(name, FOLDER, "study"), Study, "study")
