from dataclasses import dataclass

import pytest
from rich.console import Console

from effbench.shown import Shown, Table, short


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
