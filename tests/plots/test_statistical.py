"""Statistical figures: what is drawn is what the store has, and what can't be compared is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.collections import PathCollection

from effbench.errors import EffbenchError, UsageError
from effbench.plots.api import plot
from effbench.plots.statistical.shared_axis import DifferingRows
from effbench.results.measurement import PER_CLASS, Measurement
from effbench.results.store import Store
from tests.rows import COMMIT, CREATED, SOURCE

DATA = {"data": "set", "split": "eval", "fingerprint": "00112233aa", "protocol": "paper", "precision": "fp32"}
MODELS = ("fmn04", "fmn10", "mynet")


def timed(spec: str, size: int, seconds: tuple[float, ...], **changes: Any) -> Measurement:
    median = size / float(np.median(seconds))
    conditions = {"part": "network", "precision": "fp32", "batch_size": size, "threads": 2, "seconds": 10.0}
    return Measurement(
        spec, "throughput", median, low=median * 0.9, high=median * 1.2, provenance="measured", source=SOURCE,
        commit=COMMIT, created=CREATED, device=changes.pop("device", "CPU B"),
        conditions={**conditions, **changes}, samples=seconds, environment={},
    )  # fmt: skip


def scored(spec: str, seed: int, value: float, **changes: Any) -> Measurement:
    by_class = {"Bell": value + 10, "Dog": value - 10, "Cat": None if spec == "fmn10" else 40}
    conditions = {**DATA, "seed": seed, "run": f"{spec}_{seed}", "recipe": "mine", **changes}
    return Measurement(
        spec, "psds1", value, provenance="measured", source=SOURCE, commit=COMMIT, created=CREATED,
        conditions=conditions, environment={PER_CLASS: by_class},
    )  # fmt: skip


ROWS = [
    *(
        timed(spec, size, (0.02 * n * size, 0.01 * n * size, 0.01 * n * size))
        for n, spec in enumerate(MODELS, 1)
        for size in (1, 4)
    ),
    *(scored(spec, seed, 30.0 + 10 * n + seed) for n, spec in enumerate(MODELS) for seed in (0, 1, 3)),
]


def kept(tmp_path: Path, rows: list[Measurement]) -> Path:
    path = tmp_path / "store.sqlite"
    with Store(path, create=True) as store:
        store.add(rows)
    return path


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return kept(tmp_path, ROWS)


def test_samples_are_drawn_as_they_are_kept(store: Path) -> None:
    drawn = plot("samples", models=["fmn*", "mynet"], device="cpu b", store=store)
    left, right = drawn.figure.axes
    assert [label.get_text() for label in left.get_yticklabels()] == list(MODELS)
    points, deviations = (
        [part.get_offsets()[:, 0].tolist() for part in axes.collections if isinstance(part, PathCollection)]
        for axes in (left, right)
    )
    assert points[0] == pytest.approx([50, 100, 100])  # fmn04, one clip in 20, 10 and 10 ms
    assert len(points) == 6
    assert [min(found) for found in deviations] == pytest.approx([-50] * 6)
    row = next(row for row in drawn.rows() if (row["spec"], row["batch_size"]) == ("fmn10", 4))
    assert (row["median"], row["low"], row["high"]) == pytest.approx((50, 45, 60))
    assert [line.get_xdata()[0] for line in left.lines if line.get_marker() == "D"] == pytest.approx(
        [row["median"] for row in drawn.rows()]
    )


def test_timings_of_two_devices_share_no_axis(tmp_path: Path, effbench: Any) -> None:
    kept(
        tmp_path,
        [timed("fmn04", 1, (1, 1, 1)), timed("mynet", 1, (1, 1, 1), device="CPU C", precision="bf16")],
    )
    both = (
        "plot",
        "samples",
        "--store",
        "store.sqlite",
        "--model",
        "mynet",
        "--model",
        "fmn04",
        "--condition",
    )
    done = effbench(*both, "threads=2")
    assert (done.returncode, done.stdout) == (1, "")
    assert "can't share an axis: they differ in device, precision" in done.stderr
    assert "device: CPU C, precision: bf16: mynet" in done.stderr
    assert "--device" in done.stderr
    done = effbench(*both, "threads=3")
    assert done.returncode == 1
    assert "no timing samples of throughput under {'threads': 3}" in done.stderr


def under_roof(spec: str, seconds: float, **changes: Any) -> Measurement:
    ceilings = {"products": 1e11, "depthwise": 4e10, "bytes_per_second": {"262144": 8e10, "1048576": 2e10}}
    network = {"macs": 10**9, "macs_per_byte": 5.0, "call_seconds": seconds, "roof_share": 1.0 / seconds}
    layer = {**network, "layer": "head", "macs": 10**8}
    return replace(
        timed(spec, 1, (seconds, seconds, 2 * seconds), **changes), quantity="roof_share", value=1 / seconds,
        low=0.9 / seconds, high=1.2 / seconds,
        environment={"roof": {"ceilings": ceilings, "network": network, "layers": [layer]}},
    )  # fmt: skip


def test_models_stand_under_the_roof_that_was_measured_with_them(tmp_path: Path) -> None:
    path = kept(tmp_path, [under_roof("fmn10", 0.02), under_roof("mynet", 0.05), *ROWS])
    drawn = plot("roofline", store=path)
    assert drawn.models == ("fmn10", "mynet")
    assert [row["macs_per_second"] for row in drawn.rows()] == pytest.approx([5e10, 2e10])
    (axes,) = drawn.figure.axes
    tops = {line.get_linestyle(): max(line.get_ydata()) for line in axes.lines[:3]}
    assert tops == pytest.approx({"-": 1e11, ":": 1e11, "--": 4e10})
    memory = axes.lines[0].get_xydata()[0]
    assert memory[1] == pytest.approx(2e10 * memory[0])
    assert {"fmn10", "mynet"} <= {text.get_text() for text in axes.texts}


def test_one_model_alone_has_its_layers(tmp_path: Path) -> None:
    drawn = plot("roofline", models=["fmn10"], store=kept(tmp_path, [under_roof("fmn10", 0.02)]))
    assert [row["spec"] for row in drawn.rows()] == ["fmn10", "head"]
    assert drawn.rows()[1]["macs_per_second"] == pytest.approx(5e9)


def test_rooflines_of_two_backends_share_no_axis(tmp_path: Path) -> None:
    rows = [under_roof("fmn10", 0.02), under_roof("mynet", 0.02, backend="folded")]
    with pytest.raises(DifferingRows, match="differ in backend"):
        plot("roofline", store=kept(tmp_path, rows))


def test_classes_are_cells_and_what_is_missing_is_hatched(store: Path) -> None:
    drawn = plot("per-class", store=store)
    axes = drawn.figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["mynet", "fmn10", "fmn04"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["Bell", "Cat", "Dog"]
    shown = axes.collections[0].get_array()
    assert shown[0].tolist() == [63, 40, 43]  # the newest, of seed 3
    assert shown.mask.tolist() == [[False] * 3, [False, True, False], [False] * 3]
    (hatched,) = (patch for patch in axes.patches if patch.get_hatch())
    assert (hatched.get_x(), hatched.get_y()) == (1, 1)
    assert {row["value"] for row in drawn.rows() if row["spec"] == "fmn10"} == {53, None, 33}
    assert "Of several trainings, the newest: fmn04, fmn10, mynet." in drawn.data.caption


def test_figures_of_two_quantities_are_two_files(store: Path, tmp_path: Path) -> None:
    shown = {"models": ["fmn10"], "device": "H100", "store": store, "out": tmp_path, "formats": ["svg"]}
    quantities = (None, "throughput", "latency_p50")
    names = [plot("samples", quantity=quantity, **shown).paths[0].name for quantity in quantities]
    assert names == ["samples.svg", "samples.svg", "samples-latency_p50.svg"]


def test_of_many_classes_those_that_differ_most_are_shown(store: Path) -> None:
    drawn = plot("per-class", classes=2, store=store)
    assert {row["class"] for row in drawn.rows()} == {"Bell", "Dog"}
    assert "The 2 of 3 classes with the largest spread" in str(drawn.to_dict()["caption"])


def test_seeds_have_their_mean_and_t_interval(store: Path) -> None:
    drawn = plot("seeds", store=store)
    axes = drawn.figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["mynet (3)", "fmn10 (3)", "fmn04 (3)"]
    row = drawn.rows()[0]
    values = np.array([50, 51, 53])
    half = 4.302652729696142 * values.std(ddof=1) / np.sqrt(3)  # Student's t, two degrees of freedom
    assert row["values"] == values.tolist()
    assert (row["mean"], row["low"], row["high"]) == pytest.approx(
        (values.mean(), values.mean() - half, values.mean() + half)
    )
    assert sorted(axes.collections[0].get_offsets()[:, 0].tolist()) == values.tolist()
    assert row["published"] is None


def test_trainings_that_changes_of_the_recipe_tell_apart_are_no_seeds_of_one_another(
    tmp_path: Path,
) -> None:
    trained = [row for row in ROWS if row.quantity == "psds1"]
    longer = [
        replace(
            row,
            value=row.value + 1,
            conditions={**row.conditions, "changes": "epochs=20", "run": f"{row.conditions['run']}_longer"},
            created="2100-01-01T00:00:00+00:00",
        )
        for row in trained
        if row.conditions["seed"] != 3
    ]
    drawn = plot("seeds", store=kept(tmp_path, [*ROWS, *longer]))
    assert [row["values"] for row in drawn.rows() if row["spec"] == "mynet"] == [[51, 52]]
    caption = str(drawn.to_dict()["caption"])
    assert "with epochs=20" in caption
    assert "Not shown: 1 other setting of the same models." in caption


def test_a_published_score_stands_beside_seeds_of_the_same_data_alone(tmp_path: Path) -> None:
    conditions = {"data": "set", "split": "eval"}
    row = Measurement("mynet", "psds1", 44.4, provenance="published", source="us", conditions=conditions)
    other = replace(row, spec="fmn10", conditions={"data": "other", "split": "eval"})
    drawn = plot("seeds", store=kept(tmp_path, [*ROWS, row, other]))
    # The paper's score of fmn04 is of AudioSet, and so is not shown either.
    assert {row["spec"]: row["published"] for row in drawn.rows()} == {
        "mynet": 44.4,
        "fmn10": None,
        "fmn04": None,
    }


@pytest.mark.parametrize("figure", ["per-class", "seeds"])
def test_scores_of_other_data_share_no_axis(tmp_path: Path, figure: str) -> None:
    path = kept(tmp_path, [scored("fmn04", 0, 30), scored("mynet", 0, 40, fingerprint="ffee")])
    with pytest.raises(DifferingRows, match="differ in fingerprint\nfingerprint: 00112233aa: fmn04"):
        plot(figure, store=path)
    assert plot(figure, store=path, conditions={"fingerprint": "ffee"}).data.models == ("mynet",)


def test_equal_figures_are_equal_files_and_themes_differ(store: Path) -> None:
    np.random.seed(5)
    before = np.random.get_state()[1].tolist()
    first, second = (plot("seeds", store=store).image("svg") for _ in range(2))
    assert first == second
    assert before == np.random.get_state()[1].tolist()
    dark = plot("seeds", store=store, theme="dark")
    assert b"#181a1f" in dark.image("svg")
    assert dark._repr_html_().startswith("<svg")
    assert repr(dark) == "<StatisticalFigure of 'seeds', 3 models>"


def test_a_definition_of_ones_own_is_drawn(store: Path, tmp_path: Path, effbench: Any) -> None:
    shown = effbench("plot", "seeds", "--show")
    (tmp_path / "mine.yaml").write_text(shown.stdout.replace('"*"', '"fmn*"'))
    done = effbench("plot", "mine.yaml", "--store", store, "--format", "png")
    assert done.stdout == "results/figures/mine.png\n"
    assert (tmp_path / done.stdout.strip()).read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kind: seed", "kind: there is no 'seed'; did you mean 'seeds'"),
        ("kind: seeds\nquantity: macs", "quantity: 'macs' is not a score in per cent"),
        ("kind: per-class\ndevice: here", "device: unknown key"),
        ("kind: samples\nquantity: psds1", "quantity: 'psds1'"),
    ],
)
def test_a_wrong_definition_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UsageError, match="has 1 problem") as caught:
        plot(path)
    assert problem in str(caught.value)


def test_options_of_other_figures_are_refused(store: Path) -> None:
    with pytest.raises(UsageError, match="'seeds' takes no overlay: only figures of trade-offs do"):
        plot("seeds", store=store, overlay=True)
    with pytest.raises(UsageError, match="'paper-1' takes no models"):
        plot("paper-1", store=store, models=["fmn04"])
    with pytest.raises(UsageError, match="no timing samples of 'mynte'; did you mean 'mynet'"):
        plot("samples", store=store, models=["mynte"])
    with pytest.raises(EffbenchError, match="holds no pauroc by class; 'effbench evaluate' keeps it"):
        plot("per-class", store=store, quantity="pauroc")
    with pytest.raises(EffbenchError, match="holds no psds2 of trainings; 'effbench train' keeps it"):
        plot("seeds", store=store, quantity="psds2")
