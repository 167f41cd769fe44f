"""Evaluation protocols: YAML under ``protocols/``, or your own file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field, NonNegativeFloat, PositiveInt, field_validator, model_validator

from effbench.config import Strict, load
from effbench.errors import UsageError
from effbench.evaluate.median import MedianWindow
from effbench.evaluate.metrics import MetricTable
from effbench.evaluate.scoring import Thresholding
from effbench.identity import digest
from effbench.infer.score_files import ValueKind
from effbench.shown import Row
from effbench.yaml_files import find, shipped

_FOLDER = "protocols"

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
        title: one line for people.
        metrics: each with its parameters; ``{}`` for its usual ones.
        median_window: of the median filter over time: frames (9), or a time (``250ms``).
        scored_only: classes without events, and then clips without events, are left out.
        threshold: above which a class is active, for the metrics of decoded events; on the scale of
            ``threshold_of``, and of logits and probabilities alike.
        threshold_of: ``probabilities`` or ``logits``.
        frame_centres, min_seconds: of decoded events, as in ``Thresholding``.
        overlap: whether audio of more than 10 s runs in overlapping windows, or is cut every 10 s; for those
            who make the scores.
        expected_classes: number of scored classes without which values can't be compared with published ones.
    """

    title: str
    metrics: MetricTable
    median_window: int | str = 1
    scored_only: bool = False
    threshold: float = Field(default=0.5, allow_inf_nan=False)
    threshold_of: ValueKind = "probabilities"
    frame_centres: bool = False
    min_seconds: NonNegativeFloat = 0.0
    overlap: bool = True
    expected_classes: PositiveInt | None = None

    @field_validator("median_window")
    @classmethod
    def _is_length(cls, given: int | str) -> int | str:
        try:
            MedianWindow.of(given)
        except UsageError as error:
            raise ValueError(str(error)) from error
        return given

    @model_validator(mode="after")
    def _fits_together(self) -> Protocol:
        if not self.metrics.asked:
            raise ValueError("metrics: name at least one, e.g. psds1: {}")
        if self.threshold_of == "probabilities" and not 0 < self.threshold < 1:
            raise ValueError(f"threshold: {self.threshold} is no probability between 0 and 1")
        return self

    @property
    def window(self) -> MedianWindow:
        """Length of the median filter."""
        return MedianWindow.of(self.median_window)

    @property
    def decoding(self) -> Mapping[ValueKind, Thresholding]:
        """How scores of each kind become events."""
        given = self.threshold
        if self.threshold_of == "logits":
            thresholds = {"logits": given, "probabilities": 1 / (1 + math.exp(-given))}
        else:
            thresholds = {"probabilities": given, "logits": math.log(given / (1 - given))}
        return {
            "probabilities": Thresholding(thresholds["probabilities"], self.frame_centres, self.min_seconds),
            "logits": Thresholding(thresholds["logits"], self.frame_centres, self.min_seconds),
        }

    def content(self, metrics: Sequence[str] | None = None) -> dict[str, object]:
        """Everything that it says, as plain data; with its own metrics, or with these."""
        rest = self.model_dump(exclude={"title", "metrics"})
        names = self.metrics.asked if metrics is None else metrics
        return {**rest, "metrics": {name: self.metrics.settings(name).model_dump() for name in names}}


def load_protocol(name: str) -> Protocol:
    """The protocol of a name that ships, or of the path of a YAML file.

    Raises:
        UsageError: no such name.
        EffbenchError: the file can't be read, or says what makes no protocol.
    """
    return load(find(name, _FOLDER, "protocol"), Protocol, "protocol")


def protocol_name(given: str, protocol: Protocol) -> str:
    """What rows call a protocol: a shipped name while it means that, else the file's, and a digest."""
    content = digest(protocol.content())
    shipped_as = {meaning: name for name, meaning in _CONTENTS.items()}
    return shipped_as.get(content, f"{Path(given).stem}-{content[:8]}")


def protocol_rows() -> list[Row]:
    """Names, titles and metrics of the protocols that ship."""
    protocols = {name: load_protocol(name) for name in shipped(_FOLDER)}
    return [
        {"protocol": name, "metrics": list(protocol.metrics.asked), "title": protocol.title}
        for name, protocol in protocols.items()
    ]
