"""Polyphonic sound detection scores (PSDS), independent of any threshold.

Source: Bilen et al. 2020, "A framework for the robust evaluation of sound event detection"; exact for all
thresholds as in Ebbers et al. 2022, "Threshold-independent evaluation of sound event detection scores".
"""

from __future__ import annotations

from collections.abc import Sequence

from effbench.evaluate.bootstrap import CLIP_RESAMPLES, ClipBootstrap
from effbench.evaluate.inputs import Durations, GroundTruth, Scores, ScoringInputs, Timestamps
from effbench.evaluate.one_pass import run_metrics
from effbench.evaluate.psds.criteria import Criteria
from effbench.evaluate.psds.metric import PsdsParameters, PsdsResult
from effbench.evaluate.scoring import Engine, Scoring
from effbench.grid import FRAME_SECONDS

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
    resamples: int = CLIP_RESAMPLES,
    seed: int = 0,
) -> PsdsResult:
    """PSDS without cross triggers: how exactly events are detected in time.

    Args:
        scores: clip -> (frames, classes) array of any float type; higher is surer. Any mapping will do: each
            clip is asked for once, and let go of once its operating points are known.
        ground_truth: clip -> (onset, offset, class) of its events in seconds; an empty list if it has none.
            Events of one class that overlap or touch are merged.
        durations: clip -> seconds; false positives are counted per hour of all of them.
        classes: names of the scores' columns.
        frame_seconds: length of a frame; frame k lasts from k to k + 1 times that.
        timestamps: boundaries of the frames instead: (frames + 1,) for all clips, or clip -> (frames + 1,).
        dtc: detection tolerance: the part of a detection that must lie in events of its class.
        gtc: ground-truth intersection: the part of an event that such detections must cover.
        alpha_st: weight of the standard deviation over classes in ``penalised``.
        max_efpr: effective false positives per hour up to which the curve counts.
        engine: ``reference`` has sed_scores_eval compute the values (no intervals).
        resamples: bootstrap resamples of the clips for the intervals; 0 for none.
        seed: of the resampling.

    Raises:
        UsageError: inputs that don't fit together, NaN among the scores, or no event at all.
    """
    inputs = ScoringInputs(scores, ground_truth, durations, classes, frame_seconds, timestamps)
    parameters = PsdsParameters("psds1", Criteria(dtc, gtc), alpha_st=alpha_st, max_efpr=max_efpr)
    scoring = Scoring(inputs, engine, ClipBootstrap(resamples, seed))
    return run_metrics(inputs, [parameters.metric(scoring)])[0]


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
    resamples: int = CLIP_RESAMPLES,
    seed: int = 0,
) -> PsdsResult:
    """PSDS with cross triggers: how well classes are told apart. ``penalised`` is DCASE's second scenario.

    Arguments and errors are those of ``psds1``, and two more.

    Args:
        cttc: the part of a false detection in events of another class that makes it a cross trigger.
        alpha_ct: weight of the mean rate of cross triggers in the effective false positive rate.
    """
    inputs = ScoringInputs(scores, ground_truth, durations, classes, frame_seconds, timestamps)
    parameters = PsdsParameters("psds2", Criteria(dtc, gtc, cttc), alpha_ct, alpha_st, max_efpr)
    scoring = Scoring(inputs, engine, ClipBootstrap(resamples, seed))
    return run_metrics(inputs, [parameters.metric(scoring)])[0]
