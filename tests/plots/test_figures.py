"""Figure definitions: every shipped one is sound, and what is wrong with another is said."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from effbench.config import Strict
from effbench.errors import UsageError
from effbench.plots.figures import Axis, FigureDefinition, Series, figure_names, load_figure
from effbench.resources import share
from effbench.results.shipped import published_measurements
from effbench.spec import TRANSFORMERS

GOOD: dict[str, Any] = {
    "title": "Two backbones",
    "y": {"quantity": "psds1", "provenance": "published", "label": "PSDS1 (%)"},
    "panels": [{"quantity": "parameters", "label": "Parameters"}],
    "series": [{"label": "fmn", "colour": "#0072B2", "marker": "o", "specs": ["fmn04", "FMN10"]}],
}


def written(tmp_path: Path, **changes: Any) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**GOOD, **changes}))
    return path


def test_the_shipped_figures_show_what_the_published_ones_do() -> None:
    assert figure_names() == ["cnn-vs-transformers", "paper-1", "paper-2", "synthetic-cpu"]
    first, second = load_figure("paper-1"), load_figure("paper-2")
    assert [series.label for series in first.series] == ["TF", "BiGRU", "ATT", "TCN", "MAMBA", "HYBRID"]
    assert [reference.spec for reference in first.references] == ["fmn10", "fmn20"]
    assert [series.label for series in second.series] == ["fmn", "+ TF", "+ BiGRU", "+ HYBRID"]
    assert not second.references
    assert (len(first.specs), len(second.specs)) == (26, 20)
    assert "fmn10+hybrid-1024" in first.series[5].specs
    assert [spec.rpartition("-")[2] for spec in second.series[1].specs] == ["104", "160", "256", "512", "768"]
    for figure in (first, second):
        assert [panel.quantity for panel in figure.panels] == ["parameters", "throughput", "macs"]
        assert [panel.reversed for panel in figure.panels] == [False, True, False]
        looks = [(line.colour, line.marker) for line in (*figure.series, *figure.references)]
        assert len(set(looks)) == len(looks)


def test_transformers_stand_beside_the_best_cnn_of_each_width() -> None:
    figure = load_figure("cnn-vs-transformers")
    scores = {row.spec: row.value for row in published_measurements() if row.quantity == "psds1"}
    _, best, *transformers = figure.series
    for spec in best.specs:
        backbone, _, sequence = spec.partition("+")
        assert sequence
        drawn = [s for s in load_figure("paper-2").specs if s.startswith(f"{backbone}+")]
        assert scores[spec] == max(scores[s] for s in drawn)
    assert [spec for series in transformers for spec in series.specs] == list(TRANSFORMERS)


def test_a_series_looks_alike_in_both_figures() -> None:
    first = {series.label: (series.colour, series.marker) for series in load_figure("paper-1").series}
    for series in load_figure("paper-2").series:
        label = series.label.removeprefix("+ ")
        assert first.get(label, (series.colour, series.marker)) == (series.colour, series.marker)


def test_every_shipped_file_is_a_figure() -> None:
    for path in share("plots").glob("*.yaml"):
        assert load_figure(str(path)).specs


def test_specs_are_made_canonical(tmp_path: Path) -> None:
    assert load_figure(str(written(tmp_path))).specs == ("fmn04", "fmn10")


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"colours": "red"}, "colours: unknown key"),
        ({"panels": []}, "panels: tuple should have at least 1 item"),
        ({"panels": [{"quantity": "speed", "label": "x"}]}, r"panels\.0\.quantity: unknown quantity 'speed'"),
        ({"panels": [{"quantity": "macs", "label": "x"}] * 2}, "panels: panel listed twice: macs"),
        (
            {"series": [{**GOOD["series"][0], "colour": "bluish"}]},
            r"series\.0\.colour: 'bluish' is not a colour",
        ),
        ({"series": [{**GOOD["series"][0], "marker": "+"}]}, r"series\.0\.marker: '\+' is not a marker"),
        (
            {"series": [{**GOOD["series"][0], "specs": ["fmn10+tff-2"]}]},
            r"series\.0\.specs\.0: unknown model 'fmn10\+tff-2'; did you mean 'fmn10\+tf-2'",
        ),
        ({"series": [{**GOOD["series"][0], "specs": ["fmn04", "fmn04"]}]}, "model listed twice: fmn04"),
    ],
)
def test_a_wrong_definition_is_refused(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    path = written(tmp_path, **changes)
    with pytest.raises(UsageError, match=problem) as caught:
        load_figure(str(path))
    assert str(caught.value).startswith(f"figure {path} has 1 problem\n")


def test_all_problems_are_named_together(tmp_path: Path) -> None:
    path = written(tmp_path, title=None, width=-1, colours="red")
    with pytest.raises(UsageError, match="has 3 problems") as caught:
        load_figure(str(path))
    assert {line.partition(":")[0] for line in str(caught.value).splitlines()[1:]} == {
        "title",
        "width",
        "colours",
    }


def test_an_unknown_name_suggests_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown figure 'papr-2'; did you mean 'paper-2'"):
        load_figure("papr-2")


@pytest.mark.parametrize(
    ("section", "model"), [("The figure", FigureDefinition), ("An axis", Axis), ("A series", Series)]
)
def test_the_page_has_every_key_with_its_default(section: str, model: type[Strict]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "figures.md").read_text(encoding="utf-8")
    lines = re.split(r"\n##+ ", page.partition(f"### {section}\n")[2])[0].splitlines()
    cells = [[cell.strip() for cell in line[1:-1].split("|")] for line in lines if line.startswith("| `")]
    told = {key: rest for first, *rest in cells for key in re.findall(r"`(\w+)`", first)}
    assert set(told) == set(model.model_fields)
    for key, field in model.model_fields.items():
        _, default, example = told[key]
        assert bool(default) != field.is_required(), key
        assert yaml.safe_load(example.strip("`")).keys() <= model.model_fields.keys(), key
