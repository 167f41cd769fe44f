"""Models of one's own in figures: beside published points, under a name that no typo passes for."""

from __future__ import annotations

import pytest

from effbench.errors import UsageError
from effbench.plots.caption import caption
from effbench.plots.draw import draw
from effbench.plots.figures import load_figure
from effbench.plots.select import select
from effbench.plots.values import MissingResults
from effbench.results.measurement import Measurement
from tests.rows import complexity, frame, timings

EVAL = {
    "data": "audioset",
    "split": "eval",
    "fingerprint": "5b1e02c7d2f4a816",
    "checkpoint": "best.pt (sha256 1)",
}
ON_PUBLISHED = {**EVAL, "protocol": "paper", "classes": 407, "clips": 16_996}


def of(name: str, **values: float) -> list[Measurement]:
    return [
        Measurement(
            spec=name,
            quantity=quantity,
            value=value,
            provenance="measured",
            source="effbench 0.1.0",
            conditions=ON_PUBLISHED if quantity == "psds1" else {},
        )
        for quantity, value in values.items()
    ]


def declared(name: str, value: float) -> list[Measurement]:
    conditions = {"declared": "by the user"}
    return [
        Measurement(
            spec=name,
            quantity="psds1",
            value=value,
            provenance="published",
            source="S",
            conditions=conditions,
        )
    ]


COUNTS = {"parameters": 1e6, "macs_exact": 1e8, "macs_paper": 1e8}


@pytest.mark.parametrize("measured", [True, False])
def test_a_declared_or_measured_score_stands_beside_published_ones(measured) -> None:
    score = of("mynet", psds1=44.9) if measured else declared("mynet", 44.9)
    rows = frame(complexity(), timings("CPU"), of("mynet", **COUNTS), score)
    data = select(rows, load_figure("paper-1").with_models(["mynet", "fmn10+TF:256"]))
    assert data.y.choices[0].values["mynet"].value == 44.9
    assert data.panels[0].choices[0].values["mynet"].value == 1e6
    assert len(data.definition.series) == 7
    said = "Measured, not published: mynet on audioset eval (5b1e02c7), 16,996 clips, protocol paper."
    assert (said if measured else "Declared by the user: mynet.") in caption(data)
    texts = [text.get_text() for axes in draw(data).axes for text in axes.texts]
    assert "mynet" in texts


def test_a_score_on_other_data_does_not() -> None:
    rows = of("mynet", **COUNTS, psds1=44.9)
    other = [
        Measurement(**{**vars(row), "conditions": {**row.conditions, "classes": 12}})
        for row in rows
        if row.quantity == "psds1"
    ]
    with pytest.raises(MissingResults, match="lacks published psds1 of 1 model \\(mynet\\)"):
        select(frame(complexity(), rows[:3], other), load_figure("paper-1").with_models(["mynet"]))


def test_a_typo_is_no_model_of_ones_own(tmp_path) -> None:
    rows = frame(complexity(), of("mynet", **COUNTS))
    with pytest.raises(MissingResults, match=r"nothing is stored of 'mynte'; did you mean 'mynet'\?"):
        select(rows, load_figure("paper-1").with_models(["mynte"]))
    with pytest.raises(UsageError, match=r"did you mean 'fmn10\+tf-256'"):
        load_figure("paper-1").with_models(["fmn10+tff-256"])
    path = tmp_path / "mine.yaml"
    score = "y: {quantity: psds1, provenance: published, label: S}"
    text = f"title: x\n{score}\npanels: [{{quantity: macs, label: M}}]\n"
    path.write_text(text + "series: [{label: a, colour: red, marker: o, specs: [fmn10+hybird-128, mynet]}]\n")
    with pytest.raises(
        UsageError, match=r"series\.0\.specs\.0: unknown model 'fmn10\+hybird-128'; did you mean"
    ):
        load_figure(str(path))


def test_a_figure_has_room_for_some_more() -> None:
    with pytest.raises(UsageError, match="room for 15 more models, not for 16"):
        load_figure("paper-1").with_models([f"net{number}" for number in range(16)])
