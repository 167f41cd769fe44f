"""The file that checks compare with: what some models count, exactly."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field

from effbench.config import Strict, check
from effbench.errors import UsageError
from effbench.files import replacing
from effbench.yaml_files import read

Count = Annotated[int, Field(ge=0)]

#: What is counted, as reports call it.
COUNTS = {
    "parameters": "parameters",
    "macs_exact": "MACs (exact)",
    "macs_paper": "MACs (paper)",
    "operators": "operators",
    "activation_bytes": "activation bytes",
    "peak_live_bytes": "peak live bytes",
}
#: Counts in which torch has a say: another version may take the same model apart in another way.
OF_TORCH = ("operators", "activation_bytes", "peak_live_bytes")


class _Exact(Strict):
    model_config = ConfigDict(strict=True)


class Entry(_Exact):
    """Counts of one model: its parameters, and one call of its network for a clip of 10 s.

    Attributes:
        operators: calls of torch's operators, the size of the graph.
        activation_bytes: of all tensors that they make.
        peak_live_bytes: the most that is alive at once of these.
    """

    parameters: Count
    macs_exact: Count
    macs_paper: Count
    operators: Count
    activation_bytes: Count
    peak_live_bytes: Count


class Baseline(_Exact):
    """Everything that a check needs, by canonical spec."""

    schema_version: Literal[2] = 2
    created: str
    effbench: str
    commit: str | None
    torch: str
    models: Annotated[dict[str, Entry], Field(min_length=1)]


def read_baseline(path: Path) -> Baseline:
    """The baseline in a file; ``UsageError`` where there is none."""
    if not path.exists():
        raise UsageError(f"no baseline at {path}; make one with 'effbench regress save'")
    content = read(path, "baseline", UsageError)
    if isinstance(content, dict) and content.get("schema_version") == 1:
        raise UsageError(f"{path} is a baseline of an earlier version: delete it, and save it anew")
    return check(content, Baseline, f"baseline {path}", UsageError)


def write_baseline(baseline: Baseline, path: Path) -> None:
    """Write a baseline, whole or not at all."""
    text = json.dumps(baseline.model_dump(mode="json"), indent=2, ensure_ascii=False) + "\n"
    with replacing(path, make_folder=True) as temporary:
        temporary.write_text(text, encoding="utf-8")
