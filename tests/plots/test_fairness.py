"""Values that may not share an axis are refused, and it is said who has what and what decides it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from effbench.config import check
from effbench.errors import UsageError
from effbench.plots.caption import caption
from effbench.plots.draw import draw
from effbench.plots.fairness import UnfairComparison
from effbench.plots.figure_data import FigureData
from effbench.plots.figures import FigureDefinition
from effbench.plots.select import select
from effbench.results.measurement import Measurement
from tests.rows import complexity, frame, timings

PUBLISHED = {"protocol": "paper", "classes": 407, "data": "audioset", "split": "eval"}


def series(label: str, *specs: str, **more: Any) -> dict[str, Any]:
    return {"label": label, "colour": "red", "marker": "o", "specs": specs or ("fmn04", "fmn10"), **more}


def figure(*lines: Mapping[str, Any], y: Any = None, x: Any = None, **more: Any) -> FigureDefinition:
    axes = {"y": y or {"quantity": "psds1"}, "panels": (x or {"quantity": "throughput"},)}
    return check({"title": "T", **axes, "series": lines, **more}, FigureDefinition, "figure", UsageError)


def scored(spec: str, value: float, **conditions: object) -> Measurement:
    ends = {"low": value - 1, "high": value + 1}
    return Measurement(
        spec, "psds1", value, **ends, provenance="measured", source="effbench", conditions=conditions
    )


def devices(data: FigureData) -> list[str | None]:
    return [chosen.device for chosen in data.panels[0].of.values()]


def test_several_devices_are_series_of_their_own_each_with_its_front() -> None:
    rows = frame(complexity(), timings("CPU"), timings("GPU", rate=9e4))
    two = [series(name, conditions={"device": name}) for name in ("CPU", "GPU")]
    data = select(rows, figure(*two, front=True))
    assert devices(data) == ["CPU", "GPU"]
    (axes,) = draw(data).axes
    assert axes.get_xlabel() == "Throughput (clips/s)"
    steps = [line for line in axes.lines if line.get_linestyle() == "--" and line.get_marker() == "None"]
    assert [line.get_color() for line in steps] == ["red", "red"]
    assert "Throughput of GPU: measured on GPU, fp32" in caption(data)
    assert "Pareto front of each device and setting" in caption(data)
    with pytest.raises(UsageError, match="series have a device of their own: CPU, GPU"):
        select(rows, figure(*two), device="GPU")


def test_devices_that_no_series_names_are_never_drawn_together() -> None:
    rows = frame(complexity(), timings("CPU", specs=["fmn04"]), timings("GPU", specs=["fmn10"]))
    half = series("half", "fmn10", conditions={"batch_size": 32})
    with pytest.raises(UnfairComparison) as caught:
        select(rows, figure(series("small", "fmn04"), half))
    assert str(caught.value).splitlines() == [
        "throughput of these series can't share an axis: they differ in device",
        "CPU: small",
        "GPU: half",
        'Choose one for the axis, conditions: {device: "CPU"}, or let each series name its own in its '
        "conditions.",
    ]


def test_models_of_one_setting_in_several_series_are_one_choice() -> None:
    rows = frame(complexity(), timings("CPU"))
    small = series("small", "fmn04", conditions={"batch_size": 1})
    data = select(rows, figure(small, series("large", "fmn10", conditions={"batch_size": 1})))
    assert len(data.panels[0].choices) == 1
    assert set(data.panels[0].choices[0].values) == {"fmn04", "fmn10"}


def test_precisions_are_compared_only_where_every_series_names_its_own() -> None:
    rows = frame(complexity(), timings("GPU"), timings("GPU", precision="fp16", rate=4e3))
    half = series("half", conditions={"precision": "fp16"})
    with pytest.raises(UnfairComparison, match=r"differ in precision\nfp32: single\nfp16: half\n"):
        select(rows, figure(series("single"), half))
    single = series("single", conditions={"precision": "fp32"})
    assert [c.setting["precision"] for c in select(rows, figure(single, half)).panels[0].choices] == [
        "fp32",
        "fp16",
    ]


def test_both_values_of_a_point_are_of_one_device_and_setting() -> None:
    memory = [
        replace(row, quantity="memory_peak", value=1e6 * row.conditions["batch_size"], low=None, high=None)
        for row in timings("CPU", precision="bf16")
    ]
    across = {"quantity": "memory_peak"}
    up = {"quantity": "throughput"}
    rows = frame(complexity(), timings("GPU"), timings("CPU", precision="bf16"), memory)
    data = select(rows, figure(series("fmn"), y=up, x=across))
    assert [chosen.device for axis in data.axes for chosen in axis.choices] == ["CPU", "CPU"]
    assert {value.value for value in data.panels[0].choices[0].values.values()} == {32e6}
    with pytest.raises(
        UnfairComparison, match=r"'fmn' can't make a point: they differ in device\nthr.*: GPU"
    ):
        select(rows, figure(series("fmn"), y={**up, "conditions": {"device": "GPU"}}, x=across))


def test_measured_scores_stand_beside_published_ones_of_the_same_data() -> None:
    here = [scored(spec, value, **PUBLISHED) for spec, value in (("fmn04", 38.0), ("fmn10", 42.0))]
    lines = series("published"), series("ours", provenance="measured", marker="s")
    data = select(frame(complexity(), here), figure(*lines, x={"quantity": "macs"}))
    assert data.y.of["ours"].values["fmn10"].value == 42.0
    assert data.y.of["published"].values["fmn10"].value == 42.28
    drawn = draw(data)
    (axes,) = drawn.axes
    (published, ours) = (line for line in axes.lines if line.get_marker() in "os")
    assert (published.get_markerfacecolor(), ours.get_markerfacecolor()) == ("white", "red")
    bars = [line.get_ydata() for line in axes.lines if line.get_alpha() == 0.45]
    assert [list(ends) for ends in bars] == [[37.0, 39.0], [41.0, 43.0]]
    names = [text.get_text() for legend in drawn.legends for text in legend.get_texts()]
    assert names == ["published", "ours (measured)", "published"]
    assert "PSDS1 of ours: measured on audioset eval, protocol paper, with 95 % interval" in caption(data)


def test_scores_on_other_data_are_refused_unless_that_is_said() -> None:
    rows = frame(complexity(), [scored(spec, 60.0, data="desed", classes=10) for spec in ("fmn04", "fmn10")])
    lines = series("published"), series("ours", provenance="measured")
    macs = {"quantity": "macs"}
    with pytest.raises(UnfairComparison) as caught:
        select(rows, figure(*lines, x=macs))
    assert str(caught.value).splitlines() == [
        "psds1 of these series can't share an axis: some are of other data",
        "published, on AudioSet-strong's evaluation set (407 classes): published",
        "measured, data desed, classes 10: ours",
        'Measure on the published data (conditions: {protocol: "paper", classes: 407}), or let the figure\'s '
        "definition say mixed_data: true; its caption then does.",
    ]
    mixed = select(rows, figure(*lines, x=macs, mixed_data=True))
    assert "Scores of different data stand side by side: they are not comparable." in caption(mixed)
    with pytest.raises(UsageError, match="no front of scores on different data"):
        figure(*lines, x=macs, mixed_data=True, front=True)


def test_any_quantity_is_drawn_against_any_other() -> None:
    slow = [
        replace(row, quantity="latency_p50", value=1 / row.value, low=None, high=None)
        for row in timings("CPU")
    ]
    y = {"quantity": "macs", "reversed": True, "scale": "linear"}
    data = select(frame(complexity(), slow), figure(series("fmn"), y=y, x={"quantity": "latency_p50"}))
    (axes,) = draw(data).axes
    assert (axes.get_ylabel(), axes.get_xlabel()) == (
        "MACs per clip, exact",
        "Latency, median, CPU, fp32, 2 threads",
    )
    assert (axes.get_yscale(), axes.get_xscale(), axes.yaxis_inverted()) == ("linear", "log", True)
    assert any(label.get_text().endswith(" ms") for label in axes.get_xticklabels())
    assert {row["batch_size"] for row in data.panels[0].choices[0].rows["conditions"]} == {1}


@pytest.mark.parametrize(
    ("more", "problem"),
    [
        ({"y": {"quantity": "psds1", "conditions": {"part": "both"}}}, "psds1 does not depend on part"),
        ({"conditions": {"precision": "int8"}}, "precision is fp32, tf32, bf16 or fp16, not 'int8'"),
        ({"conditions": {"device": "GPU"}}, "series fmn: no axis of the figure depends on device"),
    ],
)
def test_conditions_that_decide_nothing_are_refused(more: dict[str, Any], problem: str) -> None:
    y = more.pop("y", None)
    with pytest.raises(UsageError, match=problem):
        figure(series("fmn", **more), y=y, x={"quantity": "macs"})


def test_the_front_is_exactly_what_nothing_dominates() -> None:
    rows = frame(complexity(), timings("CPU"))
    data = select(rows, figure(series("fmn", "fmn04", "fmn06", "fmn20", "fmn10+tcn-1024"), front=True))
    (axes,) = draw(data).axes
    corners = next(line for line in axes.lines if line.get_linestyle() == "--")
    at = {point.spec: (point.x.value, point.y.value) for point in data.points(data.panels[0])}
    on = {spec for spec, place in at.items() if place in set(zip(*corners.get_data(), strict=True))}
    better = {
        spec
        for spec, (rate, score) in at.items()
        if any(r >= rate and s >= score and (r, s) != (rate, score) for r, s in at.values())
    }
    assert on == set(at) - better
    assert better


def test_series_of_one_setting_share_their_front_whatever_their_scores_are_from() -> None:
    here = [scored(spec, value, **PUBLISHED) for spec, value in (("fmn04", 38.0), ("fmn10", 42.0))]
    lines = series("published"), series("ours", provenance="measured")
    data = select(frame(complexity(), here, timings("CPU")), figure(*lines, front=True))
    (axes,) = draw(data).axes
    assert axes.get_xlabel() == "Throughput (clips/s), CPU, fp32, 2 threads"
    assert len([line for line in axes.lines if line.get_linestyle() == "--"]) == 1
    assert caption(data).count("measured on CPU") == 1
