"""How the scores of classes changed from one system to another: a bar for each, with its interval."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from effbench.plots.lettering import fitted, set_heading
from effbench.plots.save import new_figure, save, style
from effbench.results.intervals import Estimate

#: Most classes that are drawn: of more, those that changed most.
MAX_CLASSES_DRAWN = 30

_LABEL_SIZE = 7
_LABEL_WIDTH = 220  # pixels
_BAR_HEIGHT = 0.17  # inches


def save_score_changes(changes: Mapping[str, Estimate], path: Path, *, title: str, label: str) -> None:
    """Draw differences of classes, per cent, the largest rise on top, and write a .png, .svg or .pdf file.

    Classes without a difference (NaN) are left out. ``label`` says what is drawn: ``psds1, %: b less a``.

    Raises:
        UsageError: another suffix.
        EffbenchError: the file can't be written.
    """
    with style():
        save(draw_score_changes(changes, title, label), path)


def draw_score_changes(changes: Mapping[str, Estimate], title: str, label: str) -> Figure:
    """The figure of ``save_score_changes``."""
    defined = {name: change for name, change in changes.items() if not np.isnan(change.value)}
    most = sorted(defined, key=lambda name: -abs(defined[name].value))[:MAX_CLASSES_DRAWN]
    ranked = sorted(most, key=lambda name: defined[name].value)
    values = np.array([defined[name].value for name in ranked])
    reach = np.array([[defined[name].low, defined[name].high] for name in ranked]).reshape(-1, 2)
    figure = new_figure(6.6, 1.3 + _BAR_HEIGHT * max(len(ranked), 3), "constrained")
    axes = figure.add_subplot()
    places = np.arange(len(ranked))
    axes.barh(places, values, color=np.where(values < 0, "C1", "C0"), height=0.7)
    axes.hlines(places, reach[:, 0], reach[:, 1], color="0.2", linewidth=0.8)
    axes.axvline(0, color="black", linewidth=0.8)
    names = [fitted(figure, name, _LABEL_WIDTH, _LABEL_SIZE) for name in ranked]
    axes.set_yticks(places, names, size=_LABEL_SIZE)
    shown = (
        "" if len(most) == len(defined) else f", the {len(most)} of {len(defined)} classes that changed most"
    )
    axes.set(xlabel=f"{label}{shown}", ylim=(-0.6, max(len(ranked), 1) - 0.4))
    set_heading(figure, title)
    return figure
