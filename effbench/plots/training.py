"""Curves of a training: losses and validation scores over the epochs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from effbench.files import replacing
from effbench.plots.draw import style
from effbench.plots.options import ImageFormat
from effbench.plots.save import METADATA

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
    """Draw the losses and, beside them, the scores in per cent with their 95 % intervals.

    Args:
        rows: the run's metrics, one row an epoch.
        path: a .png, .svg or .pdf file.
        title: of the run.

    Raises:
        OSError: the file can't be written.
    """
    form = ImageFormat(path.suffix[1:])
    with style():
        figure = Figure(figsize=(8.4, 3.2), layout="constrained")
        FigureCanvasAgg(figure)
        losses, scores = figure.subplots(1, 2)
        _draw(losses, rows, _LOSSES, "Loss")
        known = {name for row in rows for name in row}
        _draw(scores, rows, [name for name in LABELS if name in known - set(_LOSSES)], "Score (%)")
        figure.suptitle(title)
        with replacing(path) as temporary:
            figure.savefig(temporary, format=form.value, metadata=METADATA[form])


def _draw(axes: Axes, rows: Rows, names: Sequence[str], label: str) -> None:
    for name in names:
        points = [row for row in rows if row.get(name) is not None]
        epochs = [row["epoch"] for row in points]
        (line,) = axes.plot(epochs, [row[name] for row in points], marker=".", label=LABELS[name])
        ends = [(row.get(f"{name}_low"), row.get(f"{name}_high")) for row in points]
        if ends and None not in ends[0]:
            axes.fill_between(
                epochs, *zip(*ends, strict=True), color=line.get_color(), alpha=0.15, linewidth=0
            )
    axes.set(xlabel="Epoch", ylabel=label)
    axes.set_ylim(bottom=0)
    axes.xaxis.get_major_locator().set_params(integer=True)
    if axes.lines:
        axes.legend(frameon=False, fontsize=7)
