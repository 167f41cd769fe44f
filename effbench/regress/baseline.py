"""The file that ``effbench regress`` compares with: complexity and relative speed of some models."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from effbench.errors import UsageError
from effbench.files import replacing
from effbench.results.intervals import Estimate

DEFAULT_BASELINE = Path("benchmarks/baselines/regress.json")
Count = Annotated[int, Field(ge=0)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Speed(_Strict):
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


class Entry(_Strict):
    """One model: what must stay equal, and its speed where that was measured."""

    parameters: Count
    macs_exact: Count
    macs_paper: Count
    speed: Speed | None = None


class Conditions(_Strict):
    """What the speeds depend on besides the model."""

    hardware: dict[str, Any]
    device: str
    threads: Annotated[int, Field(ge=1)]
    clip_seconds: Positive
    reference: str
    torch: str


class Baseline(_Strict):
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
    conditions: Conditions | None
    models: Annotated[dict[str, Entry], Field(min_length=1)]


def read_baseline(path: Path) -> Baseline:
    """The baseline in a file.

    Raises:
        UsageError: there is no such file, or what it holds is no baseline.
    """
    try:
        return Baseline.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        raise UsageError(f"no baseline at {path}; make one with 'effbench regress save'") from None
    except OSError as error:
        raise UsageError(f"can't read the baseline {path}: {error.strerror}") from error
    except ValidationError as error:
        first, *others = error.errors()
        where = ".".join(map(str, first["loc"]))
        more = f" (and {len(others)} more)" if others else ""
        reason = f"{where}: {first['msg']}" if where else first["msg"]
        raise UsageError(f"{path} is no baseline of effbench regress: {reason}{more}") from error


def write_baseline(baseline: Baseline, path: Path) -> None:
    """Writes a baseline whole or not at all.

    Raises:
        EffbenchError: the file can't be written.
    """
    text = json.dumps(baseline.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    with replacing(path, make_folder=True) as temporary:
        temporary.write_text(text, encoding="utf-8")
