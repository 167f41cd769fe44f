"""Saving a baseline, and checking the working tree against one.

Parameters and MACs must be equal. Speed is a ratio against a fixed reference workload that runs in turn
with the model in the same process, so that load and clock changes cancel; it may not have fallen by more
than a threshold, beyond what the intervals of both measurements leave open.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from effbench.errors import EffbenchError, UsageError
from effbench.measure.complexity import measure_complexity
from effbench.measure.timing import Progress
from effbench.models.build import build_model
from effbench.models.detector import SoundEventDetector
from effbench.models.own_model import find_model
from effbench.regress.baseline import (
    Baseline,
    Entry,
    Setup,
    read_baseline,
    refuse_other_setup,
    same_setup,
    setup_here,
    write_baseline,
)
from effbench.regress.result import Check, ModelCheck
from effbench.regress.yardstick import Effort, measure_speeds
from effbench.results.measurement import now
from effbench.version import VERSION, commit

Build = Callable[[str], SoundEventDetector]

#: What is guarded where nothing else is asked for: two widths, and each sequence model.
STANDARD_MODELS = (
    *("fmn04", "fmn10", "fmn10+tf-256", "fmn10+gru-256", "fmn10+attn-256"),
    *("fmn10+tcn-256", "fmn10+mamba-256", "fmn10+hybrid-256"),
)

_build: Build = partial(build_model, seed=0)


def save(
    path: Path,
    models: Sequence[str] = (),
    *,
    complexity_only: bool = False,
    device: str = "cpu",
    threads: int = 1,
    effort: Effort | None = None,
    build: Build = _build,
    progress: Progress | None = None,
) -> Baseline:
    """Measure models, twice as long as a check does, and write the baseline.

    What the file holds of other models stays, and with ``complexity_only`` the speed of models whose
    complexity did not change.

    Args:
        path: the baseline's file.
        models: specs, or detectors of one's own; by default those in the file, or the standard ones.
        complexity_only: measure no speed.
        device: whose speed is measured.
        threads: of torch on the CPU; one is steadiest.
        effort, build, progress: as for ``check``.

    Raises:
        UsageError: a file that is not a baseline, an unknown model or device.
        IncomparableSpeeds: other models in the file were measured under another setup.
    """
    old = read_baseline(path) if path.exists() else None
    entries = dict(old.models) if old else {}
    references = _references(models)
    specs = list(references or entries or STANDARD_MODELS)
    setup = old.conditions if old else None
    if not complexity_only:
        setup = setup_here(device, threads)
        others = [spec for spec, entry in entries.items() if spec not in specs and entry.speed is not None]
        if old is not None and old.conditions is not None and others:
            refuse_other_setup(path, old.conditions, setup)
    detectors = {spec: build(references.get(spec, spec)) for spec in specs}
    for spec, detector in detectors.items():
        measured = _entry(detector)
        saved = entries.get(spec)
        if saved is not None and saved == measured.model_copy(update={"speed": saved.speed}):
            measured = saved
        entries[spec] = measured
    if not complexity_only and setup is not None:
        speeds = measure_speeds(detectors, setup, (effort or Effort()).times(2), progress)
        entries |= {spec: entries[spec].model_copy(update={"speed": speed}) for spec, speed in speeds.items()}
    has_speed = any(entry.speed is not None for entry in entries.values())
    baseline = Baseline(
        created=now(),
        effbench=VERSION,
        commit=commit(),
        conditions=setup if has_speed else None,
        models=entries,
    )
    write_baseline(baseline, path)
    return baseline


def check(
    path: Path,
    models: Sequence[str] = (),
    *,
    complexity_only: bool = False,
    threshold: float = 0.15,
    effort: Effort | None = None,
    build: Build = _build,
    progress: Progress | None = None,
) -> Check:
    """Measure the models of a baseline again, and find which of them are heavier, lighter, slower or missing.

    A model that seems slower is measured again, twice at most and for longer each time. It counts as slower
    if it seemed so every time, and the last time beyond doubt.

    Args:
        path: the baseline's file.
        models: specs; by default those in the baseline, and standard ones, reported as new.
        complexity_only: measure no speed; possible on any hardware.
        threshold: fraction of its speed that a model may lose, e.g. 0.15.
        effort: how long to measure.
        build: makes the detector of a spec, which is measured as it is; ``build_model`` by default.
        progress: gets a line for each model.

    Raises:
        UsageError: no baseline, none of the models in it, or an unknown model.
        IncomparableSpeeds: no speeds in it, or speeds of other hardware.
    """
    if not 0 < threshold < 1:
        raise UsageError(f"a threshold is between 0 and 1, not {threshold:g}; 0.15 allows 15 % less speed")
    baseline = read_baseline(path)
    setup = None if complexity_only else same_setup(baseline, path)
    references = _references(models)
    specs = list(references) or list(dict.fromkeys((*baseline.models, *STANDARD_MODELS)))
    if not baseline.models.keys() & set(specs):
        raise UsageError(f"{path} holds none of these models; it has {', '.join(baseline.models)}")
    checks: dict[str, ModelCheck] = {}
    detectors: dict[str, SoundEventDetector] = {}
    for spec in specs:
        found = ModelCheck(spec, threshold, baseline.models.get(spec))
        if found.baseline is not None:
            try:
                detector = build(references.get(spec, spec))
            except EffbenchError as error:
                found = replace(found, error=str(error).splitlines()[0])
            else:
                found = replace(found, now=_entry(detector))
                if found.baseline is not None and found.baseline.speed is not None:
                    detectors[spec] = detector
        checks[spec] = found
    if setup is not None:
        _check_speeds(checks, detectors, setup, effort or Effort(), progress)
    notes = tuple(_notes(baseline, setup, checks)) if setup else ()
    return Check(tuple(checks.values()), threshold, complexity_only, notes)


def _entry(detector: SoundEventDetector) -> Entry:
    """Parameters of a detector and MACs of its network for one clip of 10 s, without a speed."""
    complexity = measure_complexity(detector, strict=False)
    macs = complexity.macs
    return Entry(parameters=complexity.parameters.total, macs_exact=macs.exact, macs_paper=macs.paper)


def _check_speeds(
    checks: dict[str, ModelCheck],
    detectors: dict[str, SoundEventDetector],
    setup: Setup,
    effort: Effort,
    progress: Progress | None,
) -> None:
    pending = detectors
    for attempt in range(1, effort.attempts + 1):
        if attempt > 1 and progress is not None:
            progress(f"measured again, for longer: {', '.join(pending)}")
        for spec, speed in measure_speeds(pending, setup, effort.times(attempt), progress).items():
            measured = checks[spec].now
            if measured is not None:
                measured = measured.model_copy(update={"speed": speed})
                checks[spec] = replace(checks[spec], now=measured, attempts=attempt)
        pending = {spec: detector for spec, detector in pending.items() if checks[spec].seems_slower}
        if not pending:
            return


def _references(models: Sequence[str]) -> dict[str, str]:
    """What builds each of the models, by its name."""
    return {str(found): found.reference for found in map(find_model, models)}


def _notes(baseline: Baseline, setup: Setup, checks: Mapping[str, ModelCheck]) -> list[str]:
    notes = []
    if setup.torch != torch.__version__:
        notes.append(f"the baseline was saved with torch {setup.torch}, this is {torch.__version__}")
    doubtful = [spec for spec, found in checks.items() if found.seems_slower and not found.slower]
    if doubtful:
        notes.append(f"perhaps slower, but not beyond doubt: {', '.join(doubtful)}")
    silent = [spec for spec in checks if (entry := baseline.models.get(spec)) and entry.speed is None]
    if silent:
        notes.append(f"the baseline has no speed of {', '.join(silent)}")
    return notes
