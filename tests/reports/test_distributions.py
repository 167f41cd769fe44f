"""What a report shows of samples, classes and seeds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from effbench.reports.pages import report_models
from effbench.results.measurement import Measurement
from effbench.results.store import Store
from tests.plots.test_statistical import MODELS, ROWS, scored, timed, under_roof
from tests.reports.test_report import outline


def pages(tmp_path: Path, rows: list[Measurement]) -> tuple[list[str], str, Path]:
    store = tmp_path / "store.sqlite"
    with Store(store, create=True) as kept:
        kept.add(rows)
    page, *others = report_models("mine", "Mine", MODELS, store=store, out=tmp_path, device="CPU B")
    return [path.name for path in others], others[0].read_text(), page


def test_figures_of_samples_classes_and_seeds_are_shown_with_words_for_those_who_cannot_see_them(tmp_path):
    files, text, page = pages(tmp_path, ROWS)
    assert {"mine-samples.svg", "mine-per-class.svg", "mine-seeds.svg"} <= set(files)
    assert "![PSDS1 by seed. A point is one training" in text
    assert "](mine-samples.svg)" in text
    shown = outline(page.read_text())
    assert all(reference.startswith(("#", "data:", "https:")) for reference in shown.references)


def test_models_that_have_a_roofline_stand_under_the_roof_in_a_section_of_their_own(tmp_path):
    rooflines = [
        under_roof(spec, seconds, device="CPU C") for spec, seconds in (("fmn10", 0.02), ("mynet", 0.05))
    ]
    files, text, _ = pages(tmp_path, [*ROWS, *rooflines])
    assert "mine-roofline.svg" in files
    section = text.partition("## Under the roof")[2].partition("## All models")[0]
    assert "](mine-roofline.svg)" in section
    assert "| `mynet` | 5.00 | 20.0 | 20.0 [18.0, 24.0] |" in section
    assert "fmn04" not in section


def test_a_figure_that_no_setting_covers_is_left_out_with_the_reason(tmp_path):
    rows = [timed("fmn04", 1, (1, 1, 1)), scored("fmn04", 0, 30), scored("fmn10", 0, 40, precision="fp16")]
    files, text, _ = pages(tmp_path, rows)
    assert "mine-seeds.svg" not in files
    assert "No figure of seeds: psds1 of trainings of these models" in text
    assert "share an axis: they differ in precision" in text


def test_timings_without_samples_and_one_seed_have_no_distribution(tmp_path):
    rows = [replace(timed("fmn04", 1, (1, 1, 1)), samples=()), scored("fmn04", 0, 30), scored("fmn10", 0, 40)]
    files, _, _ = pages(tmp_path, rows)
    assert [name for name in files if name.startswith("mine-")] == ["mine-per-class.svg"]
