"""The report on any models: published ones, measured ones, and one's own."""

import pytest

from effbench.plots.caption import caption
from effbench.plots.values import MissingResults, mean_of_seeds
from effbench.reports.any_models import content
from effbench.reports.explorer.explored import explored
from effbench.reports.leading_scores import measured_lead
from effbench.reports.pages import report_models
from effbench.results.declared import declared
from effbench.results.measurement import Measurement
from effbench.results.store import Store
from tests.reports.test_report import outline, tables
from tests.rows import complexity, frame, timings

SPECS = ["fmn10", "fmn10+tf-256", "fmn10+tcn-256", "BEATs"]


def counted(spec, parameters, macs):
    return [Measurement.here(spec, "parameters", parameters), Measurement.here(spec, "macs_exact", macs)]


def scored(spec, value, data="toys", **conditions):
    named = {"data": data, "split": "eval", "protocol": "paper", "precision": "fp32", **conditions}
    return Measurement.here(spec, "psds1", value, conditions=named)


def test_fronts_come_from_scores_and_costs_and_what_lacks_either_is_left_out_of_the_figure():
    rows = frame(complexity(), timings("GPU A", specs=["fmn10", "fmn10+tf-256"]))
    found = content("models", "Mine", SPECS, rows)
    worth = {line.spec: line.worth for line in found.values["lines"]}
    assert worth["fmn10"] == worth["fmn10+tf-256"] == tuple(cost.label for cost in found.values["costs"])
    assert worth["fmn10+tcn-256"] == worth["BEATs"] == ()
    assert found.values["left_out"] == ["BEATs"]
    assert set(found.figures["models"].y.choices[0].values) == set(SPECS) - {"BEATs"}
    lines = found.values["lines"]
    assert [line.spec for line in lines][:2] == ["BEATs", "fmn10+tf-256"]  # the best first


def test_the_scores_are_those_that_most_models_have_in_common():
    published = content("x", "X", SPECS, frame(complexity(), [scored("fmn10", 9.0)]))
    assert published.values["scored_on"] == "published, or declared by the user"
    mine = [*counted("mynet", 10, 20), *counted("ours", 30, 40)]
    scores = [
        scored("mynet", 5.0),
        scored("ours", 6.0),
        scored("ours", 99.0, data="other"),
        scored("fmn10", 7.0),
    ]
    found = content("x", "X", ["mynet", "ours", "fmn10"], frame(complexity(), mine, scores))
    assert found.values["scored_on"] == "measured, data toys, split eval, protocol paper"
    values = {line.spec: line.score.value for line in found.values["lines"]}
    assert values == {"fmn10": 7.0, "ours": 6.0, "mynet": 5.0}
    assert {label.front for label in found.values["costs"]} == {("mynet", "ours", "fmn10")}


def test_scores_that_a_study_measured_lead_and_published_ones_stand_beside_them(tmp_path):
    trained = ["fmn04", "fmn04+gru-104", "fmn04+hybrid-104"]
    scores = [scored(spec, value) for spec, value in zip(trained, (30.0, 20.0, 25.0), strict=True)]
    found = content("x", "X", trained, frame(complexity(), scores)).values
    assert [line.spec for line in found["lines"]] == ["fmn04", "fmn04+hybrid-104", "fmn04+gru-104"]
    assert {cost.front for cost in found["costs"]} == {("fmn04",)}  # by what is published, hybrid is on it
    assert found["scored_on"] == "measured, data toys, split eval, protocol paper"
    assert found["beside"].values["fmn04"].value == 39.52
    page = written(tmp_path, trained, [*complexity(), *scores])
    (table, *_) = tables(page)
    assert table[0][:3] == ["Model", "PSDS1, measured (%)", "PSDS1, published (%)"]
    assert table[2][:3] == ["`fmn04`", "30.00", "39.52"]
    assert "PSDS1: measured on toys eval" in page


def test_table_figure_and_explorer_show_the_same_mean_of_seeds():
    seeds = {0: 40.0, 1: 41.0, 2: 45.0}
    scores = [scored("fmn04", value, seed=seed, run=f"fmn04_seed{seed}") for seed, value in seeds.items()]
    rows = frame(complexity(), scores, [scored("fmn04+gru-104", 30.0)])
    found = content("x", "X", ["fmn04", "fmn04+gru-104"], rows)
    (line, _) = found.values["lines"]
    (score,) = found.figures["x"].y.choices
    (shown, *_) = explored(rows, found.models).metrics
    assert line.score == score.values["fmn04"] == shown.values["fmn04"].value == mean_of_seeds([40, 41, 45])
    assert "Means over 3 seeds: fmn04." in caption(found.figures["x"])
    assert "checkpoints" not in caption(found.figures["x"])


def test_one_measured_score_of_many_models_ranks_nothing_and_the_report_says_so(tmp_path):
    page = written(tmp_path, SPECS, [*complexity(), scored("fmn10", 99.0)])
    assert "The best is `BEATs`" in page
    assert "known of 1 of 4 models only (data toys, split eval, protocol paper), too few to rank by" in page
    (table, *_) = tables(page)
    assert [row[1:3] for row in table if row[0] == "`fmn10`"] == [["42.28", "99.00"]]


@pytest.mark.parametrize(
    ("measured", "published", "lead"),
    [("a", "", True), ("a", "b", False), ("ab", "ab", True), ("ab", "abcd", True), ("ab", "abcde", False)],
)
def test_measured_scores_lead_where_two_models_and_half_of_all_have_them(measured, published, lead):
    assert measured_lead(measured, published) == lead


def test_published_scores_have_those_of_own_models_on_the_same_data_with_them():
    own = scored("mynet", 41.0, classes=407)
    found = content("x", "X", [*SPECS, "mynet"], frame(complexity(), counted("mynet", 10, 20), [own])).values
    assert {line.spec: line.score.value for line in found["lines"]}["mynet"] == 41.0
    assert found["beside"] is None


def written(tmp_path, models, rows):
    with Store(tmp_path / "store.sqlite", create=True) as kept:
        kept.add(rows)
    return report_models("x", "X", models, store=tmp_path / "store.sqlite", out=tmp_path)[1].read_text()


def test_the_pages_name_every_model_and_stand_alone(tmp_path):
    store = tmp_path / "store.sqlite"
    with Store(store, create=True) as kept:
        kept.add(complexity())
        kept.add([*counted("mynet", 1e6, 1e8), declared("mynet", "psds1", 44.9, source="my paper | table 1")])
    models = ["fmn10", "fmn10+tf-256", "mynet"]
    paths = report_models("mine", "Mine & theirs", models, store=store, out=tmp_path / "report")
    assert [path.name for path in paths] == ["mine.html", "mine.md", "mine.svg"]
    page = paths[1].read_text()
    (table, *_) = tables(page)
    assert [row[0] for row in table[2:]] == ["`mynet`", "`fmn10+tf-256`", "`fmn10`"]
    assert {len(row) for row in table} == {len(table[0])}
    assert table[2][1] == "44.90"
    assert "my paper \\| table 1" in page
    shown = outline(paths[0].read_text())
    assert all(reference.startswith(("#", "data:", "https:")) for reference in shown.references)
    assert all(image["alt"] for image in shown.images)


def test_models_of_which_nothing_is_known_are_refused_in_words():
    with pytest.raises(MissingResults, match="nothing of mynet"):
        content("x", "X", ["mynet"], frame(complexity()))


def test_what_has_no_score_is_still_a_table():
    found = content("x", "X", ["mynet"], frame(complexity(), counted("mynet", 10, 20)))
    assert found.figures == {}
    assert found.values["scored"] == []
