"""The file that ``effbench regress`` compares with: complexity and relative speed of some models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from effbench.config import Strict, load
from effbench.errors import UsageError
from effbench.files import replacing
from effbench.results.intervals import Estimate

Count = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Exact(Strict):
    model_config = ConfigDict(strict=True)


class Speed(_Exact):
    """How many times as fast as the reference workload a model is.

    Attributes:
        ratio: median over pairs; 0.5 takes twice the reference's time.
        low: lower end of the 95 % interval.
        high: upper end.
        pairs: number of pairs.
        seconds: median of the model's own times on that day; for the reader, never compared.
    """

    ratio: Positive
    low: Positive
    high: Positive
    pairs: Annotated[int, Field(ge=1)]
    seconds: Positive

    @property
    def estimate(self) -> Estimate:
        """The ratio with its interval."""
        return Estimate(self.ratio, self.low, self.high)


class Entry(_Exact):
    """One model: what must stay equal, and its speed where that was measured."""

    parameters: Count
    macs_exact: Count
    macs_paper: Count
    speed: Speed | None = None


class Setup(_Exact):
    """What the speeds depend on besides the model."""

    hardware: dict[str, object]
    device: str
    threads: Annotated[int, Field(ge=1)]
    clip_seconds: Positive
    reference: str
    torch: str


class Baseline(_Exact):
    """Everything that a check needs.

    Attributes:
        schema_version: of the file's format.
        created: UTC, ISO 8601.
        effbench: version that saved it.
        commit: of the checkout that saved it, if any.
        conditions: of the speeds; None where only complexity was saved.
        models: by canonical spec.
    """

    schema_version: Literal[1] = 1
    created: str
    effbench: str
    commit: str | None
    conditions: Setup | None
    models: Annotated[dict[str, Entry], Field(min_length=1)]


def read_baseline(path: Path) -> Baseline:
    """The baseline in a file.

    Raises:
        UsageError: there is no such file, or it is not a baseline.
    """
    if not path.exists():
        raise UsageError(f"no baseline at {path}; make one with 'effbench regress save'")
    return load(path, Baseline, "baseline", UsageError)


def write_baseline(baseline: Baseline, path: Path) -> None:
    """Writes a baseline whole or not at all.

    Raises:
        EffbenchError: the file can't be written.
    """
    text = json.dumps(baseline.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    with replacing(path, make_folder=True) as temporary:
        temporary.write_text(text, encoding="utf-8")
