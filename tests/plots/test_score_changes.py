"""Bars of what changed: the classes that changed most, the largest rise on top."""

import math

import pytest

from effbench.plots.score_changes import MAX_CLASSES_DRAWN, draw_score_changes
from effbench.results.intervals import Estimate


def test_bars_are_the_differences():
    changes = {
        "Bark": Estimate(-2.0, -3.0, 1.0),
        "Bell": Estimate(5.0, 4.0, 6.0),
        "Siren": Estimate(math.nan),
    }
    axes = draw_score_changes(changes, "b against a", "psds1, difference in %").axes[0]
    assert [bar.get_width() for bar in axes.patches] == [-2.0, 5.0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["Bark", "Bell"]
    assert axes.get_xlabel() == "psds1, difference in %"


def test_of_many_classes_those_are_drawn_that_changed_most():
    changes = {f"class {number}": Estimate(number - 20.0) for number in range(45)}
    axes = draw_score_changes(changes, "b against a", "psds1").axes[0]
    widths = [bar.get_width() for bar in axes.patches]
    assert len(widths) == MAX_CLASSES_DRAWN
    assert widths == sorted(widths)
    assert min(map(abs, widths)) == pytest.approx(7.5, abs=1)
    assert axes.get_xlabel() == "psds1, the 30 of 45 classes that changed most"


def test_nothing_to_draw_is_an_empty_figure():
    assert not draw_score_changes({"Bark": Estimate(math.nan)}, "b against a", "psds1").axes[0].patches
