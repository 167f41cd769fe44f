"""PSD-ROC figures: what is drawn is the staircase that was scored."""

import numpy as np
import pytest

from effbench.errors import UsageError
from effbench.evaluate.psds.score import psds1
from effbench.plots.choices import ImageFormat
from effbench.plots.psd_roc import draw_psd_roc, save_psd_roc
from effbench.plots.save import render
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


def rising(classes):
    """Curves of one step each; the class with the highest number is the best."""
    return {f"class {number}": (np.zeros(1), np.full(1, number / classes)) for number in range(classes)}


def named(figure):
    """The legend: the mean, then the named classes."""
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def test_the_classes_are_named_the_best_first():
    curves = rising(3)
    figure = draw_psd_roc(curves, curves["class 0"], "title", 100.0)
    assert named(figure) == ["mean of 3 classes", "class 2", "class 1", "class 0"]


def test_of_many_classes_the_best_and_the_worst_are_named():
    curves = rising(40)
    figure = draw_psd_roc(curves, curves["class 0"], "title", 100.0)
    numbers = [39, 38, 37, 36, 35, 4, 3, 2, 1, 0]
    assert named(figure) == ["mean of 40 classes", *(f"class {number}" for number in numbers)]
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert len(lines) == 41
    assert [lines[f"class {number}"].get_linestyle() for number in (39, 0)] == ["-", "--"]


def test_long_names_and_titles_fit(tmp_path):
    names = ["Vehicle horn, car horn, honking, toot, or whatever else it may be called", "鳥の声", "طائر"]
    curves = dict(zip(names, rising(3).values(), strict=True))
    figure = draw_psd_roc(curves, curves[names[0]], "A model of a very long name " * 8 + "日本語" * 60, 100.0)
    assert render(figure, ImageFormat.pdf).startswith(b"%PDF")
    page = figure.bbox
    texts = [*figure.texts, *figure.legends[0].get_texts()]
    for box in (text.get_window_extent() for text in (figure._suptitle, *texts)):
        assert (page.x0, page.y0) <= (box.x0, box.y0)
        assert (box.x1, box.y1) <= (page.x1, page.y1)
    assert figure.axes[0].get_window_extent().height > page.height / 3


def test_the_suffix_is_the_format(tmp_path):
    curve = (np.zeros(1), np.ones(1))
    save_psd_roc({"Bark": curve}, curve, tmp_path / "roc.svg", title="title")
    assert "<svg" in (tmp_path / "roc.svg").read_text()
    with pytest.raises(UsageError, match=r"a figure ends in \.png, \.svg, \.pdf"):
        save_psd_roc({"Bark": curve}, curve, tmp_path / "roc.jpg", title="title")
