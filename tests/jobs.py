"""A small job for every command, and the files that the jobs are about."""

from collections.abc import Mapping
from pathlib import Path

import typer

from effbench.cli.app import command_line
from effbench.data.synth import synthesise
from effbench.resources import share
from effbench.results.incoming import import_files
from effbench.results.store import Store
from tests.rows import complexity, timings

MODEL = ("--model", "fmn01")
EVAL = ("--data", "SET", "--split", "eval")

#: For each command a small job, and what it says or the name of what it writes.
JOBS = {
    "models list": (["fmn04"], "39.5"),
    "models show": (["fmn01"], "strong_head"),
    "profile": ([*MODEL, "--no-throughput"], "results/effbench.sqlite"),
    "detect": (
        ["SET/audio/eval/Yeval0000000.flac", *MODEL, "--format", "json"],
        '"filename": "Yeval0000000.flac"',
    ),
    "train": ([*MODEL, "--recipe", "synthetic-cpu", "--data", "SET", "--dry-run"], "an epoch"),
    "evaluate": ([*MODEL, *EVAL, "--no-store"], "psds1"),
    "compare": (["SCORES", "SCORES", "--ground-truth", "TABLE", "--metric", "segment"], "difference"),
    "data synth": (["new", "--clips", "1", "--eval-clips", "0", "--seconds", "1"], "new/synth.json"),
    "data check": (["SET"], "audioset-strong"),
    "data prepare": (["SET", "--out", "prepared", "--split", "eval"], "prepared"),
    "data split": (["TABLE", "--eval", "0.5"], "train.csv"),
    "data bench": (["SET", "--split", "eval", "--workers", "0", "--seconds-budget", "0.1"], "clips/s"),
    "scores list": ([], "0 folders"),
    "scores clear": ([], "0 folders"),
    "pseudo-labels": ([*MODEL, *EVAL, "--out", "labels.h5"], "labels.h5"),
    "export": ([*MODEL, "--out", "fmn01.onnx"], "fmn01.onnx"),
    "study run": (["STUDY"], "results/effbench.sqlite"),
    "study status": (["paper", "--store", "STORE"], "jobs done"),
    "study show": (["paper", "--store", "STORE"], "macs_exact"),
    "store list": (["--store", "STORE", "--model", "fmn04"], "throughput"),
    "store export": (["--store", "STORE", "--device", "Test", "--out", "rows.parquet"], "rows.parquet"),
    "store add": (
        ["--model", "mynet", "--quantity", "psds1", "--value", "44.9", "--source", "us"],
        "results/effbench.sqlite",
    ),
    "store import": (["ROWS"], "results/effbench.sqlite"),
    "store merge": (["STORE"], "results/effbench.sqlite"),
    "store remove": (["--store", "DECLARED", "--model", "mynet", "--out", "removed.csv"], "removed.csv"),
    "plot": (["paper-1", "--store", "STORE", "--format", "svg"], "results/figures/paper-1.svg"),
    "pareto": (["--model", "fmn10+*", "--draws", "10"], "knee"),
    "recommend": (["--max-params", "5M"], "fmn10+hybrid-128"),
    "scale": (["--model", "fmn10", "--hours", "10"], "H100"),
    "report": (["paper", "--store", "STORE", "--out", "page"], "page/paper.html"),
    "regress save": ([*MODEL, "--baseline", "now.json"], "now.json"),
    "regress check": (["--model", "fmn04", "--baseline", "BASELINE"], "passed"),
    "doctor": (["--device", "cpu", "--format", "json"], '"OMP_WAIT_POLICY": "PASSIVE"'),
}


def commands(command, *names):
    """Full names of all commands."""
    if not hasattr(command, "commands"):
        return [" ".join(names)]
    return [name for key, below in command.commands.items() for name in commands(below, *names, key)]


ALL = commands(typer.main.get_command(command_line()))


def make_world(folder: Path) -> dict[str, Path]:
    """The files, by their names in ``JOBS``."""
    synthesise(folder / "SET", clips=2, eval_clips=1, seconds=1)
    (folder / "STUDY.yaml").write_text("title: one\nmodels: [fmn01]\ntasks: {complexity: {}}\n")
    with Store(folder / "STORE.sqlite", create=True) as store:
        store.add([*complexity(), *timings("NVIDIA Test")])
    rows = folder / "rows.csv"
    rows.write_text("model,psds1,source\nmynet,44.9,us\n")
    import_files([rows], folder / "DECLARED.sqlite")
    table = folder / "own" / "labels.csv"
    table.parent.mkdir()
    table.write_text("filename,onset,offset,event_label\na.wav,0,1,Bell\nb.wav,0,1,Bell\n")
    scores = folder / "scores"
    scores.mkdir()
    lines = [f"{frame / 25},{(frame + 1) / 25},{frame / 30}" for frame in range(25)]
    for clip in "ab":
        (scores / f"{clip}.csv").write_text("\n".join(["onset,offset,Bell", *lines]) + "\n")
    return {
        "TABLE": table,
        "SCORES": scores,
        "SET": folder / "SET",
        "STUDY": folder / "STUDY.yaml",
        "STORE": folder / "STORE.sqlite",
        "DECLARED": folder / "DECLARED.sqlite",
        "ROWS": rows,
        "BASELINE": share("benchmarks") / "baselines" / "regress.json",
    }


def arguments(name: str, world: Mapping[str, Path]) -> list[str]:
    """The command line of a command's job."""

    def placed(part: str) -> str:
        first, slash, rest = part.partition("/")
        return f"{world[first]}{slash}{rest}" if first in world else part

    return [*name.split(), *map(placed, JOBS[name][0])]
