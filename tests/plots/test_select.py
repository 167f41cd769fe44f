"""What a figure draws: newest values, one device, one setting, and never measured with published timings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from effbench.errors import UsageError
from effbench.plots.caption import caption, setting
from effbench.plots.choices import Convention
from effbench.plots.figures import load_figure
from effbench.plots.select import FigureData, MissingResults, PanelData, select
from effbench.results.measurement import Measurement
from tests.rows import complexity, frame, timings

FIRST = load_figure("paper-1")


def panel(data: FigureData, quantity: str) -> PanelData:
    return next(panel for panel in data.panels if panel.panel.quantity == quantity)


def test_scores_are_published_and_sizes_are_ours() -> None:
    data = select(frame(complexity()), FIRST)
    assert data.scores.values["fmn10+gru-256"].value == 43.53
    assert data.scores.provenance == "published"
    assert panel(data, "parameters").chosen.values["fmn10"].value == 3_830_798
    assert panel(data, "parameters").chosen.provenance == "measured"


def test_the_convention_decides_which_macs_are_drawn() -> None:
    rows = frame(complexity())
    exact = panel(select(rows, FIRST), "macs").chosen
    paper = panel(select(rows, FIRST, macs=Convention.paper), "macs").chosen
    assert exact.values["fmn10+gru-256"].value == pytest.approx(1.767e9, rel=1e-3)
    assert paper.values["fmn10+gru-256"].value == pytest.approx(1.005e9, rel=1e-3)
    assert (exact.provenance, paper.provenance) == ("measured", "measured")


def test_each_figure_takes_its_own_published_values() -> None:
    rows = frame(complexity())
    shown = [
        panel(select(rows, load_figure(name)), "throughput").chosen.values["fmn10"].value
        for name in ("paper-1", "paper-2")
    ]
    assert shown == [2325.3, 2388.0]


def test_without_timings_the_published_ones_are_drawn() -> None:
    chosen = panel(select(frame(complexity()), FIRST), "throughput").chosen
    assert (chosen.provenance, chosen.device) == ("published", None)
    assert len(chosen.values) == 26


def test_one_measured_model_puts_all_published_timings_aside() -> None:
    rows = frame(complexity(), timings("CPU", specs=["fmn10"]))
    chosen = panel(select(rows, FIRST), "throughput").chosen
    assert (chosen.provenance, chosen.device) == ("measured", "CPU")
    assert list(chosen.values) == ["fmn10"]


def test_the_device_that_covers_most_models_is_drawn_alone() -> None:
    rows = frame(
        complexity(), timings("CPU", specs=["fmn10", "fmn20"], created="2030-01-01"), timings("GPU", rate=9e3)
    )
    chosen = panel(select(rows, FIRST), "throughput").chosen
    assert chosen.device == "GPU"
    assert set(chosen.rows["device"]) == {"GPU"}
    assert len(chosen.values) == 26


def test_a_device_is_found_by_a_part_of_its_name() -> None:
    rows = frame(complexity(), timings("NVIDIA H100 PCIe"), timings("NVIDIA H200"), timings("EPYC"))
    assert panel(select(rows, FIRST, device="h200"), "throughput").chosen.device == "NVIDIA H200"
    with pytest.raises(UsageError, match=r"'nvidia' is more than one device\nDevices: NVIDIA H\d00"):
        select(rows, FIRST, device="nvidia")
    with pytest.raises(UsageError, match=r"no timings on 'EPIC'; did you mean 'EPYC'\?\nDevices: .*EPYC"):
        select(rows, FIRST, device="EPIC")


def test_precisions_and_parts_are_never_mixed() -> None:
    rows = frame(
        complexity(),
        timings("GPU", precision="fp32"),
        timings("GPU", precision="fp16", rate=4e3),
        timings("GPU", precision="fp32", rate=9e5, part="frontend"),
    )
    default = panel(select(rows, FIRST), "throughput").chosen
    assert default.setting["precision"] == "fp32"
    assert {row["part"] for row in default.rows["conditions"]} == {"network"}
    half = panel(select(rows, FIRST, precision="fp16"), "throughput").chosen
    assert set(half.rows["precision"]) == {"fp16"}
    with pytest.raises(MissingResults, match="on 'GPU' with part network, precision bf16"):
        select(rows, FIRST, precision="bf16")


def test_the_setting_with_more_models_wins() -> None:
    rows = frame(complexity(), timings("GPU", specs=["fmn10"]), timings("GPU", precision="bf16"))
    assert panel(select(rows, FIRST), "throughput").chosen.setting["precision"] == "bf16"


def test_other_kernels_are_another_setting_and_named() -> None:
    usual = timings("GPU")
    other = [
        replace(row, value=9e9, conditions={**row.conditions, "kernels": "mamba-ssm"})
        for row in timings("GPU", created="2030-01-01T00:00:00+00:00")
    ]
    chosen = panel(select(frame(complexity(), usual, other), FIRST), "throughput").chosen
    assert "kernels" not in chosen.setting
    assert max(value.value for value in chosen.values.values()) < 9e9
    chosen = panel(select(frame(complexity(), other), FIRST), "throughput").chosen
    assert "kernels mamba-ssm" in setting(chosen.setting)


def test_each_model_shows_its_best_batch_size_in_its_newest_run() -> None:
    rows = frame(
        complexity(),
        timings("GPU", batch_sizes=(1, 64), rate=9000, created="2025-01-01T00:00:00+00:00"),
        timings("GPU", batch_sizes=(1, 64), rate=1000),
    )
    chosen = panel(select(rows, FIRST), "throughput").chosen
    assert set(chosen.rows["batch_size"]) == {64}
    assert chosen.values["fmn10"].value == pytest.approx(1000 / 1.0551 * 1.64, rel=1e-3)
    assert chosen.values["fmn10"].low == pytest.approx(chosen.values["fmn10"].value * 0.98)


def test_other_clip_lengths_are_left_out() -> None:
    longer = [
        replace(row, value=row.value * 2, conditions={"seconds": 20.0}, created="2030-01-01T00:00:00+00:00")
        for row in complexity()
    ]
    assert panel(select(frame(longer, complexity()), FIRST), "macs").chosen.values["fmn10"].value < 1.1e9


def test_newer_counts_replace_older_ones() -> None:
    newer = [replace(row, value=7, created="2030-01-01T00:00:00+00:00") for row in complexity()]
    assert panel(select(frame(newer, complexity()), FIRST), "parameters").chosen.values["fmn10"].value == 7


def test_the_overlay_is_published_and_apart() -> None:
    rows = frame(complexity(), timings("GPU"))
    data = select(rows, FIRST, overlay=True)
    assert panel(data, "macs").overlay["fmn10+gru-256"].value == 1.00e9
    assert panel(data, "throughput").overlay["fmn10"].value == 2325.3
    assert panel(data, "throughput").chosen.provenance == "measured"
    assert all(not panel.overlay for panel in select(rows, FIRST).panels)
    assert not panel(select(frame(complexity()), FIRST, overlay=True), "throughput").overlay


def test_missing_counts_are_named_with_the_command_that_fills_them_in() -> None:
    some = [row for row in complexity() if row.spec not in ("fmn10+tcn-128", "fmn20")]
    with pytest.raises(MissingResults) as caught:
        select(frame(some), FIRST)
    assert str(caught.value) == (
        "the store lacks measured parameters, measured macs_exact of 2 models (fmn10+tcn-128, fmn20); "
        "'effbench study run paper' fills them in"
    )


def test_asking_for_timings_that_do_not_exist_is_an_error() -> None:
    with pytest.raises(MissingResults, match="no measured throughput"):
        select(frame(complexity()), FIRST, device="H100")


def trained(spec: str, value: float, **conditions: object) -> Measurement:
    """A score that was measured under some conditions."""
    return Measurement(spec, "psds1", value, provenance="measured", source="effbench", conditions=conditions)


def test_measured_scores_come_from_one_data_set() -> None:
    figure = load_figure("synthetic-cpu")
    here = {"recipe": "synthetic-cpu", "split": "eval", "protocol": "paper", "median_window": 9}
    rows = [trained(spec, 40.0, data="a", **here) for spec in figure.specs]
    sizes = complexity()
    elsewhere = trained("fmn04", 90.0, data="b", recipe="mine")
    chosen = select(frame(sizes, rows, [elsewhere]), figure).scores
    assert {value.value for value in chosen.values.values()} == {40.0}
    assert caption(select(frame(sizes, rows), figure)).startswith(
        "PSDS1: measured on a eval, protocol paper, effbench."
    )
    with pytest.raises(MissingResults, match=r"differ in data: a, b"):
        select(frame(sizes, rows, [trained("fmn04", 50.0, data="b", **here)]), figure)
