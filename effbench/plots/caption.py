"""Says under a figure what in it was measured, where, and what was published."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pandas as pd

from effbench.plots.choices import Convention
from effbench.plots.figure_data import AxisData, FigureData
from effbench.plots.origins import mixes_origins
from effbench.plots.quantities import MACS, ON_A_DEVICE, is_score
from effbench.plots.scored import short_fingerprint, untrained
from effbench.plots.values import Chosen
from effbench.shown import number_of

CONVENTIONS = {
    Convention.exact: "every multiply–accumulate counted",
    Convention.paper: "the published convention: recurrent cells and scans as zero, TCN convolutions twice",
}


#: Parts of a model whose timings say so; those of the network are the usual ones.
_PARTS = {"frontend": "front-end alone", "both": "front-end and network"}


def axis_label(data: AxisData, macs: Convention) -> str:
    """Label of an axis; it says where timings come from, if all are from one device."""
    label, chosen = data.axis.text, data.choices[0]
    if data.axis.quantity == MACS:
        exact = chosen.quantity == "macs_exact"
        return f"{label}, {'exact' if exact else 'published convention'}"
    if data.axis.quantity not in ON_A_DEVICE or len(data.choices) > 1:
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
    words += [str(conditions["backend"])] if conditions.get("backend") else []
    words += [f"kernels {conditions['kernels']}"] if "kernels" in conditions else []
    threads = conditions.get("threads")
    return words + ([f"{threads} thread{'s' if threads != 1 else ''}"] if threads else [])


def caption(data: FigureData) -> str:
    """Provenance of everything in the figure, in a few sentences."""
    scored = [axis for axis in data.axes if is_score(axis.axis.quantity)]
    timed = [axis for axis in data.axes if axis.axis.quantity in ON_A_DEVICE]
    sentences = [sentence for axis in scored for sentence in _scores(axis)]
    if data.definition.mixed_data:
        sentences.append("Scores of different data stand side by side: they are not comparable.")
    sentences += _computed(data)
    if data.checkpoints:
        several = ", ".join(f"{spec} ({count})" for spec, count in data.checkpoints.items())
        sentences.append(f"Of several checkpoints, that of the newest score: {several}.")
    if bare := sorted({spec for axis in scored for chosen in axis.choices for spec in untrained(chosen)}):
        sentences.append(f"Untrained, with scores of chance: {', '.join(bare)}.")
    sentences += [_timing(data, axis, chosen) for axis in timed for chosen in axis.choices]
    if any(panel.overlay for panel in data.panels):
        device = " (device of the timings unknown)" if timed else ""
        sentences.append(f"Hollow markers: read from the published figure{device}.")
    elif mixes_origins(data):
        sentences.append("Hollow markers: published.")
    if data.definition.front:
        apart = any(len(axis.choices) > 1 for axis in timed)
        each = " of each device and setting" if apart else ""
        sentences.append(
            f"Pareto front{each}: models that no other one equals in both values and betters in one."
        )
    return " ".join(sentences)


def _scores(axis: AxisData) -> list[str]:
    """One sentence for each origin of scores, and what is of another origin in it."""
    origins: dict[str, list[Chosen]] = {}
    for chosen in axis.choices:
        interval = ", with 95 % interval" if any(v.low is not None for v in chosen.values.values()) else ""
        said = f"{chosen.provenance}{scored_on(chosen)}{interval}, {sources(chosen.rows)}."
        origins.setdefault(" ".join([said, *_own_scores(chosen), *_means(chosen)]), []).append(chosen)
    return [f"{_named(axis, *several)}: {said}" for said, several in origins.items()]


def _means(scores: Chosen) -> list[str]:
    """Of how many seeds scores are means."""
    by_number: dict[int, list[str]] = {}
    for spec, number in sorted(scores.seeds.items()):
        by_number.setdefault(number, []).append(spec)
    return [f"Means over {number} seeds: {', '.join(specs)}." for number, specs in sorted(by_number.items())]


def _named(axis: AxisData, *chosen: Chosen) -> str:
    """An axis without its unit and, where these are not all choices of its values, the series they are of."""
    name = _short(axis.axis.text)
    if len(axis.choices) == len(chosen):
        return name
    return f"{name} of {', '.join(label for one in chosen for label in axis.labels(one))}"


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
    """One sentence for each source of what was counted."""
    by_source: dict[str, list[str]] = {}
    for axis in data.axes:
        if axis.axis.quantity in ON_A_DEVICE or is_score(axis.axis.quantity):
            continue
        for chosen in axis.choices:
            exact = chosen.quantity == "macs_exact"
            convention = CONVENTIONS[Convention.exact if exact else Convention.paper]
            how = f" ({convention})" if axis.axis.quantity == MACS else ""
            origin = "published" if chosen.provenance == "published" else "computed"
            names = by_source.setdefault(f"{origin}, {sources(chosen.rows)}", [])
            names.append(_named(axis, chosen) + how)
    return [f"{' and '.join(names)}: {source}." for source, names in by_source.items()]


def _timing(data: FigureData, axis: AxisData, chosen: Chosen) -> str:
    name = _named(axis, chosen)
    if chosen.provenance == "published":
        nothing = "" if axis.axis.provenance == "published" else "nothing measured yet; "
        return (
            f"{name}: {nothing}the hollow markers are published values, "
            "whose device, batch size and precision are unknown."
        )
    labels = axis.labels(chosen)
    models = len({spec for look in data.definition.looks if look.label in labels for spec in look.specs})
    coverage = "" if len(chosen.values) == models else f" {len(chosen.values)} of {models} models,"
    how = ", ".join([str(chosen.device), *setting(chosen.setting)])
    return f"{name}:{coverage} measured on {how}; {_batches(chosen)}."


def _short(label: str) -> str:
    """The label of an axis without its unit."""
    return label.partition(" (")[0]


def _batches(chosen: Chosen) -> str:
    sizes = sorted({int(size) for size in chosen.rows["batch_size"] if size is not None})
    spread = "" if not sizes else f" ({sizes[0]})" if len(sizes) == 1 else f" ({sizes[0]} to {sizes[-1]})"
    best = f"each model at its best batch size{spread}"
    if chosen.quantity != "throughput" and sizes:
        best = f"batch size {sizes[0]}" if len(sizes) == 1 else f"batch sizes {sizes[0]} to {sizes[-1]}"
    interval = any(value.low is not None for value in chosen.values.values())
    return best + (", median with 95 % interval" if interval else "")


def short_commit(commit: str) -> str:
    """First nine characters of a commit, with the mark of uncommitted changes if it has one."""
    revision, plus, changes = commit.partition("+")
    return revision[:9] + plus + changes


def sources(rows: pd.DataFrame) -> str:
    """Sources of rows with their commits, each once."""
    commits = [f" ({short_commit(str(commit))})" if commit else "" for commit in rows["commit"]]
    names = (f"{source}{commit}" for source, commit in zip(rows["source"], commits, strict=True))
    return "; ".join(dict.fromkeys(names)) or "no source"
