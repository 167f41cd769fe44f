"""Curves of a training: losses and validation scores over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from effbench.plots.lettering import set_heading
from effbench.plots.save import new_figure, save, style

Rows = Sequence[Mapping[str, float | None]]

LABELS = {
    "loss": "training",
    "validation_loss": "validation",
    "psds1": "PSDS1",
    "psds1_penalised": "PSDS1, penalised",
    "pauroc": "pAUROC",
    "map": "mAP",
    "onset_f1": "onset F1, 200 ms",
    "onset_f1_50ms": "onset F1, 50 ms",
}
_LOSSES = ("loss", "validation_loss")


def save_curves(rows: Rows, path: Path, *, title: str) -> None:
    """Draw the losses and, beside them, the scores in per cent with 95 % intervals; one row an epoch.

    Raises:
        EffbenchError: the file can't be written.
    """
    with style():
        figure = new_figure(8.4, 3.2, "constrained")
        losses, scores = figure.subplots(1, 2)
        _draw(losses, rows, _LOSSES, "Loss")
        known = {name for row in rows for name in row}
        _draw(scores, rows, [name for name in LABELS if name in known - set(_LOSSES)], "Score (%)")
        set_heading(figure, title)
        save(figure, path)


def _draw(axes: Axes, rows: Rows, names: Sequence[str], label: str) -> None:
    for name in names:
        points = [row for row in rows if row.get(name) is not None]
        epochs, values = _column(points, "epoch"), _column(points, name)
        (line,) = axes.plot(epochs, values, marker=".", label=LABELS[name])
        low, high = _column(points, f"{name}_low"), _column(points, f"{name}_high")
        axes.fill_between(epochs, low, high, color=line.get_color(), alpha=0.15, linewidth=0)
    axes.set(xlabel="Epoch", ylabel=label)
    axes.set_ylim(bottom=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if axes.lines:
        axes.legend(frameon=False, fontsize=7)


def _column(rows: Rows, name: str) -> NDArray[np.float64]:
    return np.array([row.get(name) for row in rows], float)
