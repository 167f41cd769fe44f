"""Every command of README and ``docs/`` is understood and, where it can be, run: a page shows what happens.

The lines of a page run in order in a folder that ``tests/world.py`` fills. Those that need what a test can't
have (``NOT_HERE``) are only read by the command line's own parser; others are made cheap (``CHEAPER``), and
then numbers, or the rows of tables, may be others than those shown. ``…`` stands for any text or lines.
"""

from __future__ import annotations

import ast
import difflib
import doctest
import re
import shutil
import warnings
from dataclasses import astuple
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch

import effbench
from effbench.config import load
from effbench.errors import EffbenchWarning
from effbench.evaluate.protocol_files import load_protocol
from effbench.measure.timing import Budget
from effbench.models.cards import OwnCardFile
from effbench.plots.figures import load_figure
from effbench.study.definition import load_study
from effbench.train.recipe.library import load_recipe
from effbench.yaml_files import parse
from tests.command import Terminal, environment, run_here, terminal
from tests.pages import (
    PAGES,
    ROOT,
    Block,
    Shown,
    agrees,
    blocks,
    inline_commands,
    invocations,
    lines,
    session,
    understand,
)
from tests.world import make_world

pytest.importorskip("lightning")

#: What a line, or a statement of Python, needs that is not here.
NOT_HERE = {
    "words that stand for others": r"…",
    # The world has a file in the place of those of fmn10.
    "published weights": r"(?<!--model fmn10 --)checkpoint[= ][\"']?(strong|advanced-kd|weak|ssl)\b"
    r"|--recipe (audioset|dcase)(?!.*(initialise=|--show))",
    "a study that runs, or ran": r"study (status .*--watch|run .*--price)",
    "a cluster": r"--executor ray --address",
    "a repository": r"--against",
    "standard input": r" < ",
    "minutes of compiling": r"(detect|evaluate) .*--backend (best|compiled|onnx-int8)|effbench\.optimize\(",
    "a machine to itself": r"--(streams|roofline)|profile_roofline",
    "a counter of energy": r"profile .*--energy",
    "a GPU": r"\bcuda\b|fp16",
    "data of others": r"(^|[ /])audioset( |$|-clips)|(^| )hear/",
}


class Cheaper(NamedTuple):
    """How a line is made cheap.

    Attributes:
        which: lines, by their beginning.
        instead: words, and what takes their place.
        more: options that come last.
        unseen: these options, where the page shows no output.
        rows: whether the rows of tables are compared.
    """

    which: str
    instead: tuple[str, str] = ("", "")
    more: str = ""
    unseen: str = ""
    rows: bool = True


#: The first that fits; the output of a line that none of them fits is that of the page in every number.
CHEAPER = (
    Cheaper("data synth", more="--clips 8 --eval-clips 4 --seconds 2 --processes 1"),
    Cheaper("data (split|prepare)"),
    Cheaper("data check", more="--processes 1"),
    Cheaper("data bench", more="--workers 0 --seconds-budget 0.1"),
    Cheaper("profile .*fmn10\\*", ("--model 'fmn10\\*' --model fmn20", "--model fmn01")),
    Cheaper("profile .*--backend mine.onnx", more="--batch-size 1 --seconds 1 --threads 1", rows=False),
    Cheaper(
        "profile (?!.*--no-throughput)",
        ("--(model|part|batch-size|backend) [^ ]+", ""),
        "--model fmn04 --model fmn04+gru-104 --part network --batch-size 1 --seconds 1",
        unseen="--model fmn01 --no-throughput",
        rows=False,
    ),
    Cheaper(
        "train .*--data",
        more="--set data.crop_seconds=1 --set batch.size=4 --set batch.effective=4 --set epochs=1"
        " --logger none --threads 1",
    ),
    Cheaper("study run", (r"study run (\S+).*", r"study status \1")),
    Cheaper("export .*--calibrate", more="--clips 2 --calibration MinMax"),
    Cheaper("detect", rows=False),
    Cheaper("scale", rows=False),
    Cheaper("plot", more="--format svg"),
    Cheaper("evaluate|compare|scores|pseudo-labels|study|report|doctor"),
)

#: What pages leave to their readers.
DETECTOR = effbench.build_model("fmn01", seed=0)
NAMES = {
    "effbench": effbench,
    "torch": torch,
    "waveform": torch.zeros(1, 16_000),
    "detector": DETECTOR,
    "my_detector": DETECTOR,
    "module": torch.nn.Linear(4, 2),
    "inputs": torch.zeros(1, 4),
    "scores": {"clip": np.zeros((250, 1), np.float32)},
    "ground_truth": {"clip": [(1.0, 2.0, "Bell")]},
    "durations": {"clip": 10.0},
    "classes": ["Bell"],
}


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    folder = tmp_path_factory.mktemp("world")
    make_world(folder)
    return folder


@pytest.fixture
def home(world, tmp_path, monkeypatch):
    """The working folder, which has everything that a page uses and does not make itself."""
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    for name, value in environment(tmp_path).items():
        monkeypatch.setenv(name, value)
    short = Budget(0.05, 2, 5, 0.1, 0.0, 0.1)
    monkeypatch.setattr(Budget.__init__, "__defaults__", astuple(short))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def why_not(text):
    """What a line needs that is not here; nothing for a line that can run."""
    return next((what for what, pattern in NOT_HERE.items() if re.search(pattern, text)), None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_that_a_page_mentions_is_understood(page):
    wrong = []
    shells = [block.text for block in blocks(page) if not block.language]
    for arguments in [words for text in (*shells, *inline_commands(page)) for words in invocations(text)]:
        try:
            understand(arguments)
        except (Exception, SystemExit) as error:
            wrong.append(f"effbench {' '.join(arguments)}: {getattr(error, 'message', error)}")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "shell", ["x=$(effbench profile --modle fmn04)", "cat a | effbench detekt -", "effbench --vers"]
)
def test_a_command_that_is_not_understood_is_found(shell):
    (arguments,) = invocations(shell)
    with pytest.raises((Exception, SystemExit)):
        understand(arguments)


def test_make_understands_its_own_commands_and_has_the_targets_that_pages_mention():
    text = (ROOT / "Makefile").read_text()
    commands = invocations(re.sub(r"\$\((\w+)\)", r"\1", text.replace("$(BIN)/", "")))
    assert len(commands) >= 5
    for arguments in commands:
        understand(arguments)
    targets = set(re.findall(r"^([a-z-]+):", text, re.M))
    for page in PAGES:
        assert set(re.findall(r"(?:^\$ |`)make ([a-z-]+)", page.read_text(), re.M)) <= targets


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_shows_what_happens(page, home):
    names = dict(NAMES, __name__="page")
    said = None
    wrong = []
    for block in blocks(page):
        if block.is_session:
            wrong += [differs(shown, home) for shown in session(block)]
        elif block.language == "python":
            said = run_python(block, names)
        elif block.language == "yaml":
            content = parse(block.text)
            (home / "block.yaml").write_text(block.text)
            if "tasks" in content:
                load_study("block.yaml")
            elif "panels" in content:
                load_figure("block.yaml")
            elif "backbones" in content:
                load(home / "block.yaml", OwnCardFile, "model card")
            elif "metrics" in content:
                load_protocol("block.yaml")
            else:
                load_recipe("block.yaml")
        elif said is not None and not block.language and not invocations(block.text):
            wrong.append(differing(block.text, said, f"line {block.line}"))
            said = None
    assert not any(wrong), "\n\n".join(filter(None, wrong))


def differs(shown: Shown, home) -> str | None:
    """How a line of a page differs from what happens, if it does."""
    if not shown.command.startswith("effbench ") or why_not(shown.command):
        return None
    command = shown.command.removeprefix("effbench ").partition("  #")[0]
    cheaper = next((rule for rule in CHEAPER if re.match(rule.which, command)), None)
    if cheaper is not None:
        if cheaper.instead[0]:
            command = re.sub(*cheaper.instead, command)
        command += f" {cheaper.more if shown.output else cheaper.unseen or cheaper.more}"
    (arguments,) = invocations(f"effbench {command}")
    with terminal() as real:
        code = run_here(tuple(arguments), home, lambda: ("", "")).returncode
    fails = re.search(r"^(error|unusable): ", shown.output, re.M) is not None
    where = f"line {shown.line}: effbench {' '.join(arguments)}"
    if (code != 0) != fails:
        return f"{where}: exit code {code}\n{real.screen.getvalue()}"
    return differing(shown.output, real, where, cheaper) if shown.output else None


def differing(shown: str, real: Terminal, where: str, cheaper: Cheaper | None = None) -> str | None:
    """How what a page shows differs from a screen, and from stdout alone; nothing if it is one of these."""

    def compared(text):
        text = text.replace(str(Path.cwd()), "/home/me")
        return lines(text, exact=cheaper is None, rows=cheaper is None or cheaper.rows)

    wanted = compared(shown)
    if any(agrees(wanted, compared(text.getvalue())) for text in (real.screen, real)):
        return None
    found = real.screen.getvalue()
    return "\n".join(
        [where, *difflib.unified_diff(wanted, compared(found), "page", "real", lineterm="", n=1), found]
    )


def run_python(block: Block, names: dict) -> Terminal | None:
    """Run what a block can do here, and give what it prints."""
    if ">>> " in block.text:
        test = doctest.DocTestParser().get_doctest(block.text, names, "page", "page", block.line)
        doctest.DebugRunner(optionflags=doctest.ELLIPSIS).run(test, clear_globs=False)
        names |= test.globs
        return None
    here, gone = [], set()
    for statement in ast.parse(block.text).body:
        used = {node.id: type(node.ctx) for node in ast.walk(statement) if isinstance(node, ast.Name)}
        if why_not(ast.unparse(statement)) or any(used[name] is ast.Load for name in gone & used.keys()):
            gone |= {name for name, context in used.items() if context is ast.Store}
        else:
            here.append(statement)
    with terminal() as real, warnings.catch_warnings():
        warnings.simplefilter("ignore", EffbenchWarning)
        exec(compile(ast.Module(here, []), f"line {block.line} of the page", "exec"), names)
    return real
