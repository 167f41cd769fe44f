"""What the explorer shows: every comparable value of every model, as recommendations choose them.

Scores of each data set and protocol are a metric of their own, and timings belong to one device and setting,
so that whatever is shown together may be compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from effbench.grid import CLIP_SECONDS
from effbench.models import zoo
from effbench.plots.caption import setting as setting_in_words
from effbench.plots.quantities import ON_A_DEVICE, SCORE_UNITS
from effbench.plots.scored import SCORED_ON, short_fingerprint
from effbench.plots.timings import PREFERRED, SETTING, fitness, timed_devices
from effbench.plots.values import MissingResults, rows_of
from effbench.reports.candidates import Candidates
from effbench.reports.fair_times import UNKNOWN_DEVICE, fair_times
from effbench.reports.known_values import Known, KnownValues, known_from
from effbench.results.measurement import UNITS

#: Quantities that no device changes, besides scores.
COUNTED = ("parameters", "macs_exact", "macs_paper", "macs_training", "traffic")

_CONDITIONS = tuple(name for names in SCORED_ON for name in names)


@dataclass(frozen=True)
class ExploredMetric:
    """A quantity as the explorer offers it, by a name that no other has; scores may be of several data sets.

    ``values`` are empty for timings, which are in ``ExploredSetting``.
    """

    name: str
    quantity: str
    values: Mapping[str, Known]

    @property
    def is_score(self) -> bool:
        """Whether models can be ranked by it."""
        return UNITS[self.quantity] in SCORE_UNITS


@dataclass(frozen=True)
class SweepPoint:
    """What is known of a model at one batch size (``None`` where a row does not say it), in one setting."""

    size: int | None
    throughput: Known | None = None
    memory: Known | None = None


@dataclass(frozen=True)
class ExploredSetting:
    """Timings of one device in one setting.

    ``sweeps`` has for each model what is known by batch size, in the order in which it was measured; the
    throughput and memory among ``metrics`` are those at its best batch size.
    """

    device: str
    precision: str
    rest: str
    metrics: Mapping[str, KnownValues]
    sweeps: Mapping[str, tuple[SweepPoint, ...]]

    @property
    def label(self) -> str:
        """Device and setting in words."""
        return ", ".join(filter(None, (self.device, self.precision, self.rest)))


@dataclass(frozen=True)
class Explored:
    """All models of a report, what is known of them, and the settings of their timings, the default first."""

    specs: tuple[str, ...]
    metrics: tuple[ExploredMetric, ...]
    settings: tuple[ExploredSetting, ...]


def explored(rows: pd.DataFrame, specs: Sequence[str]) -> Explored:
    """What the explorer shows of these models, from newest rows of a store, published ones included."""
    rows = rows[rows["spec"].isin(list(specs))]
    settings = tuple(_settings(rows, specs))
    timed = [name for name in ON_A_DEVICE if any(name in setting.metrics for setting in settings)]
    somewhere = {*rows["spec"], *map(str, zoo.summaries())}
    known = [spec for spec in specs if spec in somewhere]
    metrics = [*_scores(rows, known), *_counts(rows, known)] if known else []
    metrics += [ExploredMetric(name, name, {}) for name in timed]
    return Explored(tuple(specs), tuple(metrics), settings)


def _counts(rows: pd.DataFrame, specs: Sequence[str]) -> Iterator[ExploredMetric]:
    candidates = Candidates(rows, specs)
    for name, metric in candidates.metrics([], also=COUNTED).items():
        yield ExploredMetric(name, name, metric.known)


def _scores(rows: pd.DataFrame, specs: Sequence[str]) -> Iterator[ExploredMetric]:
    """Published scores first, then measured ones, those that most models have first."""
    quantities = [name for name in dict.fromkeys(UNITS) if UNITS[name] in SCORE_UNITS]
    stored = set(rows["quantity"])
    measured: list[ExploredMetric] = []
    for quantity in (name for name in quantities if name in stored):
        of_quantity = rows[rows["quantity"] == quantity]
        if (of_quantity["provenance"] == "published").any():
            yield from _score(rows, specs, quantity, quantity)
        found = rows_of(of_quantity, quantity, specs, "measured")
        groups = [_scored_on(row) for row in found["conditions"]]
        for group in {tuple(group.items()): group for group in groups}.values():
            name = f"{quantity} on {_told(group)}"
            if any(other.name == name for other in measured):
                name += ", " + ", ".join(str(value) for value in group.values())
            measured += _score(rows, specs, quantity, name, group)
    yield from sorted(measured, key=lambda metric: -len(metric.values))


def _score(
    rows: pd.DataFrame,
    specs: Sequence[str],
    quantity: str,
    name: str,
    conditions: Mapping[str, object] | None = None,
) -> Iterator[ExploredMetric]:
    """The scores under these measured conditions, or, without any, those that are published."""
    candidates = Candidates(rows, specs, conditions=conditions, scores="measured" if conditions else None)
    try:
        (metric,) = candidates.metrics([quantity]).values()
    except MissingResults:  # published for other data only, or such as can't be compared
        return
    yield ExploredMetric(name, quantity, metric.known)


def _scored_on(conditions: Mapping[str, object]) -> dict[str, object]:
    return {name: conditions.get(name) for name in _CONDITIONS}


def _told(group: Mapping[str, object]) -> str:
    """What scores are of, in few words: ``desed eval, protocol desed``."""
    place = " ".join(str(group[name]) for name in ("data", "split") if group[name]) or short_fingerprint(
        group
    )
    protocol = f", protocol {group['protocol']}" if group["protocol"] else ""
    return f"{place or 'unnamed data'}{protocol}"


def _settings(rows: pd.DataFrame, specs: Sequence[str]) -> Iterator[ExploredSetting]:
    """Every setting with timings, those of the default device first, then the published throughput."""
    timed = rows[rows["quantity"].isin(ON_A_DEVICE)]
    timed = timed[timed["seconds"].isna() | (timed["seconds"] == CLIP_SECONDS)]
    devices = dict.fromkeys(
        name
        for provenance in ("measured", "published")
        for quantity in ON_A_DEVICE
        for name in timed_devices(timed, quantity, specs, provenance)
    )
    for device in devices:
        here = timed[timed["device"] == device]
        measured = here[here["provenance"] == "measured"]
        here = here if measured.empty else measured  # what is declared counts where nothing was measured
        keys = [tuple(row.get(name, PREFERRED.get(name)) for name in SETTING) for row in here["conditions"]]
        groups = {key: here[np.array([other == key for other in keys], bool)] for key in dict.fromkeys(keys)}
        for group in sorted(groups.values(), key=fitness, reverse=True):
            if setting := _setting_of(group, specs, device):
                yield setting
    published = fair_times(timed, specs, ["throughput"], UNKNOWN_DEVICE, {})["throughput"]
    if published.known:
        yield ExploredSetting("published, device unknown", "", "", {"throughput": published}, {})


def _setting_of(group: pd.DataFrame, specs: Sequence[str], device: str) -> ExploredSetting | None:
    found = fair_times(group, specs, ON_A_DEVICE, device, {})
    metrics = {name: metric for name, metric in found.items() if metric.known}
    if metrics.keys() <= {"logit_error"}:  # of a setting that nobody timed
        return None
    conditions = dict(next(iter(metrics.values())).setting)
    precision = str(conditions.pop("precision", ""))
    return ExploredSetting(
        device, precision, ", ".join(setting_in_words(conditions)), metrics, _sweeps(group, specs)
    )


def _sweeps(group: pd.DataFrame, specs: Sequence[str]) -> dict[str, tuple[SweepPoint, ...]]:
    found: dict[str, dict[Any, SweepPoint]] = {}
    for row in group.sort_values("created", kind="stable").to_dict("records"):
        if row["quantity"] not in ("throughput", "memory_peak"):
            continue
        size, batches = row["batch_size"], found.setdefault(str(row["spec"]), {})
        batch, known = batches.get(size, SweepPoint(size)), known_from(row)
        timed = row["quantity"] == "throughput"
        batches[size] = replace(batch, throughput=known) if timed else replace(batch, memory=known)
    return {spec: tuple(found[spec].values()) for spec in specs if spec in found}
