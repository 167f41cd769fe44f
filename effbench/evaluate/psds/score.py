"""Polyphonic sound detection scores (PSDS), independent of any threshold.

Source: Bilen et al. 2020, "A framework for the robust evaluation of sound event detection"; exact for all
thresholds as in Ebbers et al. 2022, "Threshold-independent evaluation of sound event detection scores".
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from effbench.errors import UsageError
from effbench.evaluate.bootstrap import RESAMPLES
from effbench.evaluate.inputs import Durations, GroundTruth, Scores, Task, Timestamps, prepare
from effbench.evaluate.one_pass import run
from effbench.evaluate.psds.criteria import Criteria
from effbench.evaluate.psds.metric import PsdsMetric, PsdsResult, Settings
from effbench.grid import FRAME_SECONDS

Engine = Literal["effbench", "reference"]
Psds1Result = PsdsResult


def psds1(
    scores: Scores,
    ground_truth: GroundTruth,
    durations: Durations,
    *,
    classes: Sequence[str],
    frame_seconds: float = FRAME_SECONDS,
    timestamps: Timestamps = None,
    dtc: float = 0.7,
    gtc: float = 0.7,
    alpha_st: float = 1.0,
    max_efpr: float = 100.0,
    engine: Engine = "effbench",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PsdsResult:
    """PSDS without cross triggers: how exactly events are found in time.

    Args:
        scores: clip -> (frames, classes) array of any float type; higher is surer. Any mapping will do: each
            clip is asked for once, and let go of once its operating points are known.
        ground_truth: clip -> (onset, offset, class) of its events in seconds; an empty list if it has none.
            Events of one class that overlap or touch are merged.
        durations: clip -> seconds; they make the rate of false alarms.
        classes: names of the scores' columns.
        frame_seconds: length of a frame; frame k lasts from k to k + 1 times that.
        timestamps: boundaries of the frames instead: (frames + 1,) for all clips, or clip -> (frames + 1,).
        dtc: detection tolerance: the part of a detection that must lie in events of its class.
        gtc: ground-truth intersection: the part of an event that such detections must cover.
        alpha_st: weight of the standard deviation over classes in ``penalised``.
        max_efpr: false positives per hour up to which the curve counts.
        engine: ``reference`` has sed_scores_eval compute the values (no intervals).
        resamples: bootstrap resamples of the clips for the intervals; 0 for none.
        seed: of the resampling.

    Raises:
        UsageError: inputs that don't fit together, NaN among the scores, or no event at all.
    """
    task = prepare(
        scores, ground_truth, durations, classes=classes, frame_seconds=frame_seconds, timestamps=timestamps
    )
    return psds(task, Settings(Criteria(dtc, gtc), 0.0, alpha_st, max_efpr), engine, resamples, seed)


def psds2(
    scores: Scores,
    ground_truth: GroundTruth,
    durations: Durations,
    *,
    classes: Sequence[str],
    frame_seconds: float = FRAME_SECONDS,
    timestamps: Timestamps = None,
    dtc: float = 0.1,
    gtc: float = 0.1,
    cttc: float = 0.3,
    alpha_ct: float = 0.5,
    alpha_st: float = 1.0,
    max_efpr: float = 100.0,
    engine: Engine = "effbench",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> PsdsResult:
    """PSDS with cross triggers: how well classes are told apart. ``penalised`` is DCASE's second scenario.

    Args:
        scores: as in ``psds1``, like all that is not named here.
        ground_truth: see there.
        durations: see there.
        classes: see there.
        frame_seconds: see there.
        timestamps: see there.
        dtc: see there.
        gtc: see there.
        cttc: the part of a false detection in events of another class that makes it a cross trigger.
        alpha_ct: weight of the mean rate of cross triggers in the rate of false alarms.
        alpha_st: see ``psds1``.
        max_efpr: see there.
        engine: see there.
        resamples: see there.
        seed: see there.
    """
    task = prepare(
        scores, ground_truth, durations, classes=classes, frame_seconds=frame_seconds, timestamps=timestamps
    )
    return psds(
        task, Settings(Criteria(dtc, gtc, cttc), alpha_ct, alpha_st, max_efpr), engine, resamples, seed
    )


def psds(task: Task, settings: Settings, engine: Engine, resamples: int, seed: int) -> PsdsResult:
    """Any PSDS of a checked task."""
    if engine == "reference":
        from effbench.evaluate.psds.reference import reference_psds

        return reference_psds(task, settings)
    if engine != "effbench":
        raise UsageError(f"unknown engine '{engine}'; expected effbench or reference")
    result: PsdsResult = run(task, [PsdsMetric(task, settings, resamples, seed)])[0]
    return result
