"""The report on the published trade-off figures: redrawn, checked, and counted exactly."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from effbench.plots.caption import setting
from effbench.plots.figures import load_figure
from effbench.plots.select import select
from effbench.plots.timings import find_device, timed_devices
from effbench.reports import comparison, findings
from effbench.reports.comparison import Agreement, Point, collect, counted, counts, spreads, throughputs
from effbench.reports.content import Content
from effbench.reports.pareto import Cost, costs
from effbench.reports.provenance import environments, origins

FIGURES = ("paper-1", "paper-2")
CLAIM_FIGURE = "cnn-vs-transformers"

#: How precisely the figures could be read: parameters from positions, MACs as numbers of three digits.
PARAMETERS_TOLERANCE = 0.0003
MACS_TOLERANCE = 0.007

TITLE = "Two published trade-off figures, counted and measured again"


def content(rows: pd.DataFrame, device: str | None = None) -> Content:
    """Everything that the report says, from rows of the results store, published results included.

    Figures show timings of the ``device``; the tables list every device.

    Raises:
        MissingResults: the store lacks parameters or MACs of a model in the figures.
        UsageError: no timings of that device.
    """
    definitions = {name: load_figure(name) for name in FIGURES}
    figures = list(definitions.values())
    specs = list(dict.fromkeys(spec for figure in figures for spec in figure.specs))
    counted(rows, specs)
    timings = throughputs(rows, figures)
    if device is not None:
        device = find_device(device, list(timings))
    by_figure = [collect(rows, figure, timings) for figure in figures]
    points = [point for group in by_figure for point in group]
    devices = {name: ", ".join([name, *setting(chosen.setting)]) for name, chosen in timings.items()}
    claimed = findings.claim(rows, points)
    rivals = [] if claimed is None else [rival.spec for rival in claimed.rivals]
    used = rows[rows["spec"].isin([*specs, *rivals])]
    drawn = {name: select(rows, figure, device=device) for name, figure in definitions.items()}
    if claimed is not None:
        third = load_figure(CLAIM_FIGURE)
        known = timed_devices(rows, "throughput", third.specs)
        drawn[CLAIM_FIGURE] = select(rows, third, device=device if device in known else None)
    by_cost, third_party = costs(points, devices), counts(rows, specs)
    published = origins(
        rows[rows["spec"].isin(specs) & (rows["provenance"] == "published") & rows["figure"].notna()]
    )
    source = published[0].source.partition(",")[0]
    values = {
        "paper": f"[{source}](https://arxiv.org/abs/{source[6:]})" if source.startswith("arXiv:") else source,
        "definitions": definitions,
        "by_figure": by_figure,
        "points": points,
        "models": len(specs),
        "devices": devices,
        "timed": {name: len(chosen.values) for name, chosen in timings.items()},
        "parameters": Agreement.of(points, lambda point: point.parameters_difference, PARAMETERS_TOLERANCE),
        "macs": Agreement.of(points, lambda point: point.macs_difference, MACS_TOLERANCE),
        "families": findings.families(points, figures),
        "changes": [
            findings.front_change(group, figure) for group, figure in zip(by_figure, figures, strict=True)
        ],
        "costs": by_cost,
        "worth": _worth(points, by_cost),
        "repeats": _repeats(points),
        "claim": claimed,
        "claimed_share": findings.CLAIMED_SHARE,
        "claim_figure": CLAIM_FIGURE,
        "counters": list(comparison.COUNTER_NAMES.values()),
        "counts": third_party,
        "spreads": spreads(third_party),
        "origins": origins(used),
        "environments": environments(used),
    }
    return Content(TITLE, list(dict.fromkeys([*specs, *rivals])), drawn, values, device=device)


def _worth(points: Sequence[Point], costs: Sequence[Cost]) -> list[tuple[str, float, list[bool]]]:
    """Models that are on any front: name, PSDS1, and on which; the best first."""
    scores = {point.spec: point.psds1 for point in points}
    rows = [(spec, score, [spec in cost.front for cost in costs]) for spec, score in scores.items()]
    return sorted((row for row in rows if any(row[2])), key=lambda row: -row[1])


def _repeats(points: Sequence[Point]) -> list[float]:
    """Differences between the published throughputs of models that are in both figures, as fractions."""
    seen: dict[str, float] = {}
    differences = []
    for point in points:
        if point.spec in seen:
            differences.append(abs(point.throughput_published / seen[point.spec] - 1))
        seen[point.spec] = point.throughput_published
    return sorted(differences)
