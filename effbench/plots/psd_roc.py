"""PSD-ROC: the true positive rate against the effective false positive rate, of each class and of all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
from matplotlib.figure import Figure

from effbench.plots.save import new_figure, save, style

MAX_LABELLED = 10

#: Effective false positive rates (steps,), and the true positive rates (steps,) from there on; 0 before.
Steps: TypeAlias = tuple[np.ndarray, np.ndarray]


def save_psd_roc(
    curves: Mapping[str, Steps], mean: Steps, path: Path, *, title: str, max_efpr: float = 100.0
) -> None:
    """Draw the curves of classes and their mean, and write a .png, .svg or .pdf file.

    Up to ten classes are named, more are a grey bundle. The axis of false positives per hour ends at
    ``max_efpr``.

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
    named = len(curves) <= MAX_LABELLED
    for name, curve in curves.items():
        (line,) = axes.step(*_corners(curve, max_efpr), where="post", label=name, linewidth=1.2)
        if not named:
            line.set(label="_nolegend_", color="0.75", linewidth=0.5, alpha=0.5)
    label = f"mean of {len(curves)} classes"
    axes.step(*_corners(mean, max_efpr), where="post", color="black", linewidth=2, label=label)
    axes.set(xlim=(0, max_efpr), ylim=(0, 1.01), title=title)
    axes.set(xlabel="Effective false positives per hour", ylabel="True positive rate")
    figure.legend(loc="outside right center", frameon=False, fontsize=7)
    return figure


def _corners(steps: Steps, max_efpr: float) -> Steps:
    """The staircase from 0 false positives to the end of the axis."""
    efpr, tpr = steps
    last = tpr[-1:] if len(tpr) else np.zeros(1)
    return np.concatenate([[0.0], efpr, [max_efpr]]), np.concatenate([[0.0], tpr, last])
