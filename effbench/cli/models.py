"""``effbench models``: the model zoo."""

from __future__ import annotations

import typer

app = typer.Typer(no_args_is_help=True, help="List the models, or show one layer by layer.")


@app.callback()
def _models() -> None:
    """Keep the sub-commands named."""
