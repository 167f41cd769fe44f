"""Statistical figures of a report: those for which the store has what they need."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress

import pandas as pd

from effbench.errors import UsageError
from effbench.plots.statistical.kinds import (
    PerClassDefinition,
    RooflineDefinition,
    SamplesDefinition,
    SeedsDefinition,
)
from effbench.plots.statistical.per_class import ClassScores
from effbench.plots.statistical.roof_points import RoofPoints
from effbench.plots.statistical.samples import TimingSamples
from effbench.plots.statistical.seeds import SeedScores
from effbench.plots.statistical.shared_axis import DifferingRows
from effbench.plots.statistical.sheet import Statistics
from effbench.plots.values import MissingResults


def distributions(
    specs: Sequence[str], rows: pd.DataFrame, device: str | None, scored: Mapping[str, object]
) -> tuple[dict[str, Statistics], dict[str, str]]:
    """By kind: timings of the device at several batch sizes, its roof, scores by class and of several seeds.

    ``scored`` are the conditions of the report's scores. A figure is left out where no setting has all the
    models that have such values; the second of the two says why, by kind.
    """
    rows = rows[rows["spec"].isin(list(specs))]
    found: dict[str, Statistics] = {}
    refused: dict[str, str] = {}
    # A UsageError is of a device whose timings came without samples.
    with _noting("samples", refused), suppress(UsageError):
        timings = SamplesDefinition.model_validate({"kind": "samples", "device": device})
        samples = TimingSamples.of(rows, timings)
        if len({group.batch_size for group in samples.groups}) > 1:
            found["samples"] = samples
    with _noting("roofline", refused):
        # The device of most timings need not be one with rooflines.
        known = set(rows.loc[rows["quantity"] == "roof_share", "device"])
        where = device if device in known else None
        under_roof = RooflineDefinition.model_validate({"kind": "roofline", "device": where})
        found["roofline"] = RoofPoints.of(rows, under_roof)
    with _noting("per-class", refused):
        classes = PerClassDefinition.model_validate({"kind": "per-class", "conditions": dict(scored)})
        found["per-class"] = ClassScores.of(rows, classes)
    with _noting("seeds", refused):
        seeds = SeedScores.of(
            rows, SeedsDefinition.model_validate({"kind": "seeds", "conditions": dict(scored)})
        )
        if any(len(scores) > 1 for scores in seeds.scores.values()):
            found["seeds"] = seeds
    return found, refused


@contextmanager
def _noting(kind: str, refused: dict[str, str]) -> Iterator[None]:
    """Goes on without a figure, noting why where there are rows for it, which differ."""
    try:
        yield
    except DifferingRows as error:
        refused[kind] = str(error).partition("\n")[0]
    except MissingResults:
        pass
