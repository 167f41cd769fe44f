"""Evaluation protocols: YAML under ``protocols/``, or your own file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import FiniteFloat, NonNegativeFloat, PositiveInt, field_validator, model_validator

from effbench.config import Strict, check, load
from effbench.data.vocabulary import some_of
from effbench.errors import UsageError, nearest
from effbench.evaluate.median import MedianWindow
from effbench.evaluate.metrics import METRICS, MetricTable
from effbench.evaluate.scoring import Thresholding
from effbench.identity import digest
from effbench.infer.score_files import ValueKind
from effbench.results.measurement import UNITS
from effbench.shown import Row
from effbench.yaml_files import PROTOCOLS, find, shipped

#: Stands for the classes that a mapping of thresholds or filters does not name.
_DEFAULT = "default"
Value = TypeVar("Value", int | str, float)

#: The protocol of lists of events.
EVENT_PROTOCOL = "events"

#: What each shipped name means, as a digest: rows of a file that says something else have another name.
_CONTENTS: Mapping[str, str] = {
    "paper": "932059d9a7576857",
    "dcase2016": "0d4108a2b26f00ee",
    "desed": "970d04ad175268bd",
    "maestro": "32384b745483c026",
    "events": "eef984b2241cb1ed",
}


class Protocol(Strict):
    """What is done to scores, and what is computed from them by default.

    Attributes:
        name: what rows call it; by default, that of its file.
        title: one line for people.
        metrics: each with its parameters; ``{}`` for its usual ones.
        median_window: of the median filter over time: frames (9), or a time (``250ms``); or a mapping of
            classes to such, with ``default`` for the others.
        scored_only: classes without events, and then clips without events, are left out.
        threshold: above which a class is active, for the metrics of decoded events; on the scale of
            ``threshold_of``, and of logits and probabilities alike; or a mapping as of ``median_window``.
        threshold_of: ``probabilities`` or ``logits``.
        frame_centres, min_seconds: of decoded events, as in ``Thresholding``.
        overlap: whether audio of more than 10 s runs in overlapping windows, or is cut every 10 s; for those
            who make the scores.
        expected_classes: number of scored classes without which values can't be compared with published ones.
    """

    name: str = "own"
    title: str
    metrics: MetricTable
    median_window: int | str | dict[str, int | str] = 1
    scored_only: bool = False
    threshold: FiniteFloat | dict[str, FiniteFloat] = 0.5
    threshold_of: ValueKind = "probabilities"
    frame_centres: bool = False
    min_seconds: NonNegativeFloat = 0.0
    overlap: bool = True
    expected_classes: PositiveInt | None = None

    @field_validator("median_window")
    @classmethod
    def _has_lengths(cls, given: int | str | dict[str, int | str]) -> int | str | dict[str, int | str]:
        try:
            for length in given.values() if isinstance(given, dict) else (given,):
                MedianWindow.of(length)
        except UsageError as error:
            raise ValueError(str(error)) from error
        return given

    @model_validator(mode="after")
    def _fits_together(self) -> Protocol:
        if not self.metrics.asked:
            raise ValueError("metrics: name at least one, e.g. psds1: {}")
        given = self.threshold.values() if isinstance(self.threshold, dict) else (self.threshold,)
        wrong = [value for value in given if not 0 < value < 1]
        if self.threshold_of == "probabilities" and wrong:
            raise ValueError(f"threshold: {wrong[0]} is no probability between 0 and 1")
        twice = [name for name in self.metrics.asked if self.metrics.settings(name).filters_itself]
        if twice and self.median_window != 1:
            raise ValueError(f"median_window: {twice[0]} tries filters itself: leave out the other one (1)")
        return self

    def windows(self, classes: Sequence[str]) -> tuple[MedianWindow, ...]:
        """Length of the median filter of each class."""
        return tuple(MedianWindow.of(length) for length in _of_classes(self.median_window, classes, "filter"))

    def decoding(self, classes: Sequence[str], kept: Sequence[int]) -> Mapping[ValueKind, Thresholding]:
        """How scores of each kind, of those of the classes that are kept, become events."""
        of_all = _of_classes(self.threshold, classes, "threshold")
        given = [of_all[index] for index in kept]
        alike = given[:1] if len(set(given)) == 1 else given
        logits, probabilities = alike, alike
        if self.threshold_of == "logits":
            probabilities = [1 / (1 + math.exp(-value)) for value in alike]
        else:
            logits = [math.log(value / (1 - value)) for value in alike]
        return {
            "probabilities": Thresholding(_plain(probabilities), self.frame_centres, self.min_seconds),
            "logits": Thresholding(_plain(logits), self.frame_centres, self.min_seconds),
        }

    def content(self, metrics: Sequence[str] | None = None) -> dict[str, object]:
        """Everything that it says, as plain data; with its own metrics, or with these."""
        rest = self.model_dump(exclude={"name", "title", "metrics"})
        names = self.metrics.asked if metrics is None else metrics
        return {**rest, "metrics": {name: self.metrics.settings(name).model_dump() for name in names}}

    @property
    def kept(self) -> dict[str, Any]:
        """What a YAML file of this protocol would say, nothing left to defaults."""
        metrics = {name: self.metrics.settings(name).model_dump(mode="json") for name in self.metrics.asked}
        return {**self.model_dump(mode="json", exclude={"metrics"}), "metrics": metrics}

    @property
    def percentages(self) -> tuple[str, ...]:
        """The quantities of its metrics of which the highest is the best."""
        return tuple(
            name for name, unit in UNITS.items() if unit == "%" and _metric(name) in self.metrics.asked
        )


def _of_classes(given: Value | Mapping[str, Value], classes: Sequence[str], what: str) -> list[Value]:
    """The value of each class: one for all, or that of its name, or of ``default``."""
    if not isinstance(given, Mapping):
        return [given] * len(classes)
    for name in given:
        if name != _DEFAULT and name not in classes:
            raise UsageError(
                f"the protocol has a {what} for '{name}', which has no scores{nearest(name, classes)}"
            )
    lacking = [name for name in classes if name not in given]
    if lacking and _DEFAULT not in given:
        raise UsageError(
            f"the protocol has no {what} for {some_of(lacking)}: add a line for each, or '{_DEFAULT}'"
        )
    return [given[name] if name in given else given[_DEFAULT] for name in classes]


def _plain(thresholds: Sequence[float]) -> float | tuple[float, ...]:
    return thresholds[0] if len(thresholds) == 1 else tuple(thresholds)


def _metric(quantity: str) -> str | None:
    """The metric that a quantity is of."""
    return max((name for name in METRICS if f"{quantity}_".startswith(f"{name}_")), key=len, default=None)


def load_protocol(given: str | Mapping[str, Any]) -> Protocol:
    """The protocol of a name that ships, of the path of a YAML file, or of what such a file says.

    Raises:
        UsageError: no such name, or no such file.
        EffbenchError: the file can't be read, or says what makes no protocol.
    """
    if isinstance(given, Mapping):
        return check(given, Protocol, "the protocol")
    path = find(given, PROTOCOLS, "protocol")
    protocol = load(path, Protocol, "protocol")
    return protocol.model_copy(update={"name": path.stem} if "name" not in protocol.model_fields_set else {})


def protocol_name(protocol: Protocol) -> str:
    """What rows call a protocol: a shipped name while it means that, else its own, and a digest."""
    content = digest(protocol.content())
    shipped_as = {meaning: name for name, meaning in _CONTENTS.items()}
    return shipped_as.get(content, f"{protocol.name}-{content[:8]}")


def protocol_rows() -> list[Row]:
    """Names, titles and metrics of the protocols that ship."""
    protocols = {name: load_protocol(name) for name in shipped(PROTOCOLS)}
    return [
        {"protocol": name, "metrics": list(protocol.metrics.asked), "title": protocol.title}
        for name, protocol in protocols.items()
    ]
