"""The drawing: what is on it, that it repeats, and that it is readable."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import matplotlib as mpl
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from effbench.errors import EffbenchError
from effbench.plots.caption import caption
from effbench.plots.choices import Convention, ImageFormat
from effbench.plots.draw import draw
from effbench.plots.figures import Axis, load_figure
from effbench.plots.save import render, save_formats
from effbench.plots.select import select
from tests.rows import complexity, frame, timings

CASES = {
    "nothing measured": ([], {}),
    "a GPU": ([timings("NVIDIA H100")], {}),
    "a dozen on a CPU": ([timings("EPYC", specs=["fmn10", "fmn10+tf-256", "fmn10+gru-256"])], {}),
    "overlay": ([timings("NVIDIA H100")], {"overlay": True}),
    "published convention": ([], {"macs": Convention.paper}),
}


def rows_of(case: str) -> pd.DataFrame:
    return frame(complexity(), *CASES[case][0])


@cache
def drawn(name: str, case: str = "a GPU") -> Figure:
    figure = draw(select(rows_of(case), load_figure(name), **CASES[case][1]))
    figure.canvas.draw()
    return figure


def numbers_on(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_three_panels_share_the_score() -> None:
    panels = drawn("paper-1").axes
    assert [panel.get_xlabel() for panel in panels] == [
        "Total parameters",
        "Throughput (clips/s), NVIDIA H100, fp32, 2 threads",
        "MACs per clip, exact",
    ]
    assert {panel.get_ylabel() for panel in panels} == {"PSDS1 (%)"}
    assert len({panel.get_ylim() for panel in panels}) == 1
    assert {panel.get_xscale() for panel in panels} == {"log"}
    assert [panel.xaxis_inverted() for panel in panels] == [False, True, False]


def test_lines_stand_where_the_rows_say() -> None:
    parameters, throughput, macs = drawn("paper-1").axes
    gru = next(line for line in macs.lines if line.get_marker() == "s")
    assert list(gru.get_ydata()) == [43.13, 43.53, 43.96, 44.50]
    assert list(gru.get_xdata()) == pytest.approx([1.2587e9, 1.7667e9, 3.3724e9, 8.9432e9], rel=1e-4)
    for axes in (parameters, throughput, macs):
        levels = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == "--"]
        assert levels == [42.28, 43.86]


def test_figure_2_has_no_reference_lines() -> None:
    for axes in drawn("paper-2").axes:
        assert not [line for line in axes.lines if line.get_linestyle() == "--"]
        assert "fmn30" in numbers_on(axes)


def test_published_timings_are_hollow_and_named_on_the_axis() -> None:
    throughput = drawn("paper-1", "nothing measured").axes[1]
    assert throughput.get_xlabel() == "Throughput (clips/s), published; device unknown"
    markers = [line for line in throughput.lines if line.get_marker() in "os^DvPp*"]
    assert {line.get_markerfacecolor() for line in markers} == {"white"}


def test_the_overlay_is_hollow_and_unconnected() -> None:
    for axes in drawn("paper-1", "overlay").axes:
        hollow = [line for line in axes.lines if line.get_markerfacecolor() == "none"]
        assert len(hollow) == 8
        assert {line.get_linestyle() for line in hollow} == {"None"}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("name", ["paper-1", "paper-2"])
def test_texts_overlap_neither_each_other_nor_the_edge(name: str, case: str) -> None:
    figure = drawn(name, case)
    page = figure.bbox
    for axes in figure.axes:
        boxes = [text.get_window_extent() for text in axes.texts]
        ticks = [label.get_window_extent() for label in axes.get_xticklabels() if label.get_text()]
        for group in (boxes, ticks):
            for index, box in enumerate(group):
                assert page.x0 <= box.x0
                assert box.x1 <= page.x1
                assert not any(box.overlaps(other) for other in group[:index])
    for text in figure.texts:
        assert text.get_window_extent().x1 <= page.x1
        assert (
            text.get_window_extent().y1 < figure.axes[0].get_window_extent().y1 or text.get_weight() == "bold"
        )
    for legend in figure.legends:
        assert legend.get_window_extent().x1 <= page.x1
        assert legend.get_window_extent().y0 >= figure.axes[0].get_window_extent().y1


@pytest.mark.parametrize("name", ["paper-1", "paper-2"])
def test_most_points_carry_their_width(name: str) -> None:
    series = load_figure(name).series
    points = sum(len(line.specs) for line in series)
    for axes in drawn(name).axes:
        assert len(axes.texts) >= 0.9 * points


def test_every_axis_has_enough_ticks() -> None:
    for name in ("paper-1", "paper-2"):
        for axes in drawn(name).axes:
            assert len(axes.get_xticks()) >= 4


def test_a_figure_is_as_high_as_its_panels_need() -> None:
    first = load_figure("paper-1")
    panels = first.panels
    heights = [
        draw(select(rows_of("a GPU"), first.model_copy(update={"panels": panels[:count]}))).get_figheight()
        for count in (1, 2, 3)
    ]
    assert heights == pytest.approx([4.0, 6.6, 9.2])


def test_memory_has_its_unit_on_the_axis() -> None:
    memory = [
        replace(row, quantity="memory_peak", value=row.value * 2e6, low=None, high=None)
        for row in timings("GPU")
    ]
    panel = Axis(quantity="memory_peak", label="Peak memory")
    figure = load_figure("paper-2").model_copy(update={"panels": (panel,)})
    (axes,) = draw(select(frame(complexity(), memory), figure)).axes
    shown = [label.get_text() for label in axes.get_xticklabels()]
    assert "500 MB" in shown
    assert "1 GB" in shown


def test_one_model_is_a_figure() -> None:
    first = load_figure("paper-1")
    alone = {"series": (first.series[0].model_copy(update={"specs": ("fmn10",)}),), "references": ()}
    figure = draw(select(rows_of("a GPU"), first.model_copy(update=alone)))
    assert [numbers_on(axes) for axes in figure.axes] == [["fmn10"]] * 3


def test_the_caption_tells_measured_from_published() -> None:
    nothing = caption(select(rows_of("nothing measured"), load_figure("paper-1")))
    assert "PSDS1: published, arXiv:2503.11373, figure 1." in nothing
    assert "Total parameters and MACs per clip (every multiply–accumulate counted): computed," in nothing
    assert "effbench 0.1.0 (012345678)" in nothing
    assert "nothing measured yet" in nothing
    some = caption(select(rows_of("a dozen on a CPU"), load_figure("paper-1")))
    assert "3 of 26 models, measured on EPYC, fp32, 2 threads; each model at its best batch size (32)" in some
    assert "median with 95 % interval" in some


@pytest.mark.parametrize("form", list(ImageFormat))
def test_equal_rows_give_equal_bytes(form: ImageFormat) -> None:
    data = select(rows_of("overlay"), load_figure("paper-1"), overlay=True)
    first = render(draw(data), form)
    with mpl.rc_context({"font.size": 30, "savefig.dpi": 30, "svg.hashsalt": None}):
        assert render(draw(data), form) == first
    for trace in (b"dc:date", b"CreationDate", b"ModDate"):
        assert trace not in first


def test_the_svg_is_sound_and_its_text_is_text() -> None:
    image = render(drawn("paper-1"), ImageFormat.svg)
    root = ElementTree.fromstring(image)
    words = " ".join(root.itertext())
    for word in ("TF", "BiGRU", "ATT", "TCN", "MAMBA", "HYBRID", "1024", "PSDS1 (%)", "NVIDIA H100"):
        assert word in words
    assert not re.search(rb'(?:href|src)="(?!#)', image)


def test_files_are_written_whole_and_nothing_else(tmp_path: Path) -> None:
    written = save_formats(drawn("paper-2"), tmp_path / "new" / "folder", "paper-2", ImageFormat)
    assert [path.name for path in written] == ["paper-2.png", "paper-2.svg", "paper-2.pdf"]
    assert sorted(path.name for path in written[0].parent.iterdir()) == sorted(path.name for path in written)
    assert written[0].read_bytes().startswith(b"\x89PNG")
    assert written[2].read_bytes().startswith(b"%PDF")


def test_a_full_disk_is_reported_and_the_earlier_file_stays(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="limits of a process are POSIX")
    (tmp_path / "x.png").write_text("earlier")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))
    try:
        with pytest.raises(EffbenchError, match=r"x\.png' can't be written: File too large"):
            save_formats(drawn("paper-2"), tmp_path, "x", [ImageFormat.png])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["earlier"]


def test_a_folder_that_is_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(EffbenchError, match="can't be written"):
        save_formats(drawn("paper-2"), tmp_path / "out", "x", [ImageFormat.png])
    assert (tmp_path / "out").read_text() == "mine"


def test_plots_and_reports_need_neither_torch_nor_the_study() -> None:
    program = (
        "import sys, effbench.plots.api, effbench.reports.pages;"
        "unwanted = ('torch', 'effbench.study', 'effbench.models.build');"
        "print([name for name in unwanted if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"
