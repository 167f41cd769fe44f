"""The explorer in a real browser: it answers as Python does, its controls work, and it asks nobody."""

import csv
import random
from dataclasses import replace

import pytest

from effbench import pareto, recommend
from effbench.reports.pages import report_models
from effbench.results.declared import declared
from effbench.results.measurement import Measurement
from effbench.results.store import Store
from tests.browser import Page, chromium
from tests.reports.test_any_models import scored
from tests.reports.test_report import outline
from tests.rows import complexity, counters, timings

SPECS = [f"fmn10+{kind}-{dim}" for kind in ("tf", "gru", "tcn") for dim in (128, 256, 512)] + [
    "fmn10",
    "fmn20",
]
LARGEST = "fmn10+tcn-512"
#: Two that are equal in all, one without a score, one without counts.
OWN = ["twin-b", "twin-a", "unscored", "uncounted"]
DEVICE = "CPU B, fp32, 2 threads"


def costs(row, kind):
    """Memory that grows with the batch, or latency, of a row of throughput."""
    size = row.conditions["batch_size"]
    value = {"memory_peak": 1e8 + 5e6 * size + 1e10 / row.value, "latency_p99": 1.2 * size / row.value}[kind]
    return replace(row, quantity=kind, value=value, low=None, high=None)


def measured():
    timed = timings("CPU B", specs=SPECS[:-1], batch_sizes=(1, 8, 32))
    rates = [*timed, *(replace(row, spec=name) for name in OWN for row in timed[:3])]
    fits = [row for row in rates if row.spec not in ("fmn10+tf-128", "twin-a")]
    fits = [row for row in fits if (row.spec, row.conditions["batch_size"]) != ("fmn10+gru-128", 1)]
    ends = [row for row in rates if row.conditions["batch_size"] == 1 and row.spec != "fmn10"]
    counts = [
        Measurement.here(name, quantity, value)
        for name in OWN[:3]
        for quantity, value in (("parameters", 5_000_000), ("macs_exact", 1_500_000_000))
    ]
    scores = [declared(name, "psds1", 44.0, source="ours") for name in ("twin-a", "twin-b", "uncounted")]
    extra = [*(costs(row, "memory_peak") for row in fits), *(costs(row, "latency_p99") for row in ends)]
    explained = counters("fmn10+gru-256", "GRU: <not counted>")
    few = timings("GPU A", specs=SPECS[:3], rate=9000)
    return [*complexity(), *rates, *extra, *counts, *scores, *explained, *few]


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    path = tmp_path_factory.mktemp("explorer") / "store.sqlite"
    with Store(path, create=True) as kept:
        kept.add(measured())
    return path


@pytest.fixture(scope="module")
def report(store):
    """The HTML page of a report on models of all kinds."""
    return report_models("mine", "Mine & theirs", SPECS + OWN, store=store, out=store.parent / "report")[0]


@pytest.fixture(scope="module")
def browser():
    with chromium() as found:
        yield found


@pytest.fixture
def opened(browser, report):
    page = Page(browser, report, viewport={"width": 1280, "height": 1000})
    page.go(f"on={DEVICE}")
    yield page
    page.context.close()
    assert page.complaints == []


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_it_stands_alone_in_any_light_and_width(browser, report, scheme, width):
    page = Page(browser, report, color_scheme=scheme, viewport={"width": width, "height": 900})
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    assert page.page.locator("#x-plot svg").bounding_box()["width"] <= width
    assert "psds" in page.page.get_attribute("#x-chart", "aria-label").lower()
    page.page.eval_on_selector_all("details", "all => all.forEach(one => { one.open = true; })")
    assert page.page.evaluate("document.documentElement.scrollWidth") <= width
    page.context.close()
    assert page.complaints == []
    assert report.stat().st_size < 3_000_000
    assert all(image["alt"] for image in outline(report.read_text()).images)


def test_its_answers_are_those_of_python(opened, store):
    chance = random.Random(0)
    names = {
        "parameters": "max_params",
        "macs_exact": "max_macs",
        "throughput": "min_throughput",
        "latency_p99": "max_latency",
        "memory_peak": "max_memory",
        "psds1": "min_score",
    }
    whole = recommend(
        SPECS + OWN, device="CPU B", store=store, **{**dict.fromkeys(names.values(), 1), "min_score": 20}
    )
    known = {name: sorted(k.value.value for k in whole.metrics[name].known.values()) for name in names}
    best = set()
    for _ in range(60):
        chosen = chance.sample(list(names), chance.randint(0, 4))
        bounds = {name: chance.choice(known[name]) * chance.choice([1, 1, 0.97, 1.04]) for name in chosen}
        limits = {names[name]: bound for name, bound in bounds.items()}
        theirs = recommend(SPECS + OWN, device="CPU B", store=store, **limits)
        opened.go("&".join([f"on={DEVICE}", *(f"limit.{name}={bound!r}" for name, bound in bounds.items())]))
        assert opened.best() == theirs.best, bounds
        assert opened.within() - {"unscored"} == set(theirs.ranked), bounds
        best.add(theirs.best)
    assert len(best) > 5
    assert "twin-b" in best  # the first of equals
    assert None in best


@pytest.mark.parametrize("cost", ["parameters", "macs_exact", "throughput", "latency_p99", "memory_peak"])
def test_its_fronts_are_those_of_python(opened, store, cost):
    opened.go(f"on={DEVICE}&x={cost}")
    drawn = opened.page.evaluate("points.filter(p => p.front).map(p => models[p.i].name)")
    theirs = pareto(SPECS + OWN, metrics=("psds1", cost), device="CPU B", store=store, draws=1)
    assert set(drawn) == set(theirs.front)


def test_filters_and_limits_change_what_is_shown(opened):
    page = opened.page
    assert set(opened.models()) == set(SPECS + OWN)
    page.locator("#x-families label", has_text="TF").locator("input").uncheck()
    opened.ready()
    assert set(opened.models()) == {name for name in SPECS + OWN if "+tf" not in name}
    page.locator("#x-limit-parameters input[type=number]").fill("5")
    opened.ready()
    assert opened.within() < set(opened.models())
    assert "Parameters ≤ 5 M" in page.inner_text("#x-answer")
    page.locator("#x-limit-parameters input[type=range]").press("End")
    opened.ready()
    assert opened.within() == set(opened.models())
    page.locator("#x-limit-throughput input[type=range]").press("ArrowRight")
    opened.ready()
    assert "fmn20" not in opened.within()  # not timed
    page.click("#x-reset")
    opened.ready()
    assert set(opened.models()) == opened.within() == set(SPECS + OWN)


def test_it_opens_with_the_scores_that_a_study_measured(browser, tmp_path):
    trained = {"fmn10": 30.0, "fmn10+tf-128": 20.0, "fmn10+gru-128": 25.0}
    with Store(tmp_path / "store.sqlite", create=True) as kept:
        kept.add([row for row in complexity() if row.spec in trained])
        kept.add(scored(spec, value) for spec, value in trained.items())
    pages = report_models("mine", "Mine", list(trained), store=tmp_path / "store.sqlite", out=tmp_path)
    page = Page(browser, pages[0])
    assert page.page.input_value("#x-y") == "psds1 on toys eval, protocol paper"
    assert page.models() == ["fmn10", "fmn10+gru-128", "fmn10+tf-128"]
    assert page.best() == "fmn10"  # the worst of them, as published
    assert "PSDS1, published (%)" in page.page.inner_text("#x-table thead")
    page.context.close()
    assert page.complaints == []


def test_timings_are_of_one_device_at_a_time(opened):
    page = opened.page
    cell = page.locator("#x-table tr[data-model='fmn10+tf-128'] td", has=page.locator("abbr[title*='batch']"))
    before = cell.first.inner_text()
    page.select_option("#x-device", "GPU A")
    opened.ready()
    assert cell.first.inner_text() != before
    row = page.locator("#x-table tr[data-model='fmn10+gru-512']")
    assert row.locator("td", has_text="–").count() >= 2
    assert "on=GPU+A" in page.url


def test_the_table_sorts_with_what_is_not_known_last(opened):
    page = opened.page
    head = page.locator("#x-table th", has_text="Parameters")
    head.locator("button").click()
    opened.ready()
    assert head.get_attribute("aria-sort") == "descending"
    assert (opened.models()[0], opened.models()[-1]) == (LARGEST, "uncounted")
    page.keyboard.press("Enter")  # the head is still in focus
    opened.ready()
    assert head.get_attribute("aria-sort") == "ascending"
    assert opened.models()[-1] == "uncounted"
    assert opened.models()[-2] == LARGEST


def test_keys_move_between_points_and_show_their_card(opened):
    page = opened.page
    page.focus("#x-chart")
    page.keyboard.press("Home")
    opened.ready()
    first = page.inner_text("#x-card h3")
    page.keyboard.press("ArrowRight")
    opened.ready()
    second = page.inner_text("#x-card h3")
    assert first != second
    assert "counted" in page.inner_text("#x-card")
    page.keyboard.press("Enter")
    assert page.locator("details[open] summary").inner_text() == second
    page.focus("#x-chart")
    page.keyboard.press("Escape")
    opened.ready()
    assert page.locator("#x-card h3").count() == 0


def test_labels_near_the_right_edge_stand_to_the_left_of_their_points(opened):
    opened.go(f"on={DEVICE}&x=throughput")
    edge = opened.page.locator("#x-plot svg").bounding_box()
    labels = opened.page.locator("#x-plot svg .mark-text.role-mark text")
    boxes = [label.bounding_box() for label in labels.all() if label.inner_html()]
    assert max(box["x"] + box["width"] for box in boxes) <= edge["x"] + edge["width"]
    fastest = labels.filter(has_text="fmn10").last
    sides = opened.page.evaluate("Object.fromEntries(points.filter(p => p.label).map(p => [p.label, p.end]))")
    assert set(sides.values()) == {True, False}
    assert sides["fmn10"]
    assert fastest.get_attribute("text-anchor") == "end"


def test_a_pointer_on_a_point_shows_its_card(opened):
    opened.page.locator("#x-plot svg .mark-symbol path").nth(3).hover(force=True)
    opened.page.wait_for_selector("#x-card h3")
    assert opened.page.inner_text("#x-card h3") in SPECS + OWN


def test_the_address_brings_back_what_was_chosen(opened):
    page = opened.page
    page.select_option("#x-x", "throughput")
    page.locator("#x-xlog").uncheck()
    page.locator("#x-limit-macs_exact input[type=number]").fill("2")
    page.locator("#x-families label", has_text="TCN").locator("input").uncheck()
    opened.ready()
    kept = opened.models(), opened.within(), page.get_attribute("#x-chart", "aria-label")
    page.reload()
    opened.ready()
    assert (opened.models(), opened.within(), page.get_attribute("#x-chart", "aria-label")) == kept
    assert page.input_value("#x-x") == "throughput"
    assert not page.is_checked("#x-xlog")


def test_the_rows_that_are_shown_can_be_downloaded(opened, tmp_path):
    opened.go(f"on={DEVICE}&hide=fmn&limit.parameters=6000000&sort=parameters&order=up")
    with opened.page.expect_download() as download:
        opened.page.click("#x-csv")
    download.value.save_as(tmp_path / "models.csv")
    with (tmp_path / "models.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["spec"] for row in rows] == opened.models()
    assert {row["spec"] for row in rows if row["within_limits"] == "true"} == opened.within()
    gru = next(row for row in rows if row["spec"] == "fmn10+gru-256")
    assert float(gru["macs_exact"]) > 1.7e9
    assert (gru["psds1_origin"], gru["macs_exact_origin"]) == ("published", "counted")
    assert gru["psds1_source"].startswith("arXiv:")
