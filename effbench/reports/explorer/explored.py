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
from effbench.plots.scored import Conditions, short_fingerprint
from effbench.plots.timings import PREFERRED, SETTING, fitness, timed_devices
from effbench.plots.values import MissingResults, untimed
from effbench.reports.candidates import Candidates
from effbench.reports.fair_times import UNKNOWN_DEVICE, fair_times
from effbench.reports.known_values import Known, KnownValues, known_from
from effbench.reports.leading_scores import measured_groups, measured_lead
from effbench.results.measurement import UNITS

#: Quantities that no device changes, besides scores.
COUNTED = ("parameters", "macs_exact", "macs_paper", "macs_training", "traffic")


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


def explored(rows: pd.DataFrame, specs: Sequence[str], device: str | None = None) -> Explored:
    """What the explorer shows of these models, from newest rows of a store, published ones included.

    The default setting is of the ``device``, where it has timings, or of that which covers most models.
    """
    rows = rows[rows["spec"].isin(list(specs))]
    settings = tuple(sorted(_settings(rows, specs), key=lambda setting: setting.device != device))
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
    """Of each quantity those that models are ranked by, then other published and other measured ones."""
    stored = set(rows["quantity"])
    others: list[ExploredMetric] = []
    measured: list[ExploredMetric] = []
    for quantity in (name for name, unit in UNITS.items() if unit in SCORE_UNITS and name in stored):
        own = _measured_scores(rows, specs, quantity)
        published = _score(rows, specs, quantity, quantity)
        if own and measured_lead(own[0].values, published[0].values if published else ()):
            yield own.pop(0)
            others += published
        else:
            yield from published
        measured += own
    yield from others
    yield from sorted(measured, key=lambda metric: -len(metric.values))


def _measured_scores(rows: pd.DataFrame, specs: Sequence[str], quantity: str) -> list[ExploredMetric]:
    found: list[ExploredMetric] = []
    for group in measured_groups(rows, specs, quantity):
        name = f"{quantity} on {_told(group)}"
        if any(other.name == name for other in found):
            name += ", " + ", ".join(str(value) for value in group.values())
        found += _score(rows, specs, quantity, name, group)
    return found


def _score(
    rows: pd.DataFrame,
    specs: Sequence[str],
    quantity: str,
    name: str,
    conditions: Conditions | None = None,
) -> list[ExploredMetric]:
    """The scores under these measured conditions, or, without any, the published ones, as far as known."""
    if conditions is None and not untimed(rows, quantity, specs, "published").values:
        return []
    candidates = Candidates(rows, specs, conditions=conditions, scores="measured" if conditions else None)
    try:
        (metric,) = candidates.metrics([quantity]).values()
    except MissingResults:  # such as can't be compared
        return []
    return [ExploredMetric(name, quantity, metric.known)]


def _told(group: Conditions) -> str:
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
