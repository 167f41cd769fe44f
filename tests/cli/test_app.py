"""What starts before a command does: which modules are loaded, and what there is to choose from."""

from __future__ import annotations

import subprocess
import sys

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


def test_help_tells_of_every_command_and_a_typing_error_is_understood(effbench):
    done = effbench("--help")
    listed = [line.split()[0] for line in done.stdout.partition("Commands:")[2].splitlines() if line.strip()]
    assert [name for name in listed if name in COMMANDS] == list(COMMANDS)
    wrong = effbench("profil", "--model", "fmn04")
    assert wrong.returncode == 2
    assert "Did you mean 'profile'" in wrong.stderr
