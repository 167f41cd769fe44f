"""Options that several commands have, so that each reads and means the same everywhere."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from effbench.cli.output import Format
from effbench.errors import UsageError


def count(text: str) -> int:
    """A number of parameters or MACs: ``860318``, ``5M``, ``1.2G``."""
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*([kMG]?)", text.strip(), re.IGNORECASE)
    if match is None:
        raise typer.BadParameter(f"'{text}' is not a count: write 860000, 860k, 5M or 1.2G")
    return round(float(match[1]) * {"": 1, "k": 1e3, "m": 1e6, "g": 1e9}[match[2].lower()])


MaxParams = Annotated[
    int | None,
    typer.Option(parser=count, metavar="COUNT", help="No more parameters than this, e.g. 5M."),
]
MaxMacs = Annotated[
    int | None,
    typer.Option(parser=count, metavar="COUNT", help="No more exact MACs than this, e.g. 1.2G."),
]


def pairs(texts: Iterable[str], option: str) -> list[tuple[str, str]]:
    """Texts of the form ``KEY=VALUE`` that an option takes, taken apart."""
    found = [text.partition("=") for text in texts]
    if odd := next((key for key, equals, value in found if not (equals and value)), None):
        raise UsageError(f"{option} takes KEY=VALUE, not '{odd}'")
    return [(key.strip(), value) for key, _, value in found]


@contextmanager
def naming(option: str) -> Iterator[None]:
    """Puts an option's name before what the library says of its value."""
    try:
        yield
    except UsageError as error:
        raise UsageError(f"{option}: {error}") from None


@contextmanager
def naming_scoring() -> Iterator[None]:
    """Adds the option that helps to what the library says of scores it can't take as they are."""
    from effbench.evaluate.filtered_scores import UnequalFrames
    from effbench.evaluate.incomplete import IncompleteSet
    from effbench.evaluate.value_kinds import UnclearValues
    from effbench.infer.frame_gaps import FrameGap
    from effbench.infer.frame_tables import EventsForScores

    try:
        yield
    except UnequalFrames as error:
        raise UsageError(f"{error}\nWithout a filter: --median-window 1.") from None
    except FrameGap as error:
        raise FrameGap(f"{error}\nWith nothing detected in gaps: --fill-gaps.") from None
    except EventsForScores as error:
        raise EventsForScores(f"{error}\nGive it as --events.") from None
    except UnclearValues as error:
        raise UsageError(f"{error}\nSay it with --values probabilities|logits, or --threshold.") from None
    except IncompleteSet as error:
        raise UsageError(f"{error}\nThe others are scored with --missing skip.") from None


Models = Annotated[
    list[str] | None,
    typer.Option(
        help="Model spec or glob, e.g. fmn10+hybrid-512 or 'fmn10+*-256', or a model of your own: "
        "./file.py:factory. Repeatable."
    ),
]
ModelName = Annotated[
    str | None,
    typer.Option(metavar="NAME", help="Name of a model of your own in tables and figures."),
]
ModelOptions = Annotated[
    list[str] | None,
    typer.Option(
        "--model-arg", metavar="KEY=VALUE", help="Argument of a model of your own: width=2. Repeatable."
    ),
]
OneModel = Annotated[
    str | None,
    typer.Option(
        help="Model spec, e.g. fmn10+hybrid-512, or ./file.py:factory. A run's --checkpoint knows its spec."
    ),
]
Checkpoint = Annotated[
    str | None, typer.Option(help="Weights: strong, advanced-kd, …, a file or a run. Untrained by default.")
]


def check_model(model: str | None, checkpoint: str | None) -> None:
    """Raise ``UsageError`` where neither says which model is wanted."""
    if model is None and checkpoint is None:
        raise UsageError("give --model, or the --checkpoint of a run, which knows its model")


Data = Annotated[Path, typer.Argument(metavar="DATA", help="Folder of the data set, or one of its tables.")]
Layout = Annotated[
    str | None,
    typer.Option(
        help="Layout of the data set: audioset-strong, audioset-weak, desed, desed-tree, fsd50k, hear, "
        "maestro-real, prepared, tut or urban-sed. Recognised by default."
    ),
]
Split = Annotated[str | None, typer.Option(help="Split of the data set; needed where it has several.")]
Audio = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Folder of the audio, if it is not beside the tables.")
]

Durations = Annotated[
    Path | None,
    typer.Option(metavar="CSV", help="Seconds of every clip; by default, where its scores end."),
]
Confidence = Annotated[
    float, typer.Option(min=0, max=1, help="Soft labels of the ground truth above this are events.")
]
Columns = Annotated[
    str | None,
    typer.Option(
        metavar="HEADS", help="Heads of tables of events that have none: filename,onset,offset,event_label."
    ),
]


def heads(columns: str | None) -> list[str]:
    """The heads that ``Columns`` names."""
    return [head.strip().lower() for head in columns.split(",")] if columns else []


Protocol = Annotated[str, typer.Option(help="paper, desed, dcase2016, maestro, or a YAML file.")]
Metrics = Annotated[
    list[str] | None,
    typer.Option(help="psds1, psds2, pauroc, event_f1, map, … Repeatable; the protocol's by default."),
]
MedianWindow = Annotated[
    str | None,
    typer.Option(help="Median filter, instead of the protocol's: 9 (frames), 0.36s or 360ms; 1 for none."),
]
Values = Annotated[
    str | None,
    typer.Option(help="What the scores are: probabilities or logits. By default, as all of them show."),
]
OddEvents = Annotated[
    str | None,
    typer.Option(
        help="Of events that can't be, have no length, are given twice or overlap: error (refuse all) or "
        "drop (but overlapping ones). By default, each score counts what it can."
    ),
]
OnMissing = Annotated[
    str | None,
    typer.Option(
        "--missing",
        help="Clips of the ground truth without audio or scores: error or skip. By default, an error for "
        "scores; a data set's are skipped.",
    ),
]
FillGaps = Annotated[
    bool,
    typer.Option(
        "--fill-gaps", help="Frames missing between others in tables of scores detect nothing: no error."
    ),
]
EventThreshold = Annotated[
    float | None, typer.Option(help="Threshold of decoded events, on the scale of the scores.")
]

Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, … or auto (a GPU if there is one).")]
Precision = Annotated[str, typer.Option(help="fp32, tf32 (NVIDIA GPUs), bf16 or fp16.")]
Backend = Annotated[
    str,
    typer.Option(
        help="What runs the network: eager, folded, compiled, …, best for the fastest here, or a file."
    ),
]
Threads = Annotated[int | None, typer.Option(min=1, help="Threads of torch on the CPU.")]
BatchSize = Annotated[
    int | None, typer.Option(min=1, help="Inputs per call of the model; by default 2 on a CPU, 32 on a GPU.")
]
Processes = Annotated[
    int | None, typer.Option(min=1, help="Worker processes; by default one per available CPU.")
]
Seconds = Annotated[float, typer.Option(min=0.05, max=3600, help="Length of the clip, seconds.")]

Store = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE", help="Results store; by default $EFFBENCH_STORE, or results/effbench.sqlite."
    ),
]
Wide = Annotated[bool, typer.Option("--wide", help="One row a model and setting, one column a quantity.")]
Keep = Annotated[bool, typer.Option("--keep/--no-store", help="Keep the results in the store.")]
OutputFormat = Annotated[Format, typer.Option("--format", help="table, markdown, json or csv.")]
DrawnDevice = Annotated[
    str | None,
    typer.Option(help="Draw timings of this device (part of its name). By default, the most complete."),
]


def refuse_given(context: typer.Context, names: Iterable[str], why: str) -> None:
    """``UsageError`` where any of these parameters was given on the command line."""
    sources = {name: context.get_parameter_source(name) for name in names}
    given = [name for name, way in sources.items() if way is not None and way.name == "COMMANDLINE"]
    if given:
        flags = ", ".join(f"--{name.replace('_', '-')}" for name in given)
        raise UsageError(f"{flags} {why}")
