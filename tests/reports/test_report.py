"""The report: its numbers come from the rows, its pages stand alone, and what is missing is said."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import jinja2
import pandas as pd
import pytest

from effbench.errors import EffbenchError, UsageError
from effbench.machine.description import Cpu, Environment, Gpu, Memory
from effbench.plots.figures import load_figure
from effbench.plots.values import MissingResults
from effbench.reports import findings
from effbench.reports import pages as builder
from effbench.reports.comparison import Agreement, Point, collect, counts, spreads
from effbench.reports.findings import claim
from effbench.reports.pages import REPORTS, build, report
from effbench.reports.paper import MACS_TOLERANCE, PARAMETERS_TOLERANCE, content
from effbench.reports.pareto import costs
from effbench.reports.provenance import describe, environments, origins
from effbench.resources import share
from effbench.results.declared import declared
from effbench.results.row_files import read_rows
from effbench.results.store import Store
from tests.rows import complexity, counters, frame, grid, timings, transformer_counts

FIGURES = [load_figure("paper-1"), load_figure("paper-2")]


class Outline(HTMLParser):
    """Collects what a page refers to, and checks that its elements are closed in order."""

    VOID = frozenset({"meta", "img", "br", "hr", "link", "input"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.references: list[str] = []
        self.images: list[dict[str, str | None]] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        self.references += [value or "" for name, value in attrs if name in ("src", "href")]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag == "img":
            self.images.append(values)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in self.VOID
        self.handle_starttag(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def outline(page: str) -> Outline:
    parser = Outline()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def tables(page: str) -> list[list[list[str]]]:
    """Tables of a Markdown page: rows of cells, the header first."""
    found: list[list[list[str]]] = []
    inside = False
    for line in page.splitlines():
        if line.startswith("|"):
            if not inside:
                found.append([])
            found[-1].append([cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]])
        inside = line.startswith("|")
    return found


def rows(*extra: list) -> pd.DataFrame:
    return frame(complexity(), *extra)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("report")
    explained = counters("fmn10+gru-256", "GRU: not counted | no <rule>")
    build("paper", rows(timings("GPU A", specs=["fmn10", "fmn20+tf-512"]), timings("CPU B"), explained), out)
    return (out / "paper.md").read_text()


def test_every_figure_convention_and_front_is_computed_from_the_rows() -> None:
    points = collect(rows(), FIGURES[0], {})
    change = findings.front_change(points, FIGURES[0])
    assert [point.spec for point in change.paper] == [
        "fmn10+gru-128",
        "fmn10+gru-256",
        "fmn10+gru-512",
        "fmn10+gru-1024",
        "fmn10+tf-1024",
    ]
    assert [leaver.point.spec for leaver in change.leaving] == [
        f"fmn10+gru-{d}" for d in (128, 256, 512, 1024)
    ]
    assert [point.spec for point in change.entering][:3] == ["fmn10", "fmn10+attn-128", "fmn10+tf-128"]
    assert change.by_series["BiGRU"] == (4, 0)
    for leaver in change.leaving:
        assert leaver.beaten_by is not None
        assert leaver.beaten_by.macs_exact <= leaver.point.macs_exact
        assert leaver.beaten_by.psds1 >= leaver.point.psds1


def test_what_is_declared_of_a_model_is_not_of_the_paper(tmp_path: Path) -> None:
    ours = declared("fmn04", "psds1", 99, source="aaa, our own", created="2020-01-01")
    build("paper", rows([ours]), tmp_path)
    text = (tmp_path / "paper.md").read_text()
    assert "https://arxiv.org/abs/2503.11373" in text
    assert "aaa, our own" in text


def test_other_rows_give_other_findings() -> None:
    """With conventions that agree, nothing leaves, nothing joins, and no series is said to differ."""
    alike = {row["spec"]: int(row["macs_paper"]) for row in grid()}
    same = [
        replace(row, value=alike[row.spec]) if row.quantity == "macs_exact" else row for row in complexity()
    ]
    points = collect(frame(same), FIGURES[0], {})
    change = findings.front_change(points, FIGURES[0])
    assert change.exact == change.paper
    assert not change.leaving
    assert not change.entering
    assert not any(family.differs for family in findings.families(points, FIGURES))


def test_series_are_compared_over_both_figures() -> None:
    points = [point for figure in FIGURES for point in collect(rows(), figure, {})]
    families = {family.label: family for family in findings.families(points, FIGURES)}
    assert list(families)[:2] == ["BiGRU", "TCN"]
    assert (families["BiGRU"].lowest_spec, families["BiGRU"].count) == ("fmn10+gru-1024", 8)
    assert families["BiGRU"].lowest == pytest.approx(0.1316, abs=1e-3)
    assert families["TCN"].highest == pytest.approx(2.015, abs=1e-2)
    assert families["MAMBA"].differs
    assert families["no sequence model"].count == 5
    assert not families["HYBRID"].differs


def test_all_46_points_are_within_what_the_figures_can_tell() -> None:
    points = [point for figure in FIGURES for point in collect(rows(), figure, {})]
    assert len(points) == 46
    for difference, tolerance in (
        (lambda point: point.parameters_difference, PARAMETERS_TOLERANCE),
        (lambda point: point.macs_difference, MACS_TOLERANCE),
    ):
        agreement = Agreement.of(points, difference, tolerance)
        assert (agreement.outside, agreement.count) == (0, 46)
        assert abs(agreement.difference) == max(abs(difference(point)) for point in points)


def test_a_number_that_does_not_agree_is_said(tmp_path: Path) -> None:
    wrong = [
        replace(row, value=row.value * 1.01) if (row.spec, row.quantity) == ("fmn30", "parameters") else row
        for row in complexity()
    ]
    build("paper", frame(wrong), tmp_path)
    page = (tmp_path / "paper.md").read_text()
    assert "are not quite reproduced" in page
    assert "1 points in parameters, 0 in MACs" in page
    assert "are reproduced" not in page


def test_the_tables_list_every_point_with_both_values(page: str) -> None:
    figures = [table for table in tables(page) if table[0][:3] == ["Model", "PSDS1", "Parameters, ours"]]
    assert [len(table) - 2 for table in figures] == [26, 20]
    assert all(len(row) == len(table[0]) for table in figures for row in table)
    row = next(row for row in figures[0] if row[0] == "`fmn10+gru-256`")
    assert row[1:10] == [
        *("43.53", "6.4839", "6.4836", "+0.004 %"),
        *("1.0048", "1.000", "+0.48 %", "1.7667", "1,806"),
    ]


def test_devices_stand_in_columns_of_their_own(page: str) -> None:
    table = next(table for table in tables(page) if table[0][:3] == ["Model", "PSDS1", "Parameters, ours"])
    assert table[0][-3:] == ["Throughput, published", "CPU B, fp32, 2 threads", "GPU A, fp32, 2 threads"]
    row = next(row for row in table if row[0] == "`fmn10+tf-128`")
    assert row[-1] == "–"
    assert re.fullmatch(r"[\d,]+ \[[\d,]+, [\d,]+\]", row[-2])
    assert "CPU B, fp32, 2 threads (41 of 41 models), GPU A, fp32, 2 threads (2 of 41 models)" in page


def test_fronts_of_costs_name_how_many_models_were_timed() -> None:
    points = collect(rows(), FIGURES[0], {})
    labels = [cost.label for cost in costs(points, {})]
    assert labels == ["Parameters", "MACs, exact", "MACs, published convention"]


def test_counters_stand_with_their_causes(page: str) -> None:
    table = next(table for table in tables(page) if table[0][:3] == ["Model", "Exact", "Counter"])
    assert len(table) == 2 + 3
    fvcore, thop, torch = table[2:]
    assert fvcore[:5] == ["`fmn10+gru-256`", "1.7667", "fvcore", "1.7547", "−0.68 %"]
    assert fvcore[5] == r"GRU: not counted \| no &lt;rule&gt;"
    assert torch[3:] == ["1.7667", "0.00 %", "none"]
    assert thop[4].startswith("+")


def test_counters_are_summed_up() -> None:
    found = counts(rows(counters("fmn10", "x"), counters("fmn20", "x")), ["fmn20", "fmn10", "fmn30"])
    assert [(count.spec, count.counter) for count in found][:4] == [
        *(("fmn20", "fvcore"), ("fmn20", "thop"), ("fmn20", "torch"), ("fmn10", "fvcore"))
    ]
    fvcore, _, torch = spreads(found)
    assert (fvcore.lowest.spec, fvcore.highest.spec, fvcore.equal) == ("fmn10", "fmn20", 0)
    assert (torch.equal, torch.models) == (2, 2)


def test_counters_that_did_not_run_are_missed(tmp_path: Path) -> None:
    build("paper", rows(), tmp_path)
    page = (tmp_path / "paper.md").read_text()
    assert "They have not been run: `effbench study run paper` runs fvcore, thop and torch" in page
    assert "has not been measured yet" in page


def test_origins_tell_measured_from_published() -> None:
    found = origins(rows(timings("GPU A", created="2026-02-01T00:00:00+00:00")))
    assert [(origin.provenance, origin.device, origin.models) for origin in found] == [
        ("measured", "", 41),
        ("measured", "GPU A", 41),
        ("published", "", 5),
        ("published", "", 26),
        ("published", "", 20),
    ]
    assert found[0].commit == "012345678"
    dates = [origin.dates for origin in found]
    assert dates == ["2026-01-02", "2026-02-01", "2024-09", "2025-03", "2025-03"]


def test_machines_are_described_once_each() -> None:
    assert environments(rows(timings("GPU A"), timings("CPU B"))) == [
        "effbench 0.1.0, torch 2.13.0",
        "GPU A, torch 2.13.0",
        "CPU B, torch 2.13.0",
    ]
    described = describe(
        Environment(
            device_name="NVIDIA X",
            gpu=Gpu(driver="570.1", cuda="12.8"),
            cpu=Cpu(model="EPYC", available_cores=16, virtual=True),
            memory=Memory(total_bytes=64 * 2**30),
        )
    )
    assert described == (
        "NVIDIA X, driver 570.1, CUDA 12.8, on EPYC, 16 cores (virtual machine), 64 GiB memory"
    )


def test_the_claim_is_checked_with_our_counts(tmp_path: Path) -> None:
    build("paper", rows(transformer_counts(), timings("CPU B")), tmp_path)
    page = (tmp_path / "paper.md").read_text()
    table = next(table for table in tables(page) if "The CNN's share of parameters" in table[0])
    assert [row[0] for row in table[2:]] == [
        *("`fmn10+tf-256`", "`BEATs`", "`M2D`", "`ASIT`", "`ATST-F`", "`fpasst`")
    ]
    assert table[2][1:4] == ["45.25", "5.028", "1.496"]
    assert table[3][1:] == ["46.5", "90.999", "49.385", "5.5 %", "3.0 %"]
    assert "**Parameters: 5.5 to 5.8 %**" in page
    assert (
        "against 45.4 to 46.5,\n  that is 0.15 points below the weakest of them, 1.25 below the best." in page
    )
    assert "takes `fmn20+hybrid-512`: PSDS1 45.44" in page
    assert (tmp_path / "cnn-vs-transformers.svg").is_file()
    assert len(outline((tmp_path / "paper.html").read_text()).images) == 3
    assert "\n\n\n" not in page


def test_other_counts_give_another_verdict() -> None:
    points = [point for figure in FIGURES for point in collect(rows(), figure, {})]
    doubled = [replace(row, value=2 * row.value) for row in transformer_counts()]
    found = claim(frame(complexity(), doubled), points)
    assert found is not None
    assert found.shares == pytest.approx((5_028_286 / 181_998_556, 5_028_286 / 172_213_500), rel=1e-6)
    better = replace(found, challenger=replace(found.challenger, psds1=45.8))
    assert [rival.spec for rival in better.beaten] == ["ATST-F", "fpasst"]


def test_transformers_that_were_not_counted_are_missed(page: str) -> None:
    assert claim(rows(transformer_counts()[3:]), []) is None
    assert "The transformers have not been counted: `effbench study run cnn-vs-transformers`" in page


def test_the_html_page_needs_nothing_else(tmp_path: Path) -> None:
    written = build("paper", rows(timings("GPU A")), tmp_path / "out")
    assert [path.name for path in written] == ["paper.html", "paper.md", "paper-1.svg", "paper-2.svg"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(path.name for path in written)
    html = written[0].read_text()
    found = outline(html)
    assert len(found.images) == 2
    for image in found.images:
        assert (image["src"] or "").startswith("data:image/svg+xml;base64,")
        assert len(image["alt"] or "") > 100
    outside = [reference for reference in found.references if not reference.startswith(("#", "data:"))]
    assert outside == ["https://arxiv.org/abs/2503.11373"]
    assert "default-src 'none'" in html
    markup = re.sub(r"<script>.*?</script>", "", html, flags=re.S)
    assert "@import" not in markup
    assert "url(" not in markup
    assert "<script" not in markup
    anchors = {reference[1:] for reference in found.references if reference.startswith("#")}
    assert len(anchors) >= 6
    assert anchors <= set(found.ids)
    assert len(found.ids) == len(set(found.ids))
    assert 'name="viewport"' in html
    assert "prefers-color-scheme: dark" in html
    assert markup.count('<div class="table"') == markup.count("</table></div>") == markup.count("<table>")


def test_the_markdown_page_shows_the_figures_beside_it(tmp_path: Path) -> None:
    build("paper", rows(), tmp_path)
    page = (tmp_path / "paper.md").read_text()
    for name in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", page):
        assert (tmp_path / name).is_file()
    assert page.count("](paper-") == 2
    assert "{{" not in page
    assert "{%" not in page
    assert "\n\n\n" not in page


def test_text_from_rows_cannot_become_html(tmp_path: Path) -> None:
    evil = [replace(row, source="<script>alert(1)</script>") for row in complexity()]
    build("paper", frame(evil, timings("<img src=x> | [GPU]")), tmp_path)
    found = outline((tmp_path / "paper.html").read_text())
    assert "<script>alert" not in (tmp_path / "paper.html").read_text()
    assert "<img src=x>" not in (tmp_path / "paper.html").read_text()
    assert len(found.images) == 2


def test_the_shipped_page_is_what_its_measurements_give(tmp_path: Path) -> None:
    shipped = share("reports/paper")
    with Store(tmp_path / "store.sqlite", create=True) as store:
        store.add(read_rows(shipped / "measurements.csv"))
    written = report("paper", store=tmp_path / "store.sqlite", out=tmp_path / "page")
    assert [path.name for path in written][-1] == "cnn-vs-transformers.svg"
    for file in written:
        assert file.read_bytes() == (shipped / file.name).read_bytes(), file.name


def test_equal_rows_give_equal_pages(tmp_path: Path) -> None:
    for name in ("a", "b"):
        build("paper", rows(timings("GPU A")), tmp_path / name)
    for file in ("paper.html", "paper.md", "paper-1.svg"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_the_device_of_the_figures_can_be_chosen() -> None:
    chosen = content(rows(timings("GPU A"), timings("CPU B", specs=["fmn10", "fmn30"])), "cpu")
    assert {panel.choices[0].device for data in chosen.figures.values() for panel in data.panels} == {
        None,
        "CPU B",
    }
    assert set(chosen.values["devices"]) == {"GPU A", "CPU B"}
    with pytest.raises(UsageError, match="no timings on 'H100'"):
        content(rows(timings("GPU A")), "H100")


def test_missing_rows_are_named() -> None:
    with pytest.raises(MissingResults, match=r"lacks measured macs_paper of 41 models"):
        content(frame([row for row in complexity() if row.quantity != "macs_paper"]))


def test_an_unknown_report_suggests_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"unknown report 'papers'; did you mean 'paper'\?"):
        build("papers", rows(), tmp_path)


def test_a_folder_that_is_a_file_is_reported(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("mine")
    with pytest.raises(EffbenchError, match="can't be written"):
        build("paper", rows(), tmp_path / "out")


def test_every_shipped_template_belongs_to_a_report_and_compiles() -> None:
    names = {path.name for path in share("reports").glob("*.j2")}
    shared = {"explorer.html.j2", "models.md.j2", "provenance.md.j2", "report.html.j2"}
    assert names == {*(f"{name}.md.j2" for name in REPORTS), *shared}
    for name in names:
        builder._templates().get_template(name)


def test_templates_refuse_unknown_names() -> None:
    with pytest.raises(jinja2.UndefinedError):
        builder._templates().from_string("{{ nobody }}").render()


def test_a_point_knows_its_differences() -> None:
    point = Point(1, "fmn10", 42.0, 101, 100, 7, 9, 10, 1.0, {})
    assert point.parameters_difference == pytest.approx(0.01)
    assert point.macs_difference == pytest.approx(-0.1)
