"""PSD-ROC: the true positive rate against the effective false positive rate, of each class and of all."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TypeAlias

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from effbench.errors import UsageError
from effbench.files import replacing
from effbench.plots.choices import ImageFormat
from effbench.plots.draw import style
from effbench.plots.save import METADATA

MAX_LABELLED = 10

#: Effective false positive rates (steps,), and the true positive rates (steps,) from there on; 0 before.
Steps: TypeAlias = tuple[np.ndarray, np.ndarray]


def save_psd_roc(
    curves: Mapping[str, Steps], mean: Steps, path: Path, *, title: str, max_efpr: float = 100.0
) -> None:
    """Draw and write the figure; up to ten classes are named, more are a grey bundle about their mean.

    Args:
        curves: by class.
        mean: of all of them.
        path: a .png, .svg or .pdf file.
        title: what was scored.
        max_efpr: where the axis of false positives ends, per hour.

    Raises:
        UsageError: another suffix.
        EffbenchError: the file can't be written.
    """
    form = image_format(path)
    with style():
        figure = draw_psd_roc(curves, mean, title, max_efpr)
        with replacing(path) as temporary:
            figure.savefig(temporary, format=form.value, metadata=METADATA[form])


def image_format(path: Path) -> ImageFormat:
    """Format of an image file, by its name.

    Raises:
        UsageError: another suffix than theirs.
    """
    suffixes = [f".{form}" for form in ImageFormat]
    if path.suffix not in suffixes:
        raise UsageError(f"'{path}' can't be drawn: a figure ends in {', '.join(suffixes)}")
    return ImageFormat(path.suffix[1:])


def draw_psd_roc(curves: Mapping[str, Steps], mean: Steps, title: str, max_efpr: float) -> Figure:
    """The figure of ``save_psd_roc``."""
    figure = Figure(figsize=(6.6, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    named = len(curves) <= MAX_LABELLED
    for name, curve in curves.items():
        (line,) = axes.step(*_corners(curve, max_efpr), where="post", label=name, linewidth=1.2)
        if not named:
            line.set(label="_nolegend_", color="0.75", linewidth=0.5, alpha=0.5)
    label = f"mean of {len(curves)} classes"
    axes.step(*_corners(mean, max_efpr), where="post", color="black", linewidth=2, label=label)
    axes.set(xlim=(0, max_efpr), ylim=(0, 1.01), title=title)
    axes.set_xlabel("Effective false positives per hour")
    axes.set_ylabel("True positive rate")
    figure.legend(loc="outside right center", frameon=False, fontsize=7)
    return figure


def _corners(steps: Steps, max_efpr: float) -> Steps:
    """The staircase from 0 false positives to the end of the axis."""
    efpr, tpr = steps
    last = tpr[-1:] if len(tpr) else np.zeros(1)
    return np.concatenate([[0.0], efpr, [max_efpr]]), np.concatenate([[0.0], tpr, last])
