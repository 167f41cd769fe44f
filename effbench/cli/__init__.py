"""The command line: one thin module per command."""

from __future__ import annotations

from effbench.cli.app import main as main
