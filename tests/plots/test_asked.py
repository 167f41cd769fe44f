"""Figures without a file: from the command line, and as the YAML to go on from."""

from __future__ import annotations

from pathlib import Path

import matplotlib.image
import pytest

from effbench.errors import UsageError
from effbench.plots.api import plot
from effbench.plots.figures import load_figure
from effbench.results.store import Store
from tests.rows import complexity, timings


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("store") / "store.sqlite"
    with Store(path, create=True) as opened:
        opened.add([*complexity(), *timings("CPU B", specs=["fmn10", "fmn04"]), *timings("GPU A")])
        opened.add(timings("GPU A", precision="fp16", rate=3000))
    return path


def test_axes_and_models_are_enough(effbench, store, tmp_path) -> None:
    axes = ["--x", "throughput", "--x", "macs", "--y", "psds1", "--model", "fmn10*", "--device", "GPU A"]
    axes += ["--store", store]
    ran = effbench("plot", *axes, "--front", "--format", "svg", "--out", tmp_path)
    assert ran.stdout.split() == [str(tmp_path / "psds1-throughput-macs.svg")]
    text = (tmp_path / "psds1-throughput-macs.svg").read_text()
    for word in ("PSDS1 against throughput and MACs per clip", "fmn + BiGRU", "GPU A, fp32", "Pareto front:"):
        assert word in text
    (tmp_path / "mine.yaml").write_text(effbench("plot", *axes, "--show").stdout)
    shown = load_figure(str(tmp_path / "mine.yaml"))
    drawn = plot(x=["throughput", "macs"], y="psds1", models=["fmn10*"], device="gpu a", store=store)
    assert shown == drawn.data.definition
    assert len(shown.specs) == 25
    assert [series.label for series in shown.series][:2] == ["fmn", "fmn + ATT"]


@pytest.mark.parametrize(
    ("by", "labels"),
    [
        ("device", ["CPU B", "GPU A", "NVIDIA H100 80GB HBM3"]),
        ("precision", ["fp16", "fp32"]),
        ("batch_size", ["batch size 1", "batch size 32"]),
        ("backbone", ["fmn04", "fmn06", "fmn10", "fmn20", "fmn30"]),
    ],
)
def test_series_are_by_what_is_asked(store, by, labels) -> None:
    where: dict[str, str] = {} if by == "device" else {"device": "GPU A"}
    if by != "precision":
        where["precision"] = "fp32"
    drawn = plot(x="throughput", y="psds1", models=["fmn*"], by=by, store=store, **where)
    assert [series.label for series in drawn.data.definition.series] == labels
    for series in drawn.data.definition.series:
        of = drawn.data.panels[0].of[series.label]
        if series.conditions:
            (wanted,) = series.conditions.values()
            assert {of.device, *of.setting.values(), *of.rows["batch_size"]} >= {wanted}
    assert len({point["series"] for point in drawn.rows()}) == len(labels)


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["paper-1", "--x", "macs"], "takes no x: only figures without a name do"),
        (["--x", "macs"], "quantities for both axes"),
        (["--x", "speed", "--y", "psds1"], "unknown quantity 'speed'"),
        (["--x", "macs", "--y", "psds1", "--by", "device"], "psds1 and macs do not depend on it"),
        (
            ["--x", "macs", "--y", "psds1", "--model", "fmm10"],
            "holds no rows of 'fmm10'; did you mean 'fmn10'",
        ),
    ],
)
def test_what_can_not_be_meant_is_wrong_usage(effbench, store, options, problem) -> None:
    ran = effbench("plot", *options, "--store", store)
    assert ran.returncode == 2
    assert problem in ran.stderr


def test_a_theme_changes_the_ground_and_keeps_the_other_file(effbench, store, tmp_path) -> None:
    for theme in ("light", "dark"):
        options = ["--store", store, "--format", "png", "--out", tmp_path, "--theme", theme]
        effbench("plot", "--x", "macs", "--y", "psds1", "--model", "fmn04", "--model", "fmn10", *options)
    light, dark = (
        matplotlib.image.imread(tmp_path / f"psds1-macs{end}.png")[0, 0, :3] for end in ("", "-dark")
    )
    assert light.min() == 1.0
    assert dark.max() < 0.2


def test_python_refuses_an_unknown_grouping(store) -> None:
    with pytest.raises(UsageError, match="series can't be by 'devices'; did you mean 'device'"):
        plot(x="macs", y="psds1", by="devices", store=store)
