"""Texts of figures fit, whatever they are called, and no character is a box or a warning."""

from __future__ import annotations

import warnings

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from effbench.plots.choices import ImageFormat
from effbench.plots.draw import draw
from effbench.plots.figures import Axis, FigureDefinition, ReferenceModel, Series
from effbench.plots.lettering import fitted, make_legible, text_width, wrapped
from effbench.plots.save import new_figure, render, style
from effbench.plots.select import select
from tests.rows import complexity, frame, timings

NAMES = ["日本語の鳥 العربية 🐦\ufe0f $x$_1", "long " * 40, "x" * 200]


@pytest.fixture
def page() -> Figure:
    return new_figure(6, 4)


def test_a_character_that_no_font_has_is_a_number(page: Figure) -> None:
    with style():
        text = page.text(0, 0, "tag \U000e0041, caf\udce9, né, \U0010fffd")
        make_legible([text])
    assert text.get_text() == "tag , caf\\udce9, né, \\U0010fffd"


@pytest.mark.filterwarnings("error")
def test_another_font_helps_out(page: Figure) -> None:
    """A bold mathematical A is not in DejaVu Sans, but in STIX, which ships with matplotlib as well."""
    with style():
        text = page.text(0.5, 0.5, "\U0001d400")
        make_legible([text])
        assert text.get_text() == "\U0001d400"
        assert len(text.get_fontfamily()) == 2
        render(page, ImageFormat.png)


def test_lines_break_between_words_and_lose_nothing(page: Figure) -> None:
    content = "some words and " * 10 + "x" * 100
    lines = wrapped(page, content, 200, 10)
    assert max(text_width(page, line, 10) for line in lines) <= 200
    assert "".join(lines).replace(" ", "") == content.replace(" ", "")
    assert lines[0].endswith(("some", "words", "and"))
    assert wrapped(page, "", 200, 10) == [""]


def test_what_is_cut_says_so(page: Figure) -> None:
    short = fitted(page, "hello " * 40, 200, 10)
    assert short.endswith("…")
    assert 150 < text_width(page, short, 10) <= 200
    assert fitted(page, "hello", 200, 10) == "hello"


@pytest.mark.parametrize("name", NAMES)
def test_figures_of_any_name_fit(name: str) -> None:
    look = {"colour": "red", "marker": "o"}
    definition = FigureDefinition(
        title=name * 3,
        y=Axis(quantity="psds1", provenance="published", label=name),
        panels=(Axis(quantity="throughput", label=name), Axis(quantity="parameters", label="Parameters")),
        series=(Series(label=name, specs=("fmn04", "fmn10"), **look),),
        references=(ReferenceModel(label=f"{name} again", spec="fmn20", **look),),
    )
    data = select(frame(complexity(), timings(f"GPU {name}")), definition)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = draw(data)
        for form in ImageFormat:
            assert render(figure, form)
    box = figure.bbox.padded(1)
    for text in figure.findobj(Text):
        extent = text.get_window_extent()
        assert not text.get_text() or (box.x0 <= extent.x0 and extent.x1 <= box.x1), text
        assert not text.get_text() or (box.y0 <= extent.y0 and extent.y1 <= box.y1), text
    assert all(axes.get_window_extent().height > 75 for axes in figure.axes)
