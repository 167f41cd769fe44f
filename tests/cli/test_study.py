"""``effbench study``: what it runs, what it says of it, and how it ends."""

import csv
import io
import json
import os
import select
import signal
import subprocess
import termios
import time
from dataclasses import replace
from pathlib import Path

import pytest

from effbench.results.row_files import read_rows
from effbench.results.store import Store
from effbench.study.job_record import Running
from tests.command import EFFBENCH

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
    assert (tmp_path / "results" / "studies" / "mine" / "jobs.json").is_file()

    status = effbench("study", "status", study, "--format", "json")
    rows = json.loads(status.stdout)
    assert [(row["model"], row["task"], row["state"]) for row in rows] == [
        ("fmn01", "complexity", "done"),
        ("ATST-F", "complexity", "failed"),
        ("fmn01", "evaluate", "failed"),
    ]
    assert rows[0]["failed"] is None
    assert "10 s" in rows[1]["failed"]
    assert status.stderr == "1 of 3 jobs done, 2 failed\n"

    again = effbench("study", "run", study)
    assert "mine.yaml: 3 jobs, 1 of them done before" in again.stderr


def test_what_a_study_makes_lies_where_it_is_told_to(effbench, study, tmp_path):
    (tmp_path / "one").mkdir()
    done = effbench("study", "run", study, "--work", "two", "--store", "one/store.sqlite")
    assert "kept in one/store.sqlite" in done.stderr
    assert (tmp_path / "two" / "jobs.json").is_file()
    assert not (tmp_path / "results").exists()
    shown = effbench("study", "show", study, "--store", "one/store.sqlite", "--format", "json")
    assert {"macs_exact", "parameters"} <= {row["quantity"] for row in json.loads(shown.stdout)}


COUNTED = "title: x\nmodels: [fmn01, fmn02]\ntasks: {complexity: {}}\n"


def test_a_plan_leaves_nothing_behind_and_invents_no_time(effbench, tmp_path):
    (tmp_path / "s.yaml").write_text(COUNTED)
    plan = ("study", "run", "s.yaml", "--dry-run")
    first = effbench(*plan, "--price", "2.5")
    assert "2 jobs to run, 2 of them unknown in time\nestimate: unknown, as nothing like" in first.stderr
    assert "EUR" not in first.stdout
    assert not (tmp_path / "results").exists()
    assert effbench("study", "run", "s.yaml").returncode == 0
    again = effbench(*plan, "--fresh", "--workers", "2", "--price", "3600 EUR", "--format", "json")
    rows = json.loads(again.stdout)
    assert {row["estimated from"] for row in rows} == {"the last time"}
    for row in rows:
        assert float(row["cost"].removesuffix(" EUR")) == pytest.approx(row["estimate (s)"], abs=0.06)
    assert "one after the other" in again.stderr
    assert "with 2 at a time" in again.stderr
    assert "one machine at 3,600.00 EUR an hour" in again.stderr


@pytest.mark.parametrize(
    "options", [("--budget", "soon"), ("--price", "cheap", "--dry-run"), ("--price", "2")]
)
def test_budgets_and_prices_that_are_none_are_refused(effbench, tmp_path, options):
    (tmp_path / "s.yaml").write_text(COUNTED)
    assert effbench("study", "run", "s.yaml", *options).returncode == 2


def test_a_budget_begins_no_more_jobs_when_it_is_spent_and_the_same_command_goes_on(effbench, tmp_path):
    (tmp_path / "s.yaml").write_text(COUNTED + "budget: 2h\n")
    spent = effbench("study", "run", "s.yaml", "--budget", "0.001s")
    assert spent.returncode == 0
    assert "the budget is spent: 1 job not begun; the same command goes on with them" in spent.stderr
    assert "2 jobs, 1 of them done before" in effbench("study", "run", "s.yaml").stderr


def test_what_runs_is_shown_while_its_process_does(effbench, tmp_path):
    (tmp_path / "s.yaml").write_text(COUNTED)
    effbench("study", "run", "s.yaml", "--budget", "0.001s")
    work = tmp_path / "results" / "studies" / "s"
    running = Running.here("fmn02 complexity")
    replace(running, since=running.since - 60, progress="3 of 8 steps, epoch 1").write(work)
    shown = effbench("study", "status", "s.yaml", "--watch", "--format", "json")
    done, here = json.loads(shown.stdout)
    assert (done["state"], done["for (s)"]) == ("done", None)
    assert (here["state"], here["progress"]) == ("running", "3 of 8 steps, epoch 1")
    assert here["where"].endswith(f", process {os.getpid()}")
    assert 60 <= here["for (s)"] < 120
    assert shown.stderr.startswith("1 of 2 jobs done, 1 running")
    replace(running, born=running.born - 100).write(work)  # of a process that had this one's number
    assert [row["state"] for row in json.loads(effbench(*STATUS, "--format", "json").stdout)] == [
        "done",
        "waiting",
    ]


STATUS = ("study", "status", "s.yaml")


def test_a_terminal_with_few_lines_shows_what_runs(effbench, tmp_path):
    (tmp_path / "s.yaml").write_text(COUNTED.replace("fmn01, fmn02", "fmn01"))
    effbench("study", "run", "s.yaml")
    (tmp_path / "s.yaml").write_text(COUNTED.replace("fmn01, fmn02", "fmn01, fmn02, fmn03, fmn04, fmn05"))
    Running.here("fmn04 complexity").write(tmp_path / "results" / "studies" / "s")
    screen, stdout = os.openpty()
    termios.tcsetwinsize(stdout, (10, 100))
    command = [EFFBENCH, *STATUS, "--watch"]
    environment = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    with subprocess.Popen(
        command, cwd=tmp_path, env=environment, stdin=stdout, stdout=stdout, stderr=stdout
    ) as process:
        shown, until = "", time.monotonic() + 120
        while "1 of 5 jobs done, 1 running" not in shown and time.monotonic() < until:
            if select.select([screen], [], [], 1)[0]:
                shown += os.read(screen, 4096).decode()
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:  # interrupts are ignored: it would write for ever
            process.kill()
    assert "1 of 5 jobs done, 1 running" in shown
    assert process.returncode == 0, shown
    assert "fmn04" in shown
    assert "fmn01" not in shown


def test_columns_that_no_job_of_a_study_has_a_value_for_are_left_out(effbench):
    assert effbench("study", "status", "paper").stderr.startswith("error: there is no results store")
    (row, *_) = json.loads(
        effbench("study", "status", "paper", "--store", _store(effbench), "--format", "json").stdout
    )
    assert row == {"model": "fmn04", "task": "complexity", "precision": None, "state": "waiting"}


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
