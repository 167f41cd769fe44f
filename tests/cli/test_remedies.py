"""What fills in missing results: true of the study, the device and the models that are asked for."""

from __future__ import annotations

from pathlib import Path

import pytest

from effbench.cli.remedies import remedies
from effbench.plots.values import Lacking
from effbench.results.store import Store
from tests.rows import complexity, timings


def lacking(quantity: str, *specs: str, provenance: str = "measured", **conditions: object) -> list[Lacking]:
    return [Lacking(spec, quantity, provenance, conditions) for spec in specs or ("fmn04",)]


@pytest.mark.parametrize(
    ("values", "study", "hint"),
    [
        (lacking("parameters", "fmn10"), "paper", "'effbench study run paper' fills them in."),
        (lacking("macs_thop", "fmn10"), "paper", "'effbench study run paper' fills them in."),
        (lacking("throughput"), "quick", "'effbench study run quick' fills them in."),
        (lacking("psds1", recipe="synthetic-cpu"), "quick", "'effbench study run quick' fills them in."),
        (
            lacking("parameters", "fmn10+tf-8"),
            "paper",
            "'effbench profile --model fmn10+tf-8 --no-throughput' counts them.",
        ),
        (
            lacking("macs_thop", "fmn04"),
            "quick",
            "'effbench profile --model fmn04 --no-throughput --counters thop' counts them.",
        ),
        (
            lacking("throughput", precision="bf16", part="both"),
            "quick",
            "'effbench profile --model fmn04 --precision bf16 --part both' measures them.",
        ),
        (
            lacking("energy", precision="fp32"),
            "quick",
            "'effbench profile --model fmn04 --precision fp32 --energy' measures them.",
        ),
        (
            lacking("throughput", device="No Such Device 9000"),
            "quick",
            "'No Such Device 9000' is not of this machine: measure there, then 'effbench store merge' adds "
            "its store.",
        ),
        (
            lacking("throughput", precision="tf32", device="No Such Device 9000"),
            None,
            "'No Such Device 9000' is not of this machine: measure there, then 'effbench store merge' adds "
            "its store.",
        ),
        (
            lacking("psds1", data="desed"),
            "quick",
            "'effbench evaluate --model fmn04 --checkpoint … --data … --metric psds1' scores it.",
        ),
        (
            lacking("psds1", provenance="published"),
            "quick",
            "Measured values can be drawn instead: provenance: measured.",
        ),
        (
            lacking("parameters", "mynet"),
            None,
            "'effbench profile --model FILE.py:FACTORY --name mynet --no-throughput' counts them.",
        ),
    ],
)
def test_what_is_offered_fills_it_in(values: list[Lacking], study: str | None, hint: str) -> None:
    assert remedies(values, study) == [hint]


def test_a_figure_says_it(effbench, tmp_path: Path) -> None:
    store = tmp_path / "store.sqlite"
    with Store(store, create=True) as opened:
        opened.add([row for row in complexity() if row.spec != "fmn20"])
        opened.add(timings("Some GPU"))
    ran = effbench("plot", "synthetic-cpu", "--store", store)
    assert ran.returncode == 1
    assert "lacks measured psds1 with recipe synthetic-cpu of 3 models" in ran.stderr
    assert "'effbench study run quick' fills them in." in ran.stderr
    ran = effbench("plot", "paper-2", "--also", "fmn04+gru-8", "--store", store)
    assert "nobody published" in ran.stderr
    assert "study run" not in ran.stderr
