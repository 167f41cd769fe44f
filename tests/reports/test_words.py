"""How numbers are written."""

from __future__ import annotations

import pytest

from effbench.plots.values import Value
from effbench.reports import words


@pytest.mark.parametrize(
    ("fraction", "text"),
    [(0.0048, "+0.48 %"), (-0.012, "−1.20 %"), (0.00001, "0.00 %"), (-0.00001, "0.00 %"), (0.0, "0.00 %")],
)
def test_percentages_have_a_sign_unless_they_are_nothing(fraction: float, text: str) -> None:
    assert words.percent(fraction) == text


def test_values_show_their_interval() -> None:
    assert words.interval(Value(2180.4, 2171.2, 2190.9)) == "2,180 [2,171, 2,191]"
    assert words.interval(Value(21.84, 21.0, 22.0)) == "21.8 [21.0, 22.0]"
    assert words.interval(Value(0.512)) == "0.51"


def test_lists_read_like_sentences() -> None:
    assert words.listed([]) == ""
    assert words.listed(["a"]) == "a"
    assert words.listed(["a", "b", "c"]) == "a, b and c"


def test_counts_are_written_in_millions_and_billions() -> None:
    assert words.millions(5_028_286) == "5.028"
    assert words.billions(1_495_793_312, 4) == "1.4958"
    assert words.share(0.1312) == "13 %"
