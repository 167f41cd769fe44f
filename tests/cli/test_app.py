"""What starts before a command does: which modules are loaded, and what there is to choose from."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from effbench.cli.app import COMMANDS


def loaded_by(code: str) -> set[str]:
    """Modules that a fresh interpreter holds after some code."""
    command = [sys.executable, "-c", f"{code}; import sys; print(*sys.modules, file=sys.stderr)"]
    return set(subprocess.run(command, capture_output=True, text=True, check=True).stderr.split())


def test_starting_up_imports_nothing_heavy():
    loaded = loaded_by("from effbench.cli.app import command_line; command_line()")
    assert {f"effbench.cli.{name.replace('-', '_')}" for name in COMMANDS} <= loaded
    assert not {"torch", "numpy", "pandas", "matplotlib", "pydantic", "rich"} & loaded


def test_a_command_that_is_named_is_loaded_alone():
    loaded = loaded_by("from effbench.cli.app import command_line; command_line(['models', 'list'])")
    assert "effbench.cli.models" in loaded
    assert "effbench.cli.train" not in loaded


def test_every_command_has_short_options_and_completion_is_offered(effbench):
    assert "--install-completion" in effbench("-h").stdout
    shown = effbench("models", "list", "-h")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "-q, --quiet" in shown.stdout


def test_a_quiet_command_says_nothing_but_errors(effbench):
    arguments = ("profile", "--model", "fmn01", "--no-throughput", "--format", "csv")
    assert effbench(*arguments).stderr
    for quiet in [("-q", *arguments), (*arguments, "--quiet")]:
        done = effbench(*quiet)
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith("spec,")
    assert "error: unknown model" in effbench("-q", "models", "show", "fmn01+x-1").stderr
    assert effbench(*arguments).stderr


@pytest.mark.parametrize("columns", [60, 80])
def test_tables_fit_the_terminal(effbench, monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    for arguments in (["models", "list"], ["profile", "--model", "fmn0?", "--no-throughput", "--no-store"]):
        out = effbench(*arguments).stdout
        assert max(map(len, out.splitlines())) <= columns
        assert "fmn04" in out


def test_help_tells_of_every_command_and_a_typing_error_is_understood(effbench):
    done = effbench("--help")
    listed = [line.split()[0] for line in done.stdout.partition("Commands:")[2].splitlines() if line.strip()]
    assert [name for name in listed if name in COMMANDS] == list(COMMANDS)
    wrong = effbench("profil", "--model", "fmn04")
    assert wrong.returncode == 2
    assert "Did you mean 'profile'" in wrong.stderr


@pytest.mark.parametrize("arguments", [["models", "list"], ["models", "list", "--format", "csv"], ["-h"]])
def test_a_full_disk_behind_stdout_is_one_line(arguments):
    with Path("/dev/full").open("w") as full:
        command = [sys.executable, "-m", "effbench", *arguments]
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr == "error: what was to be written has no room: the disk is full\n"


def test_the_environment_names_the_store_of_every_command(effbench, monkeypatch, tmp_path):
    monkeypatch.setenv("EFFBENCH_STORE", "mine.sqlite")
    assert "kept in mine.sqlite" in effbench("profile", "--model", "fmn01", "--no-throughput").stderr
    (tmp_path / "one.yaml").write_text("title: one\nmodels: [fmn01]\ntasks: {}\n")
    assert "fmn01" in effbench("study", "show", "one.yaml").stdout
    assert not (tmp_path / "results").exists()
