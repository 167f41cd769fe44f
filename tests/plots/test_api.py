"""``effbench.plot``: one call from a store to a figure, its values and its files."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest

from effbench.errors import StoreError, UsageError
from effbench.plots.api import TradeoffFigure, plot
from effbench.results.store import Store
from tests.rows import complexity, grid, timings


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "store.sqlite"
    with Store(path, create=True) as opened:
        opened.add([*complexity(), *timings("CPU B", specs=["fmn10", "fmn04"]), *timings("GPU A")])
    return path


@pytest.fixture(scope="module")
def drawn(store: Path) -> TradeoffFigure:
    return plot("paper-2", store=str(store), device="cpu b", overlay=True)


def test_a_figure_is_drawn_without_a_file(drawn: TradeoffFigure, tmp_path: Path) -> None:
    assert drawn.paths == ()
    assert repr(drawn) == "<TradeoffFigure of 'paper-2', 20 models>"
    assert len(drawn.figure.axes) == 3
    assert drawn.image("png").startswith(b"\x89PNG")


def test_a_notebook_shows_the_drawing(drawn: TradeoffFigure) -> None:
    root = ElementTree.fromstring(drawn._repr_html_())
    assert root.tag.endswith("svg")
    assert "CPU B, fp32, 2 threads" in " ".join(root.itertext())


def test_files_are_written_where_asked(store: Path, tmp_path: Path) -> None:
    written = plot("paper-2", store=store, out=tmp_path / "here", formats=["svg", "png", "svg"])
    assert written.paths == (tmp_path / "here" / "paper-2.svg", tmp_path / "here" / "paper-2.png")
    assert written.paths[0].read_bytes() == written.image("svg")
    assert str(written).endswith(f"20 models: {written.paths[0]}, {written.paths[1]}")


def test_its_points_are_rows(drawn: TradeoffFigure) -> None:
    frame = drawn.to_frame()
    assert frame.groupby(["quantity", "provenance"]).size().to_dict() == {
        ("macs_exact", "measured"): 20,
        ("macs_paper", "published"): 20,
        ("parameters", "measured"): 20,
        ("parameters", "published"): 20,
        ("throughput", "measured"): 2,
        ("throughput", "published"): 20,
    }
    timed = frame[(frame["quantity"] == "throughput") & (frame["provenance"] == "measured")]
    assert set(timed["device"]) == {"CPU B"}
    assert (timed["low"] < timed["value"]).all()
    point = frame[(frame["spec"] == "fmn10") & (frame["quantity"] == "parameters")].iloc[0]
    (counted,) = (row for row in grid() if row["spec"] == "fmn10")
    assert (point["psds1"], point["value"]) == (42.28, int(counted["parameters"]))
    assert drawn.to_dict()["points"] == drawn.rows()
    assert "Hollow markers" in str(drawn.to_dict()["caption"])


def test_wrong_choices_are_named_with_the_right_ones(store: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no 'svgz'; did you mean 'svg'"):
        plot("paper-1", store=store, formats=["svgz"])
    with pytest.raises(UsageError, match=r"there is no 'all'\nChoices: exact, paper"):
        plot("paper-1", store=store, macs="all")
    with pytest.raises(StoreError, match="no results store"):
        plot("paper-1", store=tmp_path / "none.sqlite")


def test_an_unknown_figure_is_named_before_any_store_is_read(tmp_path):
    with pytest.raises(UsageError, match="unknown figure 'paper-9'; did you mean"):
        plot("paper-9", store=tmp_path / "none.sqlite")
