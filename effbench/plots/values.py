"""Values of models from rows of the results store: one quantity, one origin, the newest of each model."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from effbench.errors import EffbenchError
from effbench.grid import CLIP_SECONDS

#: What a score names that was made on some data.
_DATA = ("data", "fingerprint", "split", "protocol")

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
        rows: the rows that the values come from.
    """

    quantity: str
    values: Mapping[str, Value]
    provenance: str
    device: str | None
    setting: Mapping[str, object]
    rows: pd.DataFrame

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
        return replace(self, values={**self.values, **other.values}, rows=rows)

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

    Of several that differ in precision alone from the newest, it is the one in fp32.
    """
    found = rows_of(rows, quantity, specs, provenance, conditions)
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
    return Chosen.of(quantity, found.drop_duplicates("spec", keep="last"), provenance, setting=conditions)


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
