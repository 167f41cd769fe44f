"""``effbench scores``: the frame logits that evaluations keep."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from effbench.cli import options
from effbench.cli.output import Format, note, size, write
from effbench.errors import UsageError
from effbench.files import reporting_write_errors
from effbench.shown import number_of

if TYPE_CHECKING:
    from effbench.infer.score_folder import ScoreFolder

app = typer.Typer(
    no_args_is_help=True, help="List or remove the frame logits that 'effbench evaluate' keeps."
)


@app.command("list")
def list_scores(form: options.OutputFormat = Format.table) -> None:
    """The folders of logits under results/scores: of which model and data, and how large.

    Example: effbench scores list --format csv
    """
    from effbench.infer.score_folder import kept_scores

    kept = kept_scores()
    names = ("model", "checkpoint", "data", "split", "precision", "kept")
    write(
        [
            {"folder": folder.path.name}
            | {name: folder.made_by.get(name) for name in names}
            | {"clips": len(folder), "bytes": folder.bytes}
            for folder in kept
        ],
        form,
    )
    note(f"{_folders(kept)}, {size(sum(folder.bytes for folder in kept))}")


@app.command()
def clear(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FOLDER", help="Only these; all under results/scores without."),
    ] = None,
) -> None:
    """Remove kept logits; evaluations make them again when they need them.

    Example: effbench scores clear results/scores/fmn10_audioset_eval_0123abcd
    """
    from effbench.infer.score_folder import ABOUT, ScoreFolder, kept_scores

    others = [folder for folder in folders or () if not (folder / ABOUT).is_file()]
    if others:
        raise UsageError(f"'{others[0]}' is not a folder of kept logits: 'effbench scores list' shows them")
    kept = [ScoreFolder.open(folder) for folder in folders] if folders else kept_scores()
    total = sum(folder.bytes for folder in kept)
    for folder in kept:
        with reporting_write_errors(folder.path):
            shutil.rmtree(folder.path)
    note(f"{_folders(kept)} removed, {size(total)}")


def _folders(kept: list[ScoreFolder]) -> str:
    return number_of(len(kept), "folder")
