"""PSD-ROC figures: what is drawn is the staircase that was scored."""

import numpy as np
import pytest

from effbench.errors import UsageError
from effbench.evaluate.psds.score import psds1
from effbench.plots.psd_roc import draw_psd_roc, save_psd_roc
from tests.evaluate.scoring_jobs import random_job


def drawn_area(line, max_efpr):
    """Area under a drawn staircase, as a fraction."""
    efpr, tpr = line.get_xdata(), line.get_ydata()
    assert line.get_drawstyle() == "steps-post"
    assert (efpr[0], tpr[0], efpr[-1]) == (0.0, 0.0, max_efpr)
    return np.sum(tpr[:-1] * np.diff(efpr)) / max_efpr


def test_the_areas_under_the_drawn_curves_are_the_scores():
    result = random_job(3, clips=20).score(psds1, max_efpr=500.0, resamples=0)
    figure = draw_psd_roc(
        {name: curve.steps for name, curve in result.curves.items()}, result.mean_curve.steps, "title", 500.0
    )
    *lines, mean = figure.axes[0].get_lines()
    areas = {line.get_label(): drawn_area(line, 500.0) for line in lines}
    assert areas == pytest.approx(result.per_class)
    assert drawn_area(mean, 500.0) == pytest.approx(result.macro)


def test_a_rate_holds_from_its_false_positive_rate_on():
    curve = (np.array([0.0, 20.0]), np.array([0.5, 0.75]))
    line = draw_psd_roc({"Bark": curve}, curve, "title", 100.0).axes[0].get_lines()[0]
    assert line.get_xdata().tolist() == [0.0, 0.0, 20.0, 100.0]
    assert line.get_ydata().tolist() == [0.0, 0.5, 0.75, 0.75]


def test_a_class_without_true_positives_lies_on_the_axis():
    nothing = (np.zeros(0), np.zeros(0))
    line = draw_psd_roc({"Bark": nothing}, nothing, "title", 100.0).axes[0].get_lines()[0]
    assert (line.get_xdata().tolist(), line.get_ydata().tolist()) == ([0.0, 100.0], [0.0, 0.0])


@pytest.mark.parametrize(("classes", "entries"), [(10, 11), (11, 1)])
def test_many_classes_are_a_bundle_without_names(classes, entries):
    curves = {f"class {number}": (np.zeros(1), np.ones(1)) for number in range(classes)}
    figure = draw_psd_roc(curves, curves["class 0"], "title", 100.0)
    assert len(figure.axes[0].get_lines()) == classes + 1
    (legend,) = figure.legends
    assert len(legend.get_texts()) == entries


def test_the_suffix_is_the_format(tmp_path):
    curve = (np.zeros(1), np.ones(1))
    save_psd_roc({"Bark": curve}, curve, tmp_path / "roc.svg", title="title")
    assert "<svg" in (tmp_path / "roc.svg").read_text()
    with pytest.raises(UsageError, match=r"a figure ends in \.png, \.svg, \.pdf"):
        save_psd_roc({"Bark": curve}, curve, tmp_path / "roc.jpg", title="title")
