"""Statistical figures of a report: those for which the store has what they need."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress

import pandas as pd

from effbench.errors import UsageError
from effbench.plots.statistical.kinds import PerClassDefinition, SamplesDefinition, SeedsDefinition
from effbench.plots.statistical.per_class import ClassScores
from effbench.plots.statistical.samples import TimingSamples
from effbench.plots.statistical.seeds import SeedScores
from effbench.plots.statistical.sheet import Statistics
from effbench.plots.values import MissingResults


def distributions(
    specs: Sequence[str], rows: pd.DataFrame, device: str | None, scored: Mapping[str, object]
) -> dict[str, Statistics]:
    """By kind: timings of the device at several batch sizes, scores by class, scores of several seeds.

    ``scored`` are the conditions of the report's scores. A figure that can't hold all models that have such
    values is left out.
    """
    rows = rows[rows["spec"].isin(list(specs))]
    found: dict[str, Statistics] = {}
    with suppress(MissingResults, UsageError):  # the latter where timings of the device came without samples
        timings = SamplesDefinition.model_validate({"kind": "samples", "device": device})
        samples = TimingSamples.of(rows, timings)
        if len({group.batch_size for group in samples.groups}) > 1:
            found["samples"] = samples
    with suppress(MissingResults):
        classes = PerClassDefinition.model_validate({"kind": "per-class", "conditions": dict(scored)})
        found["per-class"] = ClassScores.of(rows, classes)
    with suppress(MissingResults):
        seeds = SeedScores.of(
            rows, SeedsDefinition.model_validate({"kind": "seeds", "conditions": dict(scored)})
        )
        if any(len(scores) > 1 for scores in seeds.scores.values()):
            found["seeds"] = seeds
    return found
