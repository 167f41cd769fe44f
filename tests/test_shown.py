from dataclasses import dataclass

import pytest
from rich.console import Console

from effbench.shown import Shown, Table, cell, short


@dataclass(frozen=True, repr=False)
class Counted(Shown):
    name: str
    count: int

    def __str__(self):
        return f"{self.name}: {short(self.count)}"

    def sections(self):
        yield Table([{"model": self.name, "count": self.count}, {"model": "<b>", "count": None}], "Counts")
        yield "that is [all]"

    def rows(self):
        return [{"model": self.name, "count": self.count}]

    def to_dict(self):
        return {"model": self.name, "count": self.count}


RESULT = Counted("fmn04", 1_234_567)


def test_a_result_prints_its_tables_and_lines(capsys):
    Console(width=80).print(RESULT)
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["Counts"] in lines
    assert ["fmn04", "1,234,567"] in lines
    assert ["that", "is", "[all]"] in lines


def test_a_notebook_gets_html_in_which_no_value_is_markup():
    html = RESULT._repr_html_()
    assert "<caption>Counts</caption>" in html
    assert '<td style="text-align:right">1,234,567</td>' in html
    assert "&lt;b&gt;" in html
    assert "<p>that is [all]</p>" in html


def test_the_data_frame_has_the_rows_of_the_csv_file():
    assert RESULT.to_frame().to_dict("records") == RESULT.rows()


def test_the_repr_is_one_line_on_what_the_result_is_of():
    assert repr(RESULT) == "<Counted of fmn04: 1.23 M>"
    assert len(repr(Counted("x" * 500, 1))) == 120


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (148, "148"),
        (999, "999"),
        (12_860, "12.9 k"),
        (999_999, "1 M"),
        (4.05e6, "4.05 M"),
        (2e12, "2 T"),
    ],
)
def test_counts_have_three_digits_and_a_prefix(count, text):
    assert short(count) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1250.0, "1,250"),
        (1_234_567.8, "1,234,568"),
        (999.96, "1,000"),
        (48.912, "48.91"),
        (0.000_031, "0.000031"),
        (70.10, "70.1"),
        (-12_345, "-12,345"),
        (0.0, "0"),
        (float("inf"), "inf"),
        ("1e5", "1e5"),
        ("0010", "0010"),
        (True, "yes"),
        (None, ""),
    ],
)
def test_numbers_are_written_without_exponents_and_names_as_they_are(value, text):
    assert cell(value) == text


def test_a_seed_is_a_name():
    assert "| 1234 | 1,234 |" in Table([{"seed": 1234, "count": 1234}]).to_markdown()


def test_what_is_equal_in_all_rows_is_said_once_and_what_differs_stays():
    rows = [{"model": name, "seconds": 10.0, "part": part} for name in "ab" for part in ("network", "both")]
    table = Table(rows, shared=("seconds", "part"))
    assert table.shown() == (["model", "part"], "all rows: seconds 10")
    assert "<p>all rows: seconds 10</p>" in table.to_html()
    assert table.to_markdown().endswith("all rows: seconds 10")


@pytest.mark.parametrize("width", [30, 60, 80])
def test_a_table_fits_the_terminal_and_says_what_it_leaves_out(width, capsys):
    row = {"model": "fmn10+hybrid-1024", "note": "a remark of some length " * 5, "count": 7}
    Console(width=width).print(Table([row | {f"column {i}": 10**i for i in range(8)}], minor=("note",)))
    out = capsys.readouterr().out
    assert max(map(len, out.splitlines())) <= width
    assert "fmn10+hybrid-1024" in out
    heads, _, left_out = " ".join(out.split()).partition(f"left out in {width} columns: note")
    assert left_out
    assert [name for name in row if name not in heads and name not in left_out] == ["note"]


def test_a_markdown_table_stands_whatever_is_in_it():
    assert Table([{"a": "x|y", "b": 1}], "Title").to_markdown() == (
        "Title\n\n| a | b |\n| --- | ---: |\n| x\\|y | 1 |"
    )
