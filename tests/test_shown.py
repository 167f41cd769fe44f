from dataclasses import dataclass

from rich.console import Console

from effbench.shown import Shown, Table


@dataclass(frozen=True)
class Counted(Shown):
    name: str
    count: int

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
