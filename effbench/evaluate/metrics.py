"""Metrics by name, with the parameters that a protocol may set and those that they have otherwise."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Annotated

from pydantic import Field, NonNegativeFloat, PositiveFloat, field_validator

from effbench.config import Strict
from effbench.errors import UsageError
from effbench.evaluate.best_events import BestEventF1, BestIntersectionF1
from effbench.evaluate.best_threshold import BestSegmentF1
from effbench.evaluate.clip_scores import ClipPrecision
from effbench.evaluate.events import EventCollars, SegmentParameters
from effbench.evaluate.intersection import Intersections
from effbench.evaluate.median import MedianWindow
from effbench.evaluate.pauroc import PaurocParameters
from effbench.evaluate.psds.criteria import Criteria
from effbench.evaluate.psds.filter_independent import FilterIndependentPsds
from effbench.evaluate.psds.score import PsdsParameters
from effbench.evaluate.scoring import Metric, MetricResult, Scoring

Fraction = Annotated[float, Field(gt=0, le=1)]


class MetricSettings(Strict):
    """Parameters of one metric."""

    @property
    def filters_itself(self) -> bool:
        """Whether scores must come without a filter."""
        return False

    @abstractmethod
    def metric(self, name: str) -> Callable[[Scoring], Metric[MetricResult]]:
        """Starts the metric on inputs, under the name of its quantity."""


class PsdsSettings(MetricSettings):
    """Of ``effbench.psds1``."""

    dtc: Fraction = 0.7
    gtc: Fraction = 0.7
    cttc: Fraction | None = None
    alpha_ct: NonNegativeFloat = 0.0
    alpha_st: NonNegativeFloat = 1.0
    max_efpr: PositiveFloat = 100.0

    def metric(self, name: str) -> Callable[[Scoring], Metric[MetricResult]]:
        criteria = Criteria(self.dtc, self.gtc, self.cttc)
        return PsdsParameters(name, criteria, self.alpha_ct, self.alpha_st, self.max_efpr).metric


class Psds2Settings(PsdsSettings):
    """Of ``effbench.psds2``."""

    dtc: Fraction = 0.1
    gtc: Fraction = 0.1
    cttc: Fraction | None = 0.3
    alpha_ct: NonNegativeFloat = 0.5


class PiPsdsSettings(PsdsSettings):
    """Of a PSDS that has the best of several median filters for each class; scores come without a filter."""

    filters: Annotated[tuple[int | str, ...], Field(min_length=1)] = (1, 3, 5, 9, 15, 25, 45)

    @field_validator("filters")
    @classmethod
    def _are_lengths(cls, given: tuple[int | str, ...]) -> tuple[int | str, ...]:
        try:
            for length in given:
                MedianWindow.of(length)
        except UsageError as error:
            raise ValueError(str(error)) from error
        return given

    @property
    def filters_itself(self) -> bool:
        return True

    def metric(self, name: str) -> Callable[[Scoring], Metric[MetricResult]]:
        criteria = Criteria(self.dtc, self.gtc, self.cttc)
        psds = PsdsParameters(name, criteria, self.alpha_ct, self.alpha_st, self.max_efpr)
        return FilterIndependentPsds(psds, tuple(map(MedianWindow.of, self.filters))).metric


class PiPsds2Settings(PiPsdsSettings):
    """The same with the criteria of ``effbench.psds2``."""

    dtc: Fraction = 0.1
    gtc: Fraction = 0.1
    cttc: Fraction | None = 0.3
    alpha_ct: NonNegativeFloat = 0.5


class PaurocSettings(MetricSettings):
    """Of ``effbench.pauroc``."""

    segment_seconds: PositiveFloat = 1.0
    max_fpr: Fraction = 0.1

    def metric(self, name: str) -> Callable[[Scoring], Metric[MetricResult]]:
        return PaurocParameters(self.segment_seconds, self.max_fpr).metric


class CollarSettings(MetricSettings):
    """Seconds by which an onset and an offset (``None``: it doesn't count) may be off, and the part of an
    event's length by which its offset may be off if that is more."""

    onset: NonNegativeFloat = 0.2
    offset: NonNegativeFloat | None = 0.2
    offset_ratio: NonNegativeFloat = 0.2

    def metric(self, name: str) -> Callable[[Scoring], Metric[MetricResult]]:
        return EventCollars(name, self.onset, self.offset, self.offset_ratio).metric


class OnsetSettings(CollarSettings):
    """By default, onsets alone."""

    offset: NonNegativeFloat | None = None


class CloseOnsetSettings(OnsetSettings):
    """By default, onsets alone, within 50 ms."""

    onset: NonNegativeFloat = 0.05


class SegmentSettings(MetricSettings):
    """Length of the segments."""

    seconds: PositiveFloat = 1.0

    def metric(self, name: str) -> Callable[[Scoring], Metric[MetricResult]]:
        return SegmentParameters(self.seconds).metric


class BestSegmentSettings(SegmentSettings):
    """Length of the segments."""

    def metric(self, name: str) -> Callable[[Scoring], Metric[MetricResult]]:
        return BestSegmentF1(self.seconds).metric


class IntersectionSettings(MetricSettings):
    """Parts that must overlap: of a detection, and of an event."""

    dtc: Fraction = 0.5
    gtc: Fraction = 0.5

    def metric(self, name: str) -> Callable[[Scoring], Metric[MetricResult]]:
        return Intersections(name, self.dtc, self.gtc).metric


class BestCollarSettings(CollarSettings):
    """Seconds by which times may be off."""

    def metric(self, name: str) -> Callable[[Scoring], Metric[MetricResult]]:
        return BestEventF1(EventCollars(name, self.onset, self.offset, self.offset_ratio)).metric


class BestIntersectionSettings(IntersectionSettings):
    """Parts that must overlap."""

    def metric(self, name: str) -> Callable[[Scoring], Metric[MetricResult]]:
        return BestIntersectionF1(Intersections(name, self.dtc, self.gtc)).metric


class ClipSettings(MetricSettings):
    """Nothing: the score of a clip is the highest of its frames."""

    def metric(self, name: str) -> Callable[[Scoring], Metric[MetricResult]]:
        return ClipPrecision().metric


#: Metrics of decoded events, which need no scores.
DECODED = ("event_f1", "onset_f1", "onset_f1_50ms", "segment", "intersection_f1")


class MetricTable(Strict):
    """The metrics of a protocol, those that it names; the others have the parameters that are theirs."""

    psds1: PsdsSettings = PsdsSettings()
    psds2: Psds2Settings = Psds2Settings()
    pipsds1: PiPsdsSettings = PiPsdsSettings()
    pipsds2: PiPsds2Settings = PiPsds2Settings()
    pauroc: PaurocSettings = PaurocSettings()
    event_f1: CollarSettings = CollarSettings()
    onset_f1: OnsetSettings = OnsetSettings()
    onset_f1_50ms: CloseOnsetSettings = CloseOnsetSettings()
    segment: SegmentSettings = SegmentSettings()
    segment_f1_best: BestSegmentSettings = BestSegmentSettings()
    event_f1_best: BestCollarSettings = BestCollarSettings()
    intersection_f1: IntersectionSettings = IntersectionSettings()
    intersection_f1_best: BestIntersectionSettings = BestIntersectionSettings()
    map: ClipSettings = ClipSettings()

    @property
    def asked(self) -> tuple[str, ...]:
        """Names of the metrics that the protocol names."""
        return tuple(name for name in METRICS if name in self.model_fields_set)

    def settings(self, name: str) -> MetricSettings:
        """Of a metric, asked or not."""
        found: MetricSettings = getattr(self, name)
        return found


#: Every metric with the parameters that it has where a protocol does not name it.
METRICS: Mapping[str, MetricSettings] = dict(MetricTable())
