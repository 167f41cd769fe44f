"""Kills commands at random instants and runs them again: the results must be those of an undisturbed run.

    python benchmarks/suites/kills.py --instants 100
    python benchmarks/suites/kills.py study --instants 10 --signal kill

Each instant is one SIGKILL or SIGTERM, drawn uniformly over the time that the undisturbed command takes. A
command that outlives its instant is compared, and the next one begins in a new folder.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import effbench.cli
import effbench.train.api
from effbench.data.datasets import open_dataset
from effbench.data.pseudo_label_files import PseudoLabels
from effbench.data.synth import synthesise
from effbench.infer.score_files import read_scores
from effbench.models.build import build_model
from effbench.models.checkpoints import read_checkpoint, save_checkpoint
from effbench.results.store import Store
from effbench.version import source

SPEC = "fmn01"
CLIPS = 8
SIGNALS = {
    "kill": [signal.SIGKILL],
    "term": [signal.SIGTERM],
    "both": [signal.SIGKILL, signal.SIGTERM],
}
#: With other neighbours in a batch, the last bits of a score are others.
ONE = ("--batch-size", "1")


@dataclass(frozen=True)
class Work:
    """A command that can be resumed.

    Attributes:
        arguments: in a folder, of the first run and of every other.
        outcome: what a finished folder holds, in a form that can be compared.
    """

    arguments: Callable[[Path, Path], list[str]]
    outcome: Callable[[Path, Path], object]


def digest(array: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()[:16]


def model(made: Path) -> list[str]:
    return [
        "--model",
        SPEC,
        "--checkpoint",
        str(made / "weights.pt"),
        "--data",
        str(made / "set"),
        "--split",
        "eval",
    ]


def detect(here: Path, made: Path) -> list[str]:
    audio = str(made / "set" / "audio" / "eval")
    return [
        "detect",
        audio,
        *model(made)[:4],
        *ONE,
        "--threshold",
        "0.02",
        "--out",
        "events",
        "--scores",
        "scores",
    ]


def detected(here: Path, made: Path) -> object:
    files = {path.name: path.read_text() for path in sorted((here / "events").glob("*.csv"))}
    scores = read_scores(here / "scores").scores
    return files, {clip: digest(scores[clip]) for clip in sorted(scores)}


def evaluate(here: Path, made: Path) -> list[str]:
    return ["evaluate", *model(made), *ONE, "--metric", "segment", "--work", "logits", "--no-store"]


def evaluated(here: Path, made: Path) -> object:
    scores = read_scores(here / "logits").scores
    return {clip: digest(scores[clip]) for clip in sorted(scores)}


def pseudo_labels(here: Path, made: Path) -> list[str]:
    return ["pseudo-labels", *model(made), *ONE, "--out", "labels.h5"]


def labelled(here: Path, made: Path) -> object:
    labels = PseudoLabels(here / "labels.h5")
    return {clip: digest(labels.logits(clip)) for clip in open_dataset(made / "set", split="eval").ids}


def prepare(here: Path, made: Path) -> list[str]:
    return ["data", "prepare", str(made / "set"), "--out", "prepared", "--split", "eval"]


def prepared(here: Path, made: Path) -> object:
    dataset = open_dataset(here / "prepared", split="eval")
    return dataset.ids, dataset.fingerprint()


def train(here: Path, made: Path) -> list[str]:
    run = here / "runs" / "a"
    if (run / "last.pt").exists():
        return ["train", "--resume", "runs/a", "--no-store", "--logger", "none"]
    shutil.rmtree(run, ignore_errors=True)  # as the error of a run that has saved nothing says
    options = ["epochs=3", "batch.size=4", "batch.effective=4", "data.crop_seconds=2", "validation.every=1"]
    return [
        *("train", "--model", SPEC, "--recipe", "synthetic-cpu", "--data", str(made / "set"), "--name", "a"),
        *("--no-store", "--logger", "none", "--device", "cpu"),
        *(part for option in options for part in ("--set", option)),
    ]


def trained(here: Path, made: Path) -> object:
    run = here / "runs" / "a"
    return weights(run / "best.pt"), without_times((run / "metrics.csv").read_text())


def weights(checkpoint: Path) -> dict[str, str]:
    return {name: digest(tensor.numpy()) for name, tensor in read_checkpoint(checkpoint).state.items()}


def without_times(table: str) -> list[list[str]]:
    rows = [line.split(",") for line in table.splitlines()]
    kept = [index for index, name in enumerate(rows[0]) if "second" not in name and "time" not in name]
    return [[row[index] for index in kept] for row in rows]


STUDY = """
title: Every task, small
models: [fmn01]
data: {toys: {clips: 4, eval_clips: 2, seconds: 2}}
tasks:
  complexity: {}
  throughput: {device: cpu, threads: 1, batch_sizes: [1], seconds: 1}
  train:
    recipe: synthetic-cpu
    data: toys
    device: cpu
    threads: 1
    changes: [epochs=2, batch.size=4, batch.effective=4, data.crop_seconds=2, validation.every=1]
  evaluate: {data: toys, metrics: [psds1, segment]}
"""


def study(here: Path, made: Path) -> list[str]:
    (here / "s.yaml").write_text(STUDY)
    return ["study", "run", "s.yaml", "--work", "work", "--store", "store.sqlite"]


def studied(here: Path, made: Path) -> object:
    """Every row that was measured: what it is of and, but for what was timed, its value; and the weights."""
    with Store(here / "store.sqlite") as store:
        rows = store.read(provenance="measured", imported=False)
    found = Counter[object]()
    for row in rows[rows["source"] == source()].itertuples():
        same = {name: it for name, it in row.conditions.items() if name not in TIMED}
        value = None if "batch_size" in row.conditions and row.spec == SPEC else row.value
        found[row.spec, row.quantity, str(sorted(same.items())), value] += 1
    assert found, "nothing was measured"
    assert set(found.values()) == {1}, f"twice in the store: {found.most_common(3)}"
    assert not list((here / "work" / "running").glob("*")), "a finished job is said to run"
    runs = sorted((here / "work").glob("**/best.pt"))
    assert runs, "nothing was trained"
    return set(found), [weights(path) for path in runs]


#: Conditions that time decides.
TIMED = ("checkpoint", "load", "frequency")


WORKS = {
    "study": Work(study, studied),
    "detect": Work(detect, detected),
    "evaluate": Work(evaluate, evaluated),
    "pseudo-labels": Work(pseudo_labels, labelled),
    "prepare": Work(prepare, prepared),
    "train": Work(train, trained),
}


def run(arguments: list[str], folder: Path, after: float | None, how: signal.Signals) -> int | None:
    """Exit code of a command in a process of its own; ``None`` where it was killed after so many seconds."""
    child = os.fork()
    if child == 0:
        os.setsid()
        os.chdir(folder)
        log = os.open("log", os.O_CREAT | os.O_APPEND | os.O_WRONLY)
        os.dup2(log, 1), os.dup2(log, 2)
        sys.argv = ["effbench", *arguments]
        code = 1
        try:
            effbench.cli.main()
            code = 0
        except SystemExit as ended:
            code = int(ended.code or 0)
        finally:
            os._exit(code)
    deadline = None if after is None else time.monotonic() + after
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        if deadline is not None and time.monotonic() >= deadline:
            # At first it has no group of its own.
            with suppress(ProcessLookupError):
                os.killpg(child, how)
            os.kill(child, how)
            os.waitpid(child, 0)
            return None
        time.sleep(0.001)


def disturb(
    name: str, made: Path, instants: int, signals: Sequence[signal.Signals], draw: random.Random
) -> Counter[str]:
    """Kill one command so many times; raises ``AssertionError`` where anything differs or fails."""
    work, counts = WORKS[name], Counter[str]()
    root = Path(tempfile.mkdtemp(prefix=f"kills-{name}-"))
    for calm in (root / "first", root / "calm"):  # what is first is slower
        calm.mkdir()
        began = time.monotonic()
        code = run(work.arguments(calm, made), calm, None, signal.SIGKILL)
        seconds = time.monotonic() - began
        assert code == 0, (calm / "log").read_text()
    expected = work.outcome(calm, made)
    here = root / "0"
    here.mkdir()
    while counts["killed"] < instants:
        how = draw.choice(signals)
        code = run(work.arguments(here, made), here, draw.uniform(0, seconds), how)
        counts["killed" if code is None else "finished"] += 1
        if code is not None:
            check(work, here, made, code, expected)
            here = root / str(counts["finished"])
            here.mkdir()
    check(work, here, made, run(work.arguments(here, made), here, None, signal.SIGKILL), expected)
    counts["finished"] += 1
    shutil.rmtree(root)
    return counts


def check(work: Work, here: Path, made: Path, code: int | None, expected: object) -> None:
    assert code == 0, f"exit code {code} in {here}:\n{(here / 'log').read_text()}"
    assert work.outcome(here, made) == expected, f"{here} differs from an undisturbed run"
    left = list(here.rglob(".effbench-*"))
    assert not left, f"left behind: {left}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--instants", type=int, default=100, help="over all the works (default 100)")
    parser.add_argument("--signal", choices=SIGNALS, default="both", help="default both")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("works", nargs="*", metavar="WORK", help=f"{', '.join(WORKS)}; all by default")
    options = parser.parse_args()
    torch.set_num_threads(1)  # a process with threads of OpenMP can't be forked
    made = Path(tempfile.mkdtemp(prefix="kills-"))
    synthesise(made / "set", clips=CLIPS, eval_clips=CLIPS, seconds=2.0)
    classes = ["Bell", "Engine", "Knock", "Rain"]
    save_checkpoint(
        build_model(SPEC, n_classes=len(classes), seed=0), made / "weights.pt", SPEC, classes=classes
    )
    names = options.works or list(WORKS)
    draw = random.Random(options.seed)
    for number, name in enumerate(names):
        share = options.instants // len(names) + (number < options.instants % len(names))
        counts = disturb(name, made, share, SIGNALS[options.signal], draw)
        print(
            f"{name}: killed {counts['killed']} times, finished {counts['finished']} times as undisturbed",
            flush=True,
        )
    shutil.rmtree(made)


if __name__ == "__main__":
    main()
