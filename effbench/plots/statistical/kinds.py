"""Definitions of statistical figures: YAML files with a ``kind``, checked when they are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator

from effbench.config import Strict, check, load
from effbench.errors import UsageError, nearest
from effbench.plots.figures import FigureDefinition
from effbench.results.measurement import UNITS
from effbench.yaml_files import find, read, shipped

_FOLDER = "plots/statistical"


class StatisticalDefinition(Strict):
    """What all statistical figures have.

    Attributes:
        kind: a key of ``STATISTICAL_KINDS``.
        title: above the figure; says what it shows by default.
        models: specs, names of models of one's own, or globs such as ``fmn10*``.
        quantity: a key of ``UNITS``.
        conditions: only rows under these conditions, e.g. ``{precision: fp32}``.
    """

    kind: str
    title: str | None = None
    models: tuple[str, ...] = Field(("*",), min_length=1)
    quantity: str
    conditions: dict[str, object] = Field(default_factory=dict)

    def changed(self, name: str, given: Mapping[str, object]) -> StatisticalDefinition:
        """The definition of a figure (its ``name``) with other values; conditions join those that it has.

        Raises:
            UsageError: a key that this kind does not have, or a wrong value; all of them are listed.
        """
        content = {**self.model_dump(), **given}
        content["conditions"] = {**self.conditions, **_conditions(given)}
        return check(content, type(self), f"figure {name}", UsageError)


class SamplesDefinition(StatisticalDefinition):
    """Every timing sample, by model and batch size.

    Attributes:
        quantity: ``throughput`` (clips per second) or ``latency_p50`` (seconds for one batch).
        device: that was timed; a part of its name that no other has is enough.
    """

    kind: Literal["samples"]
    quantity: Literal["throughput", "latency_p50"] = "throughput"
    device: str | None = None


class RooflineDefinition(StatisticalDefinition):
    """Rates of multiply-accumulates by their number per byte, under the roof of the device.

    Attributes:
        device: that was timed; a part of its name that no other has is enough.
    """

    kind: Literal["roofline"]
    quantity: Literal["roof_share"] = "roof_share"
    device: str | None = None


class _ScoresDefinition(StatisticalDefinition):
    quantity: str = "psds1"

    @field_validator("quantity")
    @classmethod
    def _is_score(cls, name: str) -> str:
        scores = [known for known, unit in UNITS.items() if unit == "%"]
        if name not in scores:
            raise ValueError(f"'{name}' is not a score in per cent{nearest(name, scores)}")
        return name


class PerClassDefinition(_ScoresDefinition):
    """A heat map of a score: models and classes.

    Attributes:
        classes: no more of them than these; of more, those with the largest spread over the models.
        sort: what classes are sorted by: their mean over the models, the ``spread``, or their ``name``.
    """

    kind: Literal["per-class"]
    classes: int = Field(30, ge=1)
    sort: Literal["mean", "spread", "name"] = "mean"


class SeedsDefinition(_ScoresDefinition):
    """The score of every seed that a model was trained with."""

    kind: Literal["seeds"]


#: By the ``kind`` of a definition; that of a trade-off figure has none.
STATISTICAL_KINDS: Mapping[str, type[StatisticalDefinition]] = {
    "samples": SamplesDefinition,
    "per-class": PerClassDefinition,
    "seeds": SeedsDefinition,
    "roofline": RooflineDefinition,
}


def load_definition(name: str) -> FigureDefinition | StatisticalDefinition:
    """Definition of a shipped figure of any kind, or of a YAML file.

    Raises:
        UsageError: no such figure (names the nearest), or one with problems (all of them are listed).
    """
    path = _file(name)
    kind = read(path, "figure", UsageError).get("kind")
    if kind is None:
        return load(path, FigureDefinition, "figure", UsageError)
    if kind not in STATISTICAL_KINDS:
        what = (
            f"figure {path} has 1 problem\nkind: there is no '{kind}'{nearest(str(kind), STATISTICAL_KINDS)}"
        )
        raise UsageError(f"{what}\nKinds: {', '.join(STATISTICAL_KINDS)}; a trade-off figure has none.")
    return load(path, STATISTICAL_KINDS[str(kind)], "figure", UsageError)


def definition_text(name: str) -> str:
    """The YAML of a figure of any kind, as it is written; raises as ``load_definition``."""
    load_definition(name)
    return _file(name).read_text(encoding="utf-8")


def _file(name: str) -> Path:
    folder = _FOLDER if name in shipped(_FOLDER) else "plots"
    try:
        return find(name, folder, "figure")
    except UsageError as error:
        raise UsageError(f"{error}\nStatistical figures: {', '.join(STATISTICAL_KINDS)}.") from None


def _conditions(given: Mapping[str, object]) -> Mapping[str, object]:
    conditions = given.get("conditions", {})
    return conditions if isinstance(conditions, Mapping) else {}
