"""``effbench plot`` and ``effbench report`` as a user runs them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from effbench.resources import share
from effbench.results.store import Store
from tests.command import Command
from tests.rows import complexity, timings


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """The default store of a folder, with the counts of all models and timings of two devices."""
    path = tmp_path / "results" / "effbench.sqlite"
    path.parent.mkdir()
    with Store(path, create=True) as opened:
        opened.add([*complexity(), *timings("CPU B", specs=["fmn10", "fmn04"]), *timings("NVIDIA Test")])
    return path


def test_plot_writes_three_formats_and_prints_where(effbench: Command, store: Path, tmp_path: Path) -> None:
    done = effbench("plot", "paper-1")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    names = ["paper-1.png", "paper-1.svg", "paper-1.pdf"]
    assert done.stdout.splitlines() == [f"results/figures/{name}" for name in names]
    assert all((tmp_path / "results" / "figures" / name).stat().st_size > 10_000 for name in names)


def test_plot_options_change_what_is_drawn(effbench: Command, store: Path, tmp_path: Path) -> None:
    done = effbench(
        *("plot", "paper-2", "--store", store, "--out", "here", "--format", "svg"),
        *("--device", "cpu b", "--macs", "paper", "--overlay"),
    )
    assert done.returncode == 0, done.stderr
    assert [path.name for path in (tmp_path / "here").iterdir()] == ["paper-2.svg"]
    figure = (tmp_path / "here" / "paper-2.svg").read_text()
    assert "CPU B, fp32" in figure
    assert "NVIDIA" not in figure
    assert "published convention" in figure
    assert "Hollow markers" in figure


def test_a_figure_of_ones_own_is_drawn_from_its_file(effbench: Command, store: Path, tmp_path: Path) -> None:
    text = share("plots/paper-1.yaml").read_text().replace("title: ", "title: Mine, ")
    (tmp_path / "mine.yaml").write_text(text)
    done = effbench("plot", "mine.yaml", "--format", "svg", "--out", ".")
    assert done.stdout == "mine.svg\n", done.stderr
    assert "Mine, Sequence models" in (tmp_path / "mine.svg").read_text()


def test_report_writes_its_pages_and_prints_where(effbench: Command, store: Path, tmp_path: Path) -> None:
    done = effbench("report", "paper", "--out", "page")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [
        f"page/{name}"
        for name in ("paper.md", "paper-1.svg", "paper-2.svg", "cnn-vs-transformers.svg", "paper.html")
    ]
    assert done.stderr == f"open it in any browser: {(tmp_path / 'page/paper.html').as_uri()}\n"
    assert "NVIDIA Test" in (tmp_path / "page" / "paper.html").read_text()


def test_a_figure_shows_its_yaml_to_copy(effbench: Command, tmp_path: Path) -> None:
    shown = effbench("plot", "paper-1", "--show")
    assert shown.returncode == 0, shown.stderr
    (tmp_path / "mine.yaml").write_text(shown.stdout)
    assert effbench("plot", "mine.yaml", "--show").stdout == shown.stdout
    assert not (tmp_path / "results" / "figures").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("plot", "paper1"), 2, "unknown figure 'paper1'; did you mean 'paper-1'?"),
        (("report", "papre"), 2, "unknown study 'papre'; did you mean 'paper'?"),
        (("plot", "synthetic-cpu"), 1, "lacks measured psds1 with recipe synthetic-cpu of 3 models (fmn04, "),
        (("plot", "paper-1", "--store", "no.sqlite"), 1, "'effbench study run paper' fills one"),
        (("plot", "paper-1", "--store", "none/x.sqlite"), 1, "there is no results store 'none/x.sqlite'"),
        (("report", "paper", "--store", "."), 1, "'.' is a folder"),
        (("plot", "paper-1", "--device", "A100"), 2, "no timings on 'A100'"),
        (("plot", "paper-1", "--precision", "int8"), 2, "precision is fp32, tf32, bf16 or fp16"),
        (("plot", "mine.yaml"), 2, "figure mine.yaml can't be read"),
        (("plot", "paper-1", "--out", "results/effbench.sqlite/x", "--store", "no"), 1, "is not a folder"),
        (("report", "paper", "--out", "results/effbench.sqlite", "--store", "no"), 1, "is not a folder"),
    ],
)
def test_bad_input_is_one_clear_error(
    effbench: Command, store: Path, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = effbench(*arguments)
    assert done.returncode == code
    assert done.stdout == ""
    first, *rest = done.stderr.splitlines()
    assert first.startswith("error: ")
    assert message in first
    assert all(line.startswith("       ") for line in rest)
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("plot", "--x", "throughput", "--y", "psds1", "--model", "fmn04*", "--format", "svg"),
        ("plot", "paper-1", "--format", "svg"),
        ("report", "quick"),
        ("report", "paper"),
        ("pareto", "--metrics", "psds1,throughput"),
        ("recommend", "--max-params", "5M"),
    ],
)
def test_without_a_store_values_are_those_that_ship_which_is_said(
    effbench: Command, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    done = effbench(*arguments)
    assert done.returncode == 0, done.stderr
    said = "there is no results store 'results/effbench.sqlite' yet: values are those that ship with effbench"
    assert done.stderr.splitlines().count(said) == 1
    assert not list(tmp_path.rglob("*.sqlite"))


def test_a_new_store_says_which_values_it_lacks(effbench: Command, tmp_path: Path) -> None:
    Store(tmp_path / "new.sqlite", create=True).close()
    done = effbench("plot", "--x", "energy", "--y", "psds1", "--model", "fmn10*", "--store", "new.sqlite")
    assert done.returncode == 1
    assert done.stderr == "error: the store holds no energy of any model\n"
    done = effbench("report", "paper", "--device", "CPU B", "--store", "new.sqlite")
    assert done.returncode == 2
    assert "no timings on 'CPU B'" in done.stderr


def test_a_store_that_is_none_is_left_alone(effbench: Command, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear all,\n" * 200)
    done = effbench("report", "paper", "--store", "letter.txt")
    assert done.stderr == "error: 'letter.txt' is not a results store: it is not an SQLite database\n"
    assert (tmp_path / "letter.txt").read_text() == "Dear all,\n" * 200


def test_the_commands_import_nothing_heavy_until_they_run() -> None:
    program = (
        "import sys, effbench.cli.plot, effbench.cli.report;"
        "print(sorted({'torch', 'pandas', 'matplotlib', 'pydantic', 'jinja2'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
