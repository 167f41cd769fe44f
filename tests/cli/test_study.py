"""``effbench study``: what it runs, what it says of it, and how it ends."""

import csv
import io
import json
from pathlib import Path

import pytest

from effbench.results.row_files import read_rows
from effbench.results.store import Store

BEFORE = Path(__file__).parents[1] / "fixtures" / "before" / "store.csv"

STUDY = """
title: A model that can be counted, one that takes shorter clips alone, and one that can't be scored
models: [fmn01, ATST-F]
tasks:
  complexity: {seconds: 20}
  evaluate: {models: [fmn01], data: nowhere}
"""


@pytest.fixture
def study(tmp_path):
    (tmp_path / "mine.yaml").write_text(STUDY)
    return "mine.yaml"


def test_a_study_runs_what_it_can_and_says_what_failed(effbench, study, tmp_path):
    done = effbench("study", "run", study)
    assert (done.returncode, done.stdout) == (1, "")
    lines = done.stderr.splitlines()
    assert "mine.yaml: 3 jobs, 0 of them done before" in lines
    assert [line for line in lines if line.startswith("[")] == [
        "[1/3] fmn01 complexity",
        "[2/3] ATST-F complexity",
        "[3/3] fmn01 evaluate",
    ]
    assert lines[-3] == "error: 2 of 3 jobs failed"
    assert lines[-2].startswith("       ATST-F complexity: ")
    assert lines[-1].startswith("       fmn01 evaluate: ")
    assert (tmp_path / "results" / "studies" / "mine" / "failures.json").is_file()

    status = effbench("study", "status", study, "--format", "json")
    rows = json.loads(status.stdout)
    assert [(row["model"], row["task"], row["done"]) for row in rows] == [
        ("fmn01", "complexity", True),
        ("ATST-F", "complexity", False),
        ("fmn01", "evaluate", False),
    ]
    assert rows[0]["failed"] is None
    assert "10 s" in rows[1]["failed"]
    assert status.stderr == "1 of 3 jobs done\n"

    again = effbench("study", "run", study)
    assert "mine.yaml: 3 jobs, 1 of them done before" in again.stderr


def test_what_a_study_makes_lies_where_it_is_told_to(effbench, study, tmp_path):
    (tmp_path / "one").mkdir()
    done = effbench("study", "run", study, "--work", "two", "--store", "one/store.sqlite")
    assert "kept in one/store.sqlite" in done.stderr
    assert (tmp_path / "two" / "failures.json").is_file()
    assert not (tmp_path / "results").exists()
    shown = effbench("study", "show", study, "--store", "one/store.sqlite", "--format", "json")
    assert {"macs_exact", "parameters"} <= {row["quantity"] for row in json.loads(shown.stdout)}


def test_columns_that_no_job_of_a_study_has_a_value_for_are_left_out(effbench):
    assert effbench("study", "status", "paper").stderr.startswith("error: there is no results store")
    (row, *_) = json.loads(
        effbench("study", "status", "paper", "--store", _store(effbench), "--format", "json").stdout
    )
    assert row == {"model": "fmn04", "task": "complexity", "precision": None, "done": False}


def _store(effbench):
    effbench("profile", "--model", "fmn01", "--no-throughput", "--store", "s.sqlite")
    return "s.sqlite"


def test_rows_that_differ_look_different_in_every_form(effbench, tmp_path):
    with Store(tmp_path / "s.sqlite", create=True) as store:
        store.add(read_rows(BEFORE))
    (tmp_path / "a.yaml").write_text("title: a\nmodels: [fmn01, fmn01+gru-16]\ntasks: {}\n")
    show = ("study", "show", "a.yaml", "--store", "s.sqlite")
    rows = json.loads(effbench(*show, "--format", "json").stdout)
    csv_rows = list(csv.DictReader(io.StringIO(effbench(*show, "--format", "csv").stdout)))
    assert list(rows[0]) == list(csv_rows[0])
    assert {"part", "checkpoint", "split", "protocol", "recipe", "median_window", "seed"} <= set(rows[0])
    assert len({tuple(row.values()) for row in csv_rows}) == len(csv_rows) == len(rows)
    table = effbench(*show).stdout
    assert "part frontend" in table
    assert "where it applies: provenance measured" in table
    (both,) = (
        row
        for row in json.loads(effbench(*show, "--wide", "--format", "json").stdout)
        if row["part"] == "both"
    )
    assert (both["spec"], both["parameters"], both["batch_size"]) == ("fmn01+gru-16", 88_630, 1)
    assert both["throughput_low"] < both["throughput"] < both["throughput_high"]
    refused = effbench(*show, "--wide", "--out", "x.csv")
    assert (refused.returncode, "one of --wide and --out" in refused.stderr) == (2, True)
