"""Says under a figure what in it was measured, where, and what was published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from effbench.plots.choices import Convention
from effbench.plots.figures import MACS
from effbench.plots.scored import short_fingerprint, untrained
from effbench.plots.select import TIMED, FigureData, PanelData
from effbench.plots.values import Chosen
from effbench.shown import number_of

CONVENTIONS = {
    Convention.exact: "every multiply–accumulate counted",
    Convention.paper: "the published convention: recurrent cells and scans as zero, TCN convolutions twice",
}


#: Parts of a model whose timings say so; those of the network are the usual ones.
_PARTS = {"frontend": "front-end alone", "both": "front-end and network"}


def axis_label(data: PanelData, macs: Convention) -> str:
    """Label of a panel's horizontal axis; it says where timings come from."""
    label, chosen = data.panel.label, data.chosen
    if data.panel.quantity == MACS:
        return f"{label}, {'exact' if macs is Convention.exact else 'published convention'}"
    if chosen.quantity not in TIMED:
        return label
    if chosen.provenance == "published":
        return f"{label}, published; device unknown"
    return ", ".join([label, str(chosen.device), *setting(chosen.setting)])


def setting(conditions: Mapping[str, object]) -> list[str]:
    """Conditions of a timing as short words, e.g. ``["fp16", "compiled", "2 threads"]``."""
    words = [_PARTS[str(conditions["part"])]] if conditions.get("part") in _PARTS else []
    words += [str(conditions["precision"])] if "precision" in conditions else []
    words += [f"{conditions['tf32']} only"] if "tf32" in conditions else []
    words += ["compiled"] if conditions.get("compiled") else []
    words += [f"kernels {conditions['kernels']}"] if "kernels" in conditions else []
    threads = conditions.get("threads")
    return words + ([f"{threads} thread{'s' if threads != 1 else ''}"] if threads else [])


def caption(data: FigureData) -> str:
    """Provenance of everything in the figure, in a few sentences."""
    score = data.definition.score
    where, origin = scored_on(data.scores), sources(data.scores.rows)
    sentences = [f"{_short(score.label)}: {score.provenance}{where}, {origin}.", *_computed(data)]
    sentences[1:1] = _own_scores(data.scores)
    if data.checkpoints:
        several = ", ".join(f"{spec} ({count})" for spec, count in data.checkpoints.items())
        sentences.append(f"Of several checkpoints, that of the newest score: {several}.")
    if bare := untrained(data.scores):
        sentences.append(f"Untrained, with scores of chance: {', '.join(bare)}.")
    models = len(set(data.definition.specs))
    timings = [panel for panel in data.panels if panel.chosen.quantity in TIMED]
    sentences += [_timing(panel, models) for panel in timings]
    if any(panel.overlay for panel in data.panels):
        device = " (device of the timings unknown)" if timings else ""
        sentences.append(f"Hollow markers: read from the published figure{device}.")
    return " ".join(sentences)


def _own_scores(scores: Chosen) -> list[str]:
    """What published scores of models of one's own are: declared, or measured after all."""
    if scores.provenance != "published":
        return []
    declared = [bool(row.get("declared")) for row in scores.rows["conditions"]]
    said = [f"Declared by the user: {', '.join(scores.rows['spec'][declared])}."] if any(declared) else []
    rows = scores.measured.rows
    for spec, number in zip(rows["spec"], range(len(rows)), strict=True):
        one = replace(scores, provenance="measured", rows=rows.iloc[[number]])
        said.append(f"Measured, not published: {spec}{scored_on(one)}.")
    return said


def scored_on(scores: Chosen) -> str:
    """Data set and protocol of measured scores, which all of them share."""
    if scores.provenance != "measured" or scores.rows.empty:
        return ""
    conditions = scores.rows["conditions"].iloc[0]
    fingerprint = short_fingerprint(conditions)
    place = " ".join(str(conditions[key]) for key in ("data", "split") if key in conditions)
    place += f" ({fingerprint})" if fingerprint else ""
    clips = f", {number_of(int(conditions['clips']), 'clip')}" if "clips" in conditions else ""
    if lost := conditions.get("missing_clips"):
        clips += f" ({lost} more missing, with {conditions['missing_events']} of the events)"
    protocol = f", protocol {conditions['protocol']}" if "protocol" in conditions else ""
    precision = f", {conditions['precision']}" if "precision" in conditions else ""
    return f" on {place}{clips}{protocol}{precision}" if place else ""


def _computed(data: FigureData) -> list[str]:
    """One sentence for each source of the panels that were not timed."""
    by_source: dict[str, list[str]] = {}
    for panel in data.panels:
        if panel.chosen.quantity not in TIMED:
            convention = f" ({CONVENTIONS[data.macs]})" if panel.panel.quantity == MACS else ""
            by_source.setdefault(sources(panel.chosen.rows), []).append(
                _short(panel.panel.label) + convention
            )
    return [f"{' and '.join(names)}: computed, {source}." for source, names in by_source.items()]


def _timing(data: PanelData, models: int) -> str:
    chosen, name = data.chosen, _short(data.panel.label)
    if chosen.provenance == "published":
        return (
            f"{name}: nothing measured yet; the hollow markers are published values, "
            "whose device, batch size and precision are unknown."
        )
    coverage = "" if len(chosen.values) == models else f" {len(chosen.values)} of {models} models,"
    how = ", ".join([str(chosen.device), *setting(chosen.setting)])
    return f"{name}:{coverage} measured on {how}; each model at its best batch size{_batches(chosen)}."


def _short(label: str) -> str:
    """The label of an axis without its unit."""
    return label.partition(" (")[0]


def _batches(chosen: Chosen) -> str:
    sizes = sorted({int(size) for size in chosen.rows["batch_size"] if size is not None})
    spread = "" if not sizes else f" ({sizes[0]})" if len(sizes) == 1 else f" ({sizes[0]} to {sizes[-1]})"
    interval = any(value.low is not None for value in chosen.values.values())
    return spread + (", median with 95 % interval" if interval else "")


def short_commit(commit: str) -> str:
    """First nine characters of a commit, with the mark of uncommitted changes if it has one."""
    revision, plus, changes = commit.partition("+")
    return revision[:9] + plus + changes


def sources(rows: pd.DataFrame) -> str:
    """Sources of rows with their commits, each once."""
    commits = [f" ({short_commit(str(commit))})" if commit else "" for commit in rows["commit"]]
    names = (f"{source}{commit}" for source, commit in zip(rows["source"], commits, strict=True))
    return "; ".join(dict.fromkeys(names)) or "no source"
