"""Saving a baseline, checking the working tree against one, and comparing it with another version."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch

from effbench.errors import EffbenchError, UsageError
from effbench.grid import CLIP_SECONDS
from effbench.machine.devices import resolve_device
from effbench.models.own_model import find_model
from effbench.regress.baseline import Baseline, Entry, read_baseline, write_baseline
from effbench.regress.interleaved import PROCESSES, Pair, Setting
from effbench.regress.result import Check, ModelCheck, is_same_torch
from effbench.regress.sequential import Decision
from effbench.regress.sides import both_sides
from effbench.regress.worker import count, subject
from effbench.results.measurement import now
from effbench.version import VERSION, commit

Say = Callable[[str], None]

#: What is guarded where nothing else is asked for: two widths, and each sequence model.
STANDARD_MODELS = (
    *("fmn04", "fmn10", "fmn10+tf-256", "fmn10+gru-256", "fmn10+attn-256"),
    *("fmn10+tcn-256", "fmn10+mamba-256", "fmn10+hybrid-256"),
)
#: Fraction of its time by which a model may become slower.
THRESHOLD = 0.025


def save(path: Path, models: Sequence[str] = ()) -> Baseline:
    """Count models, and write the baseline; what the file holds of other models stays.

    Args:
        path: the baseline's file.
        models: specs, or models of one's own; by default those in the file, or the standard ones.

    Raises:
        UsageError: a file that is not a baseline, or an unknown model.
    """
    old = read_baseline(path) if path.exists() else None
    entries = dict(old.models) if old else {}
    references = _references(models)
    if old is not None and not is_same_torch(old.torch, torch.__version__):
        references = {spec: spec for spec in entries} | references
    for spec in references or entries or STANDARD_MODELS:
        entries[spec] = _counted(references.get(spec, spec))
    baseline = Baseline(
        created=now(), effbench=VERSION, commit=commit(), torch=torch.__version__, models=entries
    )
    write_baseline(baseline, path)
    return baseline


def check(path: Path, models: Sequence[str] = ()) -> Check:
    """Count the models of a baseline again, and find which of them changed or are missing.

    Args:
        path: the baseline's file.
        models: specs; by default those in the baseline, and standard ones, reported as new.

    Raises:
        UsageError: no baseline, none of the models in it, or an unknown model.
    """
    baseline = read_baseline(path)
    references = _references(models)
    specs = list(references) or list(dict.fromkeys((*baseline.models, *STANDARD_MODELS)))
    if not baseline.models.keys() & set(specs):
        raise UsageError(f"{path} holds none of these models; it has {', '.join(baseline.models)}")
    versions = baseline.torch, torch.__version__
    found = []
    for spec in specs:
        entry = ModelCheck(spec, baseline.models.get(spec), torch=versions)
        if entry.before is not None:
            try:
                entry = replace(entry, now=_counted(references.get(spec, spec)))
            except EffbenchError as error:
                entry = replace(entry, error=str(error).splitlines()[0])
        found.append(entry)
    return Check(str(path), tuple(found))


def compare(
    against: str,
    models: Sequence[str] = (),
    *,
    threshold: float = THRESHOLD,
    thresholds: Mapping[str, float] | None = None,
    setting: Setting | None = None,
    counts_only: bool = False,
    say: Say | None = None,
) -> Check:
    """Compare what is here with another version: counts, and times of both, run in turn.

    Args:
        against: a git revision, a wheel or an environment; see ``both_sides``.
        models: specs, or models of one's own; by default the standard ones.
        threshold: fraction of its time by which a model may become slower, e.g. 0.025.
        thresholds: of single models, by their names.
        setting: what both are timed under.
        counts_only: don't time them.
        say: gets a line for each model that was timed.

    Raises:
        UsageError: no such version, an unknown model or device, an impossible threshold.
        EffbenchError: a version can't run, or none of the models can be compared.
    """
    given = thresholds or {}
    for value in (threshold, *given.values()):
        if not 0.001 <= value < 1:
            raise UsageError(
                f"a threshold is between 0.001 and 1, not {value:g}; 0.025 allows 2.5 % more time"
            )
    if not (counts_only or hasattr(os, "fork")):
        raise UsageError("this system can't fork processes, which timing needs: compare counts alone")
    setting = setting or Setting()
    setting = replace(setting, device=str(resolve_device(setting.device)))
    references = _references(models or STANDARD_MODELS)
    found = []
    sides = both_sides(against)
    with Pair(*sides, processes=1 if counts_only else PROCESSES) as pair:
        versions = (pair.about[0]["torch"], pair.about[1]["torch"])
        for spec, reference in references.items():
            local = (sides[0].locally(reference), reference)
            entry, error = _counted_there(pair, spec, local)
            entry = replace(entry, torch=versions, exact=False, threshold=given.get(spec, threshold))
            if error is None and not counts_only:

                def told(decision: Decision, spec: str = spec) -> None:
                    if say is not None:
                        say(f"{spec}: {decision}")

                try:
                    entry = replace(entry, timed=pair.time(local, setting, entry.threshold, told))
                except EffbenchError as reason:
                    raise EffbenchError(f"{spec} can't be timed: {reason}") from None
            found.append(entry)
    if all(entry.before is None for entry in found):
        raise EffbenchError(f"{sides[0].label} runs none of these models: {found[0].error}")
    return Check(sides[0].label, tuple(found), counts_only=counts_only)


def _counted(model: str) -> Entry:
    return Entry(**count(*subject(model, CLIP_SECONDS)))


def _counted_there(pair: Pair, spec: str, local: tuple[str, str]) -> tuple[ModelCheck, str | None]:
    """Counts of both sides, and what is wrong with one of them."""
    for worker, model in zip(pair.workers[0], local, strict=True):
        worker.tell(do="count", model=model, clip_seconds=CLIP_SECONDS)
    counts: list[Entry | None] = []
    wrong = None
    for worker in pair.workers[0]:
        try:
            counts.append(Entry(**worker.hear()))
        except EffbenchError as error:
            counts.append(None)
            wrong = wrong or str(error)
    return ModelCheck(spec, counts[0], counts[1], error=wrong), wrong


def _references(models: Sequence[str]) -> dict[str, str]:
    """What builds each of the models, by its name."""
    return {str(found): found.reference for found in map(find_model, models)}
