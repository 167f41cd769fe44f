"""PSD-ROC: the share of events found against the rate of false alarms, of each class and of all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from numpy.typing import NDArray

from effbench.errors import EffbenchError
from effbench.files import replacing
from effbench.plots.choices import ImageFormat
from effbench.plots.draw import style
from effbench.plots.save import METADATA

MAX_LABELLED = 10
_STEPS = 501


@dataclass(frozen=True)
class Staircase:
    """A rising curve: from ``efpr[k]`` (false positives per hour) on, the rate is ``tpr[k]``; 0 before."""

    efpr: NDArray[np.float64]
    tpr: NDArray[np.float64]

    def at(self, efpr: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rates at rates of false alarms."""
        rates = np.concatenate([[0.0], self.tpr])
        return rates[np.searchsorted(self.efpr, efpr, side="right")]


def save_psd_roc(curves: Mapping[str, Staircase], path: Path, *, title: str, max_efpr: float = 100.0) -> None:
    """Draw and write the figure; up to ten classes are named, more are a grey bundle about their mean.

    Args:
        curves: by class.
        path: a .png, .svg or .pdf file.
        title: what was scored.
        max_efpr: where the axis of false alarms ends, per hour.

    Raises:
        EffbenchError: another suffix, or a file that can't be written.
    """
    suffixes = [f".{form}" for form in ImageFormat]
    if path.suffix not in suffixes:
        raise EffbenchError(f"'{path}' can't be drawn: a figure ends in {', '.join(suffixes)}")
    form = ImageFormat(path.suffix[1:])
    with style():
        figure = _draw(curves, title, max_efpr)
        with replacing(path) as temporary:
            figure.savefig(temporary, format=form.value, metadata=METADATA[form])


def _draw(curves: Mapping[str, Staircase], title: str, max_efpr: float) -> Figure:
    figure = Figure(figsize=(6.6, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    grid = np.linspace(0.0, max_efpr, _STEPS)
    named = len(curves) <= MAX_LABELLED
    rates = {name: curve.at(grid) for name, curve in curves.items()}
    for name, rate in rates.items():
        if named:
            axes.step(grid, rate, where="post", label=name, linewidth=1.2)
        else:
            axes.step(grid, rate, where="post", color="0.75", linewidth=0.5, alpha=0.5)
    mean = np.mean(list(rates.values()), axis=0)
    axes.step(grid, mean, where="post", color="black", linewidth=2, label=f"mean of {len(curves)} classes")
    axes.set(xlim=(0, max_efpr), ylim=(0, 1.01), title=title)
    axes.set_xlabel("Effective false positives per hour")
    axes.set_ylabel("True positive rate")
    figure.legend(loc="outside right center", frameon=False, fontsize=7)
    return figure
