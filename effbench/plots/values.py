"""Values of models from rows of the results store: one quantity, one origin, the newest of each model."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean, stdev

import numpy as np
import pandas as pd

from effbench.errors import EffbenchError
from effbench.grid import CLIP_SECONDS
from effbench.results.intervals import CONFIDENCE

#: What a score names that was made on some data.
_DATA = ("data", "fingerprint", "split", "protocol")

#: In these, and in the seed in the name of its run, do scores of several seeds differ.
_OF_A_RUN = ("seed", "run", "checkpoint", "epoch")

_SHOWN = 6


@dataclass(frozen=True)
class Lacking:
    """A value that is not there: of a model, measured or published, under conditions or on a ``device``."""

    spec: str
    quantity: str
    provenance: str
    conditions: Mapping[str, object] = field(default_factory=dict)


class MissingResults(EffbenchError):
    """The rows lack values that a figure or report needs; ``lacking`` has those that could be filled in."""

    def __init__(self, message: str, lacking: Iterable[Lacking] = ()) -> None:
        super().__init__(message)
        self.lacking = tuple(lacking)


@dataclass(frozen=True)
class Value:
    """One stored number with its 95 % interval, if it has one."""

    value: float
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, eq=False)
class Chosen:
    """Values of one quantity (a key of ``UNITS``), of one origin.

    Attributes:
        quantity: a key of ``UNITS``.
        values: by model; models without a value are absent.
        provenance: ``measured`` or ``published``.
        device: what was timed, else ``None``.
        setting: conditions that all values share: those of timings, or those that were asked for.
        rows: the rows that the values come from, of several seeds the newest.
        seeds: of how many a value is the mean, where it is one.
    """

    quantity: str
    values: Mapping[str, Value]
    provenance: str
    device: str | None
    setting: Mapping[str, object]
    rows: pd.DataFrame
    seeds: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        quantity: str,
        rows: pd.DataFrame,
        provenance: str,
        device: str | None = None,
        setting: Mapping[str, object] | None = None,
    ) -> Chosen:
        """The values of rows that hold one for each model."""
        ends = rows[["value", "low", "high"]].astype(float)
        values = {
            str(spec): Value(value, *(None if np.isnan(end) else end for end in interval))
            for spec, (value, *interval) in zip(rows["spec"], ends.to_numpy().tolist(), strict=True)
        }
        return cls(quantity, values, provenance, device, setting or {}, rows)

    def is_like(self, other: Chosen) -> bool:
        """Whether both are of one origin, device and setting, and agree on the models that they share."""
        mine = (self.quantity, self.provenance, self.device, self.setting)
        return mine == (other.quantity, other.provenance, other.device, other.setting) and all(
            other.values.get(spec, value) == value for spec, value in self.values.items()
        )

    def joined(self, other: Chosen) -> Chosen:
        """The values of both, which are alike."""
        new = other.rows[~other.rows["spec"].isin(list(self.values))]
        rows = pd.concat([self.rows, new]) if len(new) else self.rows
        seeds = {**self.seeds, **other.seeds}
        return replace(self, values={**self.values, **other.values}, rows=rows, seeds=seeds)

    @property
    def measured(self) -> Chosen:
        """Only those that were measured: all, or, of published scores, those of models of one's own."""
        return replace(self, rows=self.rows[self.rows["provenance"] == "measured"])


def rows_of(
    rows: pd.DataFrame,
    quantity: str,
    specs: Iterable[str],
    provenance: str,
    conditions: Mapping[str, object] | None = None,
) -> pd.DataFrame:
    """Rows of a quantity of these models under some conditions; of clips of 10 s, if these do not say."""
    found = rows[
        (rows["quantity"] == quantity)
        & (rows["provenance"] == provenance)
        & rows["spec"].isin(list(specs))
        & (rows["seconds"].isna() | (rows["seconds"] == (conditions or {}).get("seconds", CLIP_SECONDS)))
        & rows["value"].notna()
    ]
    for name, wanted in (conditions or {}).items():
        found = found[np.array([row.get(name) == wanted for row in found["conditions"]], bool)]
    return found


def untimed(
    rows: pd.DataFrame,
    quantity: str,
    specs: Iterable[str],
    provenance: str,
    figure: int | None = None,
    conditions: Mapping[str, object] | None = None,
) -> Chosen:
    """Newest value of each model under some conditions; of the given published figure, where there is one.

    Of several that differ in precision alone from the newest, it is the one in fp32. Of trainings that are
    seeds of one another it is the mean of the newest of each, with its 95 % interval.
    """
    found = every = rows_of(rows, quantity, specs, provenance, conditions)
    if provenance == "published":
        # What is declared for some device, or of scores on some data, shares no axis with others.
        own = [_is_of_other_data(row, conditions or {}) for row in found["conditions"]]
        found = found[found["device"].isna() & ~np.array(own, bool)]
    found = found.assign(_here=found["figure"] == figure, _single=found["precision"] == "fp32")
    found = found.sort_values(["_here", "created"], kind="stable")
    rest = [{**row, "precision": None} for row in found["conditions"]]
    newest = dict(zip(found["spec"], rest, strict=True))
    alike = [newest[spec] == others for spec, others in zip(found["spec"], rest, strict=True)]
    found = found[np.array(alike, bool)].sort_values(["_here", "_single", "created"], kind="stable")
    chosen = Chosen.of(quantity, found.drop_duplicates("spec", keep="last"), provenance, setting=conditions)
    return _over_seeds(chosen, every) if provenance == "measured" else chosen


def seeds_of_one_another(conditions: Mapping[str, object], others: Mapping[str, object]) -> bool:
    """Whether scores are of one training or of such as differ in the seed alone."""
    alike = _but_for_the_seed(conditions) == _but_for_the_seed(others)
    return alike and "seed" in conditions and "seed" in others


def mean_of_seeds(values: Sequence[float]) -> Value:
    """Mean of at least two values with its 95 % interval by Student's t distribution."""
    from scipy.special import stdtrit

    mean, count = fmean(values), len(values)
    reach = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2)) * stdev(values) / math.sqrt(count)
    return Value(mean, mean - reach, mean + reach)


def _over_seeds(newest: Chosen, rows: pd.DataFrame) -> Chosen:
    """With the mean where rows have other seeds of what is chosen."""
    values, seeds = dict(newest.values), {}
    chosen = zip(newest.rows["spec"], newest.rows["conditions"], strict=True)
    for spec, conditions in ((str(spec), found) for spec, found in chosen if "seed" in found):
        own = rows[rows["spec"] == spec].sort_values("created", kind="stable")
        pairs = zip(own["conditions"], own["value"].astype(float), strict=True)
        by_seed = {row["seed"]: value for row, value in pairs if seeds_of_one_another(row, conditions)}
        if len(by_seed) > 1:
            values[spec], seeds[spec] = mean_of_seeds(list(by_seed.values())), len(by_seed)
    return replace(newest, values=values, seeds=seeds)


def _but_for_the_seed(conditions: Mapping[str, object]) -> dict[str, object]:
    """Conditions but for the seed, also in the run's name: runs of one name are trained alike."""
    kept = {name: value for name, value in conditions.items() if name not in _OF_A_RUN}
    return kept | {"run": str(conditions.get("run")).replace(f"seed{conditions.get('seed')}", "seed")}


def _is_of_other_data(row: Mapping[str, object], asked: Mapping[str, object]) -> bool:
    """Whether a published score names data that nobody asked for."""
    return any(name not in asked and row.get(name) not in (None, "paper") for name in _DATA)


def require(needed: Iterable[tuple[Chosen, str]]) -> None:
    """A ``MissingResults`` that says what is lacking, unless every model has its value of what was chosen."""
    lacking = [(spec, chosen) for chosen, spec in dict.fromkeys(needed) if spec not in chosen.values]
    if not lacking:
        return
    # What nobody published can't be filled in, so it is said first.
    lacking = [pair for pair in lacking if pair[1].provenance == "published"] or lacking
    models = list(dict.fromkeys(spec for spec, _ in lacking))
    what = ", ".join(dict.fromkeys(_described(chosen) for _, chosen in lacking))
    more = f" and {len(models) - _SHOWN} more" if len(models) > _SHOWN else ""
    shown = f"{len(models)} model{'s' * (len(models) > 1)} ({', '.join(models[:_SHOWN])}{more})"
    nobody = ", which nobody published" if lacking[0][1].provenance == "published" else ""
    raise MissingResults(
        f"the store lacks {what} of {shown}{nobody}",
        [Lacking(spec, chosen.quantity, chosen.provenance, chosen.setting) for spec, chosen in lacking],
    )


def _described(chosen: Chosen) -> str:
    under = ", ".join(f"{name} {value}" for name, value in chosen.setting.items())
    return f"{chosen.provenance} {chosen.quantity}{f' with {under}' if under else ''}"
