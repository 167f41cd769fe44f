"""Studies: which models, which tasks. YAML under ``benchmarks/``, or anybody's own file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from effbench.errors import EffbenchError, UsageError, nearest
from effbench.grid import CLIP_SECONDS
from effbench.models import zoo
from effbench.resources import share
from effbench.spec import ModelSpec

Precision = Literal["fp32", "bf16", "fp16"]
Part = Literal["network", "frontend", "both"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ComplexityTask(_Strict):
    """Parameters and MACs.

    Attributes:
        counters: third-party counters to compare with.
        seconds: length of the clip.
    """

    counters: tuple[Literal["fvcore", "thop", "torch"], ...] = ()
    seconds: Annotated[float, Field(gt=0)] = CLIP_SECONDS


class ThroughputTask(_Strict):
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


class Tasks(_Strict):
    """What is measured of each model."""

    complexity: ComplexityTask | None = None
    throughput: ThroughputTask | None = None


class Study(_Strict):
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
    return sorted(path.stem for path in share("benchmarks").glob("*.yaml"))


def load_study(name: str) -> Study:
    """A shipped study by name, or a YAML file by path.

    Raises:
        UsageError: no such study; names the nearest.
        EffbenchError: the file has problems; all of them are listed.
    """
    path = share("benchmarks") / f"{name}.yaml" if name in study_names() else Path(name)
    if path.suffix not in (".yaml", ".yml") or not path.is_file():
        names = study_names()
        known = ", ".join(names)
        raise UsageError(
            f"no study '{name}'{nearest(name, names)}\nStudies: {known}, or the path of a YAML file."
        )
    try:
        return Study.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except ValidationError as error:
        problems = [f"{'.'.join(map(str, e['loc'])) or 'file'}: {e['msg']}" for e in error.errors()]
        noun = "problem" if len(problems) == 1 else "problems"
        raise EffbenchError("\n".join([f"study {path} has {len(problems)} {noun}", *problems])) from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise EffbenchError(f"study {path} can't be read: {' '.join(str(error).split())}") from None
