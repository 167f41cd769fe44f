"""Whatever is changed, interrupted and run again, results are those of a fresh folder.

Run in a process of its own (``tests/test_identity.py``): an interrupt at any instant may leave torch with its
gradients switched off.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import re
import shutil
import signal
import tempfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule

from effbench.data.pseudo_label_files import PseudoLabels
from effbench.data.synth import synthesise
from effbench.infer.score_files import read_scores
from effbench.results.store import Store
from tests.command import Done, environment, run_here

RUN = Path(__file__).parent / "fixtures" / "before" / "runs" / "small" / "best.pt"
CLIPS = 3
#: With other neighbours in a batch, the last bits of a score are others.
ONE = ("--batch-size", "1")
STUDY = """
title: one
models: [fmn01]
tasks:
  evaluate:
    {{data: {data}, split: eval, checkpoint: {weights}, precision: {precision}, batch_size: 1,
      metrics: [psds2, segment]}}
"""


@pytest.fixture(scope="module", autouse=True)
def _made(tmp_path_factory):
    """A small data set and two files of weights, which the machines copy."""
    Identity.made = tmp_path_factory.mktemp("made")
    synthesise(Identity.made / "set", clips=1, eval_clips=CLIPS, seconds=2.0)
    shutil.copy(RUN, Identity.made / "0.pt")
    weights = torch.load(RUN, weights_only=True)
    for name, tensor in weights["state_dict"].items():
        if name.startswith("strong_head") and tensor.ndim > 1:
            tensor.mul_(-1)
    torch.save(weights, Identity.made / "1.pt")
    # An interrupt in the middle of an import leaves half a module behind, which one of a process can't.
    machine = Identity()
    for command in (machine.detect, machine.evaluate, machine.study, machine.pseudo_labels):
        command(None)
    machine.teardown()


@contextlib.contextmanager
def interrupted_after(milliseconds: int | None):
    """Ctrl-C arrives after so long, if the block takes that long."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, interrupt)
    signal.setitimer(signal.ITIMER_REAL, (milliseconds or 0) / 1000)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def same_scores(*folders: Path) -> None:
    found, expected = (read_scores(folder).scores for folder in folders)
    assert sorted(found) == sorted(expected)
    for clip in expected:
        np.testing.assert_array_equal(found[clip], expected[clip])


def kept_in(done: Done) -> str:
    """The folder of logits that an evaluation names."""
    return re.search(r"frame logits in (\S+)", done.stderr)[1]


class Identity(RuleBasedStateMachine):
    """One working folder, in which everything may change between runs."""

    made: Path

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp(prefix="identity-"))
        self.here = self.root / "here"
        self.here.mkdir()
        shutil.copytree(self.made / "set", self.root / "set")
        self.files = sorted((self.root / "set" / "audio" / "eval").iterdir())
        self.table = next((self.root / "set").glob("*eval*strong*.tsv"))
        self.weights = self.root / "best.pt"
        self.other_options(0, "fp32", "paper")

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    @rule(first=st.integers(0, CLIPS - 1), second=st.integers(0, CLIPS - 1))
    def swap_audio(self, first: int, second: int) -> None:
        held = self.root / "held"
        self.files[first].rename(held)
        if second != first:
            self.files[second].rename(self.files[first])
        held.rename(self.files[second])

    @rule(line=st.integers(1, 5), shift=st.floats(-0.5, 0.5))
    def change_table(self, line: int, shift: float) -> None:
        lines = self.table.read_text().splitlines()
        cells = lines[min(line, len(lines) - 1)].split("\t")
        cells[1] = f"{max(0.0, float(cells[1]) + shift):.3f}"
        cells[2] = f"{max(float(cells[1]) + 0.1, float(cells[2]) + shift):.3f}"
        lines[min(line, len(lines) - 1)] = "\t".join(cells)
        self.table.write_text("\n".join(lines) + "\n")

    @rule(
        weights=st.integers(0, 1),
        precision=st.sampled_from(["fp32", "bf16"]),
        protocol=st.sampled_from(["paper", "dcase2016"]),
    )
    def other_options(self, weights: int, precision: str, protocol: str) -> None:
        shutil.copy(self.made / f"{weights}.pt", self.weights)
        self.precision, self.protocol = precision, protocol

    @rule(
        commands=st.lists(
            st.sampled_from(["evaluate", "study", "detect", "pseudo_labels"]), min_size=1, unique=True
        ),
        interrupt=st.none() | st.none() | st.integers(1, 200),
    )
    def runs(self, commands: list[str], interrupt: int | None) -> None:
        for command in commands:
            getattr(self, command)(interrupt)

    def evaluate(self, interrupt: int | None) -> None:
        found = self.run(interrupt, *self.evaluation())
        if found is not None:
            folder, fresh = self.fresh(*self.evaluation())
            assert json.loads(found.stdout) == json.loads(fresh.stdout)
            same_scores(self.here / kept_in(found), folder / kept_in(fresh))

    def study(self, interrupt: int | None) -> None:
        options = {"data": self.root / "set", "weights": self.weights, "precision": self.precision}
        (self.root / "one.yaml").write_text(STUDY.format(**options))
        command = ("study", "run", self.root / "one.yaml", "--store", "store.sqlite")
        if self.run(interrupt, *command) is not None:
            assert self.stored(self.here) == self.stored(self.fresh(*command)[0])

    def detect(self, interrupt: int | None) -> None:
        command = (
            *(
                "detect",
                self.root / "set" / "audio" / "eval",
                "--model",
                "fmn01",
                "--checkpoint",
                self.weights,
            ),
            *(
                "--threshold",
                0.05,
                *ONE,
                "--precision",
                self.precision,
                "--out",
                "events",
                "--scores",
                "scores",
            ),
        )
        done = self.run(interrupt, *command, allowed=(0, 2))
        if done is not None and done.returncode == 2:  # of other weights or options
            assert "--overwrite" in done.stderr
            done = self.run(interrupt, *command, "--overwrite")
        if done is not None:
            fresh, _ = self.fresh(*command)
            for name in [path.name for path in (fresh / "events").glob("*.csv")]:
                assert (self.here / "events" / name).read_text() == (fresh / "events" / name).read_text()
            same_scores(self.here / "scores", fresh / "scores")

    def pseudo_labels(self, interrupt: int | None) -> None:
        command = (
            *("pseudo-labels", "--model", "fmn01", "--checkpoint", self.weights, "--data", self.root / "set"),
            *("--split", "eval", *ONE, "--precision", self.precision, "--out", "labels.h5"),
        )
        done = self.run(interrupt, *command, allowed=(0, 1, 2))
        if done is not None and done.returncode:  # begun, or made, with other weights, options or audio
            (named,) = re.findall(r"labels\.h5(?:\.part)?(?= )", done.stderr)
            (self.here / named).unlink()
            done = self.run(interrupt, *command)
        if done is not None:
            fresh, _ = self.fresh(*command)
            found, expected = (PseudoLabels(folder / "labels.h5") for folder in (self.here, fresh))
            for file in self.files:
                np.testing.assert_array_equal(found.logits(file.stem), expected.logits(file.stem))

    def evaluation(self) -> tuple[object, ...]:
        return (
            *("evaluate", "--model", "fmn01", "--checkpoint", self.weights, "--data", self.root / "set"),
            *("--split", "eval", *ONE, "--precision", self.precision, "--protocol", self.protocol),
            *("--metric", "psds2", "--metric", "segment", "--format", "json", "--no-store"),
        )

    def run(self, interrupt: int | None, *command: object, allowed: tuple[int, ...] = (0,)) -> Done | None:
        """The command in the working folder; ``None`` where it was interrupted."""
        try:
            with interrupted_after(interrupt):
                done = self.command(self.here, *command)
        except KeyboardInterrupt:  # before or after the command's own handler
            return None
        if done.returncode == 130:
            return None
        assert done.returncode in allowed, done.stderr
        return done

    def fresh(self, *command: object) -> tuple[Path, Done]:
        """The command in a new folder."""
        folder = Path(tempfile.mkdtemp(dir=self.root))
        done = self.command(folder, *command)
        assert done.returncode == 0, done.stderr
        return folder, done

    def command(self, folder: Path, *command: object) -> Done:
        out, err = io.StringIO(), io.StringIO()
        kept = {name: os.environ.get(name) for name in environment(folder)}
        os.environ.update(environment(folder))
        try:
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                done = run_here(command, folder, lambda: ("", ""))
        finally:
            for name, value in kept.items():
                os.environ.pop(name) if value is None else os.environ.update({name: value})
        return Done(done.returncode, out.getvalue(), err.getvalue())

    def stored(self, folder: Path) -> list[tuple[str, float, str]]:
        """The newest values, and the fingerprint of their data."""
        with Store(folder / "store.sqlite") as store:
            rows = store.read(specs=["fmn01"], provenance="measured")
        last = {row.quantity: (row.value, row.conditions["fingerprint"]) for row in rows.itertuples()}
        return sorted((quantity, *of) for quantity, of in last.items())


TestIdentity = pytest.mark.slow(Identity.TestCase)
#: Shrinking takes minutes; `Phase.shrink` is for those who look for the reason of a failure.
TestIdentity.settings = settings(
    max_examples=5, stateful_step_count=10, deadline=None, phases=set(Phase) - {Phase.shrink}
)
