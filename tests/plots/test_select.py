"""What a figure draws: newest values, one device, one setting, and never measured with published timings."""

from __future__ import annotations

from dataclasses import replace

import pytest

from effbench.errors import UsageError
from effbench.plots.caption import caption, setting
from effbench.plots.choices import Convention
from effbench.plots.figure_data import AxisData, FigureData
from effbench.plots.figures import Axis, FigureDefinition, Series, figure_names, load_figure
from effbench.plots.select import UndrawableValue, select
from effbench.plots.values import Chosen, Lacking, MissingResults, untimed
from effbench.results.declared import declared
from effbench.results.measurement import Measurement
from effbench.study.definition import load_study
from tests.rows import complexity, frame, timings

FIRST = load_figure("paper-1")


def panel(data: FigureData, quantity: str) -> AxisData:
    return next(panel for panel in data.panels if panel.axis.quantity == quantity)


def test_scores_are_published_and_sizes_are_ours() -> None:
    data = select(frame(complexity()), FIRST)
    assert data.y.choices[0].values["fmn10+gru-256"].value == 43.53
    assert data.y.choices[0].provenance == "published"
    assert panel(data, "parameters").choices[0].values["fmn10"].value == 3_830_798
    assert panel(data, "parameters").choices[0].provenance == "measured"


def test_the_convention_decides_which_macs_are_drawn() -> None:
    rows = frame(complexity())
    exact = panel(select(rows, FIRST), "macs").choices[0]
    paper = panel(select(rows, FIRST, macs=Convention.paper), "macs").choices[0]
    assert exact.values["fmn10+gru-256"].value == pytest.approx(1.767e9, rel=1e-3)
    assert paper.values["fmn10+gru-256"].value == pytest.approx(1.005e9, rel=1e-3)
    assert (exact.provenance, paper.provenance) == ("measured", "measured")


def test_each_figure_takes_its_own_published_values() -> None:
    rows = frame(complexity())
    shown = [
        panel(select(rows, load_figure(name)), "throughput").choices[0].values["fmn10"].value
        for name in ("paper-1", "paper-2")
    ]
    assert shown == [2325.3, 2388.0]


def test_without_timings_the_published_ones_are_drawn() -> None:
    chosen = panel(select(frame(complexity()), FIRST), "throughput").choices[0]
    assert (chosen.provenance, chosen.device) == ("published", None)
    assert len(chosen.values) == 26


def test_what_is_declared_puts_nothing_published_aside_and_times_of_a_device_join_none() -> None:
    values = [
        declared("fmn10", "psds1", 99, source="us"),
        declared("fmn10", "throughput", 1.0, source="us", device="Our CPU"),
        declared("fmn10+gru-128", "parameters", 1, unit="M", source="us"),
    ]
    drawn, before = (select(frame(complexity(), rows), FIRST) for rows in (values, []))
    assert drawn.y.choices[0].values == before.y.choices[0].values
    assert [part.choices[0].values for part in drawn.panels] == [
        part.choices[0].values for part in before.panels
    ]
    unnumbered = FIRST.model_copy(update={"published_figure": None})
    assert (
        panel(select(frame(complexity(), values), unnumbered), "throughput").choices[0].values["fmn10"].value
        > 1
    )


def test_one_measured_model_puts_all_published_timings_aside() -> None:
    rows = frame(complexity(), timings("CPU", specs=["fmn10"]))
    chosen = panel(select(rows, FIRST), "throughput").choices[0]
    assert (chosen.provenance, chosen.device) == ("measured", "CPU")
    assert list(chosen.values) == ["fmn10"]


def test_the_device_that_covers_most_models_is_drawn_alone() -> None:
    rows = frame(
        complexity(), timings("CPU", specs=["fmn10", "fmn20"], created="2030-01-01"), timings("GPU", rate=9e3)
    )
    chosen = panel(select(rows, FIRST), "throughput").choices[0]
    assert chosen.device == "GPU"
    assert set(chosen.rows["device"]) == {"GPU"}
    assert len(chosen.values) == 26


def test_a_device_is_found_by_a_part_of_its_name() -> None:
    rows = frame(complexity(), timings("NVIDIA H100 PCIe"), timings("NVIDIA H200"), timings("EPYC"))
    assert panel(select(rows, FIRST, device="h200"), "throughput").choices[0].device == "NVIDIA H200"
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
    default = panel(select(rows, FIRST), "throughput").choices[0]
    assert default.setting["precision"] == "fp32"
    assert {row["part"] for row in default.rows["conditions"]} == {"network"}
    half = panel(select(rows, FIRST, precision="fp16"), "throughput").choices[0]
    assert set(half.rows["precision"]) == {"fp16"}
    with pytest.raises(MissingResults, match="on 'GPU' with part network, precision bf16"):
        select(rows, FIRST, precision="bf16")


def test_another_part_is_named_and_a_row_without_one_is_of_the_network() -> None:
    whole = timings("GPU", part="both")
    assert setting(panel_of(whole).setting)[0] == "front-end and network"
    unsaid = [
        replace(row, conditions={name: value for name, value in row.conditions.items() if name != "part"})
        for row in timings("GPU", specs=["fmn10"])
    ]
    network = timings("GPU", specs=["fmn20"])
    assert len(panel_of(unsaid, network).values) == 2


def panel_of(*groups: list[Measurement]) -> Chosen:
    """The throughput of a figure that takes any part."""
    anything = FIRST.model_copy(update={"panels": (Axis(quantity="throughput", label="Throughput"),)})
    return panel(select(frame(complexity(), *groups), anything), "throughput").choices[0]


def test_the_setting_with_more_models_wins() -> None:
    rows = frame(complexity(), timings("GPU", specs=["fmn10"]), timings("GPU", precision="bf16"))
    assert panel(select(rows, FIRST), "throughput").choices[0].setting["precision"] == "bf16"


def test_other_kernels_are_another_setting_and_named() -> None:
    usual = timings("GPU")
    other = [
        replace(row, value=9e9, conditions={**row.conditions, "kernels": "mamba-ssm"})
        for row in timings("GPU", created="2030-01-01T00:00:00+00:00")
    ]
    chosen = panel(select(frame(complexity(), usual, other), FIRST), "throughput").choices[0]
    assert "kernels" not in chosen.setting
    assert max(value.value for value in chosen.values.values()) < 9e9
    chosen = panel(select(frame(complexity(), other), FIRST), "throughput").choices[0]
    assert "kernels mamba-ssm" in setting(chosen.setting)


def test_each_model_shows_its_best_batch_size_in_its_newest_run() -> None:
    rows = frame(
        complexity(),
        timings("GPU", batch_sizes=(1, 64), rate=9000, created="2025-01-01T00:00:00+00:00"),
        timings("GPU", batch_sizes=(1, 64), rate=1000),
    )
    chosen = panel(select(rows, FIRST), "throughput").choices[0]
    assert set(chosen.rows["batch_size"]) == {64}
    assert chosen.values["fmn10"].value == pytest.approx(1000 / 1.0551 * 1.64, rel=1e-3)
    assert chosen.values["fmn10"].low == pytest.approx(chosen.values["fmn10"].value * 0.98)


def test_other_clip_lengths_are_left_out() -> None:
    longer = [
        replace(row, value=row.value * 2, conditions={"seconds": 20.0}, created="2030-01-01T00:00:00+00:00")
        for row in complexity()
    ]
    assert panel(select(frame(longer, complexity()), FIRST), "macs").choices[0].values["fmn10"].value < 1.1e9


def test_newer_counts_replace_older_ones() -> None:
    newer = [replace(row, value=7, created="2030-01-01T00:00:00+00:00") for row in complexity()]
    assert (
        panel(select(frame(newer, complexity()), FIRST), "parameters").choices[0].values["fmn10"].value == 7
    )


def test_the_overlay_is_published_and_apart() -> None:
    rows = frame(complexity(), timings("GPU"))
    data = select(rows, FIRST, overlay=True)
    assert panel(data, "macs").overlay["fmn10+gru-256"].value == 1.00e9
    assert panel(data, "throughput").overlay["fmn10"].value == 2325.3
    assert panel(data, "throughput").choices[0].provenance == "measured"
    assert all(not panel.overlay for panel in select(rows, FIRST).panels)
    assert not panel(select(frame(complexity()), FIRST, overlay=True), "throughput").overlay


def test_missing_counts_are_named_with_the_command_that_fills_them_in() -> None:
    some = [row for row in complexity() if row.spec not in ("fmn10+tcn-128", "fmn20")]
    with pytest.raises(MissingResults) as caught:
        select(frame(some), FIRST)
    assert str(caught.value) == (
        "the store lacks measured parameters, measured macs_exact of 2 models (fmn10+tcn-128, fmn20)"
    )


def test_asking_for_timings_that_do_not_exist_is_an_error() -> None:
    with pytest.raises(MissingResults, match=r"no measured throughput of this figure's models$"):
        select(frame(complexity()), FIRST, device="H100")


def trained(spec: str, value: float, **conditions: object) -> Measurement:
    """A score that was measured under some conditions."""
    return Measurement(spec, "psds1", value, provenance="measured", source="effbench", conditions=conditions)


def scored_alike(figure: FigureDefinition, **conditions: object) -> list[Measurement]:
    """One score for each model of the figure that 'quick' trains, under the same conditions."""
    here = {"recipe": "synthetic-cpu", "data": "a", "split": "eval", "protocol": "paper", **conditions}
    return [trained(spec, 40.0, **here) for spec in figure.specs]


SCORED = load_figure("synthetic-cpu")


def test_measured_scores_come_from_one_data_set() -> None:
    sizes, rows = complexity(), scored_alike(SCORED)
    elsewhere = trained("fmn04", 90.0, data="b", recipe="mine")
    chosen = select(frame(sizes, rows, [elsewhere]), SCORED).y.choices[0]
    assert {value.value for value in chosen.values.values()} == {40.0}
    assert caption(select(frame(sizes, rows), SCORED)).startswith(
        "PSDS1: measured on a eval, protocol paper, effbench."
    )
    other = scored_alike(SCORED, data="b")[:1]
    with pytest.raises(MissingResults) as caught:
        select(frame(sizes, rows, other), SCORED)
    assert str(caught.value).splitlines() == [
        "the newest psds1 of these models can't share an axis: they differ in data set",
        "a eval, without a fingerprint: fmn04+gru-104, fmn04+hybrid-104",
        "b eval, without a fingerprint: fmn04",
        'Choose one in the figure\'s definition: y: {conditions: {data: "a", split: "eval"}}',
    ]


def test_a_set_that_lacks_clips_is_marked() -> None:
    rows = scored_alike(SCORED, clips=20, missing_clips=3, missing_events="4.5 %")
    said = caption(select(frame(complexity(), rows), SCORED))
    assert "a eval, 20 clips (3 more missing, with 4.5 % of the events), protocol paper" in said


def test_a_data_set_is_what_it_holds_not_what_its_folder_is_called() -> None:
    sizes, rows = complexity(), scored_alike(SCORED, fingerprint="0123456789abcdef")
    moved = scored_alike(SCORED, data="renamed", fingerprint="0123456789abcdef")[:1]
    assert "eval (01234567), protocol paper" in caption(select(frame(sizes, rows, moved), SCORED))
    changed = scored_alike(SCORED, fingerprint="fedcba9876543210")[:1]
    with pytest.raises(MissingResults) as caught:
        select(frame(sizes, rows, changed), SCORED)
    assert str(caught.value).splitlines()[1:] == [
        "a eval, fingerprint 01234567: fmn04+gru-104, fmn04+hybrid-104",
        "a eval, fingerprint fedcba98: fmn04",
        'Choose one in the figure\'s definition: y: {conditions: {fingerprint: "0123456789abcdef"}}',
    ]
    before = scored_alike(SCORED)[:1]
    with pytest.raises(MissingResults, match="a eval, without a fingerprint: fmn04\n"):
        select(frame(sizes, rows, before), SCORED)


@pytest.mark.parametrize(
    ("condition", "values", "named"),
    [
        ("precision", ("bf16", "fp16"), r"precision\nbf16: .*\nfp16: fmn04\n"),
        ("protocol", ("paper", "weak"), r"protocol\npaper: .*\nweak: fmn04\n"),
        ("engine", ("effbench", "reference"), r"engine\neffbench: .*\nreference: fmn04\n"),
        ("missing_clips", (3, None), r"missing clips\n3: .*\nnone: fmn04\n"),
        ("median_window", (9, None), r"median window\n9: .*\nunknown: fmn04\n"),
    ],
)
def test_scores_that_were_computed_otherwise_are_refused(
    condition: str, values: tuple[object, object], named: str
) -> None:
    rows, others = (scored_alike(SCORED, **{condition: value}) for value in values)
    with pytest.raises(MissingResults, match=f"they differ in {named}"):
        select(frame(complexity(), rows, others[:1]), SCORED)


def test_of_several_precisions_single_is_drawn() -> None:
    rows = scored_alike(SCORED, precision="fp32")
    half = [
        replace(row, value=39.0, created="2090-01-01T00:00:00+00:00")
        for row in scored_alike(SCORED, precision="bf16")
    ]
    data = select(frame(complexity(), half, rows), SCORED)
    assert {value.value for value in data.y.choices[0].values.values()} == {40.0}
    assert "protocol paper, fp32, effbench" in caption(data)


@pytest.mark.parametrize("changed", ["checkpoint", "fingerprint"])
def test_newer_weights_and_data_replace_older_ones_whatever_the_precision(changed: str) -> None:
    rows = scored_alike(SCORED, precision="fp32", **{changed: "old"})
    newer = [
        replace(
            row,
            value=41.0,
            created="2090-01-01T00:00:00+00:00",
            conditions={**row.conditions, "precision": "bf16", changed: "new"},
        )
        for row in rows
    ]
    data = select(frame(complexity(), rows, newer), SCORED)
    assert {value.value for value in data.y.choices[0].values.values()} == {41.0}


def test_the_newest_of_several_checkpoints_is_drawn_and_that_is_said() -> None:
    rows = scored_alike(SCORED, checkpoint="one")
    again = trained("fmn04", 50.0, **{**rows[0].conditions, "checkpoint": "two"})
    data = select(frame(complexity(), rows, [replace(again, created="2090-01-01T00:00:00+00:00")]), SCORED)
    assert data.y.choices[0].values["fmn04"].value == 50.0
    assert "Of several checkpoints, that of the newest score: fmn04 (2)." in caption(data)
    assert "several" not in caption(select(frame(complexity(), rows), SCORED))


def test_untrained_models_are_named_in_the_caption() -> None:
    rows = scored_alike(SCORED, checkpoint="best.pt")
    bare = replace(rows[0], conditions={**rows[0].conditions, "checkpoint": None})
    assert "Untrained, with scores of chance: fmn04." in caption(
        select(frame(complexity(), [bare, *rows[1:]]), SCORED)
    )
    assert "Untrained" not in caption(select(frame(complexity(), rows), SCORED))


def test_what_is_missing_is_said_and_kept_for_those_who_know_what_fills_it_in() -> None:
    with pytest.raises(
        MissingResults, match=r"measured psds1 with recipe synthetic-cpu of 3 models"
    ) as caught:
        select(frame(complexity()), SCORED)
    assert caught.value.lacking[0] == Lacking("fmn04", "psds1", "measured", {"recipe": "synthetic-cpu"})
    unpublished = Series(label="small", colour="red", marker="o", specs=("fmn04+gru-8",))
    with pytest.raises(
        MissingResults, match=r"lacks published psds1 of 1 model \(fmn04\+gru-8\), which nobody"
    ):
        select(frame(complexity()), FIRST.model_copy(update={"series": (unpublished,)}))


def test_the_study_of_a_shipped_figure_measures_what_it_needs() -> None:
    for name in figure_names():
        figure = load_figure(name)
        assert figure.study is not None
        study = load_study(figure.study)
        specs = set(map(str, study.specs()))
        assert specs.issuperset(figure.specs)
        assert study.tasks.complexity
        if figure.y.provenance == "measured":
            (training,) = study.tasks.train
            assert figure.y.conditions == {"recipe": training.recipe}


def test_a_cost_of_nothing_is_refused() -> None:
    nothing = [replace(row, value=0) for row in complexity()]
    with pytest.raises(UndrawableValue, match=r"parameters of fmn\S+ is 0: a logarithmic axis"):
        select(frame(nothing), FIRST)


def test_a_declared_score_on_other_data_is_no_published_one() -> None:
    rows = frame(
        complexity(),
        [
            declared("fmn10", "psds1", 99.0, source="us", conditions={"data": "ours"}),
            declared("mynet", "psds1", 44.0, source="us", conditions={"protocol": "paper"}),
        ],
    )
    found = untimed(rows, "psds1", ["fmn10", "mynet"], "published", 1)
    assert found.values["fmn10"].value < 50
    assert found.values["mynet"].value == 44.0
    asked = untimed(rows, "psds1", ["fmn10"], "published", conditions={"data": "ours"})
    assert asked.values["fmn10"].value == 99.0
