"""The field's reference scorer, sed_scores_eval, behind our inputs and results."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np

from effbench.errors import EffbenchError
from effbench.evaluate.inputs import Task
from effbench.evaluate.psds.curves import Curve
from effbench.evaluate.psds.metric import PsdsResult, Settings


def reference_module(name: str) -> Any:
    """A module of sed_scores_eval.

    Raises:
        EffbenchError: it is not installed.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return import_module(f"sed_scores_eval.{name}")
        except ImportError as error:
            raise EffbenchError(
                f"the reference scorer can't be used ({error}): pip install 'effbench[reference]'"
            ) from error


def reference_psds(task: Task, settings: Settings) -> PsdsResult:
    """The PSDS of a task by sed_scores_eval."""
    scored = np.flatnonzero(task.event_counts).tolist()
    crossing = settings.criteria.cttc is not None and settings.alpha_ct > 0
    penalised, areas, (etpr, efpr), curves = _call(
        reference_module("intersection_based").psds,
        **_inputs(task, scored),
        dtc_threshold=settings.criteria.dtc,
        gtc_threshold=settings.criteria.gtc,
        cttc_threshold=settings.criteria.cttc if crossing else None,
        alpha_ct=settings.alpha_ct if crossing else 0.0,
        alpha_st=settings.alpha_st,
        unit_of_time="hour",
        max_efpr=settings.max_efpr,
    )
    names = {_label(number): task.classes[number] for number in scored}
    per_class = {names[label]: float(area) for label, area in areas.items()}
    return PsdsResult(
        macro=float(np.mean(list(per_class.values()))),
        penalised=float(penalised),
        per_class={name: per_class.get(name, float("nan")) for name in task.classes},
        curves={names[label]: Curve(curve[1], curve[0]) for label, curve in curves.items()},
        effective=Curve(efpr, etpr),
    )


def reference_pauroc(task: Task, segment_seconds: float, max_fpr: float) -> dict[str, float]:
    """The segment-based partial AUROC of each class by sed_scores_eval."""
    scored = np.flatnonzero(task.event_counts).tolist()
    areas, _ = _call(
        reference_module("segment_based").auroc,
        **_inputs(task, scored),
        segment_length=segment_seconds,
        max_fpr=max_fpr,
    )
    return {name: float(areas.get(_label(number), np.nan)) for number, name in enumerate(task.classes)}


def _call(score: Callable[..., Any], **arguments: Any) -> Any:
    try:
        return score(**arguments)
    except (AssertionError, IndexError, TypeError, ValueError) as error:
        # For one, it fails where a class has neither a true nor a false positive at any threshold.
        raise EffbenchError(
            f"the reference scorer failed ({error}); this case is one of those that only effbench defines"
        ) from error


def _label(number: int) -> str:
    # The reference refuses some names, such as those with a backslash.
    return f"class {number}"


def _inputs(task: Task, scored: list[int]) -> dict[str, Any]:
    """Scores as tables, events as lists, durations: what the reference takes, for the classes with events."""
    create = reference_module("base_modules.scores").create_score_dataframe
    labels = [_label(number) for number in scored]
    tables = {}
    for number, clip in enumerate(task.clips):
        scores = task.load(number)
        if np.isnan(scores).any():
            raise task.refuse_nan(number, int(np.argwhere(np.isnan(scores))[0, 1]))
        times = task.times(number, len(scores))
        tables[clip] = create(scores[:, scored].astype(np.float64), times, labels)
    truth: dict[str, list[tuple[float, float, str]]] = {clip: [] for clip in task.clips}
    events = task.events
    for clip, cls, onset, offset in zip(events.clip, events.cls, events.onset, events.offset, strict=True):
        truth[task.clips[clip]].append((float(onset), float(offset), _label(cls)))
    seconds = dict(zip(task.clips, task.durations.tolist(), strict=True))
    return {"scores": tables, "ground_truth": truth, "audio_durations": seconds}
