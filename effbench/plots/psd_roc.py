"""PSD-ROC: the true positive rate against the effective false positive rate, of each class and of all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from effbench.plots.lettering import fitted, set_heading
from effbench.plots.save import new_figure, save, style
from effbench.shown import number_of

#: Most classes that are named, all of them or the best and the worst half each.
MAX_NAMED = 10
_NAME_WIDTH = 150  # pixels
_LEGEND_SIZE = 7

#: Effective false positive rates (steps,), and the true positive rates (steps,) from there on; 0 before.
Steps: TypeAlias = tuple[np.ndarray, np.ndarray]


def save_psd_roc(
    curves: Mapping[str, Steps], mean: Steps, path: Path, *, title: str, max_efpr: float = 100.0
) -> None:
    """Draw the curves of classes and their mean, and write a .png, .svg or .pdf file.

    Up to ten classes are named, the best first; of more, the best five and the worst five, above a grey
    bundle. The axis of false positives per hour ends at ``max_efpr``.

    Raises:
        UsageError: another suffix.
        EffbenchError: the file can't be written.
    """
    with style():
        save(draw_psd_roc(curves, mean, title, max_efpr), path)


def draw_psd_roc(curves: Mapping[str, Steps], mean: Steps, title: str, max_efpr: float) -> Figure:
    """The figure of ``save_psd_roc``."""
    figure = new_figure(6.6, 4.2, "constrained")
    axes = figure.add_subplot()
    drawn = {name: _corners(curve, max_efpr) for name, curve in curves.items()}
    ranked = sorted(drawn, key=lambda name: -_area(drawn[name]))
    half = MAX_NAMED // 2
    best, worst = (ranked, []) if len(ranked) <= MAX_NAMED else (ranked[:half], ranked[-half:])
    handles: dict[str, Line2D] = {}
    for name, corners in drawn.items():
        (handles[name],) = axes.step(*corners, where="post", label=name)
        handles[name].set(color="0.75", linewidth=0.5, alpha=0.5)
    for number, name in enumerate([*best, *worst]):
        look = {"color": f"C{number}", "linestyle": "-" if name in best else (0, (3, 1.5))}
        handles[name].set(**look, linewidth=1.2, alpha=1, zorder=2.1)
    label = f"mean of {number_of(len(curves), 'class')}"
    (mean_line,) = axes.step(
        *_corners(mean, max_efpr), where="post", color="black", linewidth=2, label=label, zorder=2.2
    )
    axes.set(xlim=(0, max_efpr), ylim=(0, 1.01))
    axes.set(xlabel="Effective false positives per hour", ylabel="True positive rate")
    set_heading(figure, title)
    named = [*best, *worst]
    figure.legend(
        [mean_line, *(handles[name] for name in named)],
        [label, *(fitted(figure, name, _NAME_WIDTH, _LEGEND_SIZE) for name in named)],
        loc="outside right center",
        title=f"best {half}, worst {half} (dashed)" if worst else None,
        title_fontsize=_LEGEND_SIZE,
        fontsize=_LEGEND_SIZE,
        alignment="left",
    )
    return figure


def _area(corners: Steps) -> float:
    efpr, tpr = corners
    return float(np.sum(tpr[:-1] * np.diff(efpr)))


def _corners(steps: Steps, max_efpr: float) -> Steps:
    """The staircase from 0 false positives to the end of the axis."""
    efpr, tpr = steps
    last = tpr[-1:] if len(tpr) else np.zeros(1)
    return np.concatenate([[0.0], efpr, [max_efpr]]), np.concatenate([[0.0], tpr, last])
