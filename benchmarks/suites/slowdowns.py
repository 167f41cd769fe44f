"""How often ``effbench regress check --against`` finds slowdowns that are truly there, on a busy machine.

    python benchmarks/suites/slowdowns.py run --trials 100       # goes on where it was stopped
    python benchmarks/suites/slowdowns.py table

A trial times one model against itself with some of its layers run twice, which takes 0, 2, 5 or 10 % of its
time, while other processes are busy at random. Which layers these are, and what they really take, is measured
before, within processes that run beside the same others.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import combinations
from pathlib import Path
from typing import Any

import torch

from effbench.models.build import build_model
from effbench.regress.interleaved import Pair, Setting
from effbench.regress.sequential import hodges_lehmann, interval
from effbench.regress.sides import Side
from effbench.regress.version_process import KEEP_MEMORY

SLOWDOWNS = (0, 2, 5, 10)
THRESHOLD = 0.025
SETTING = Setting(clip_seconds=1.0)
MEASURED_CALLS, SERIES = 1000, 20
LAYERS = 17  # of fmn04
ROUNDS = 3  # of choosing layers
TRIALS_PER_PAIR = 10

#: The model, and the same with layers of which every call runs each twice: slowed by the same contention.
MODEL = """
import time

import effbench


def make(again=""):
    detector = effbench.build_model("fmn04", seed=0)
    detector.spent = {}
    for number in map(int, filter(None, str(again).split("-"))):

        def run_again(layer, inputs, _, number=number):
            start = time.process_time()
            layer.forward(*inputs)
            detector.spent[number] = time.process_time() - start

        detector.backbone.features[number].register_forward_hook(run_again)
    return detector
"""

BUSY = """
import os, random, time
parent = os.getppid()
while os.getppid() == parent:
    end = time.time() + random.expovariate(2)
    while time.time() < end:
        sum(i * i for i in range(1000))
    time.sleep(random.expovariate(2))
"""


@contextmanager
def load(processes: int) -> Iterator[None]:
    """Processes that are busy half of the time, for half a second on average."""
    busy = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(processes)]
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.wait()


def reference(again: str) -> str:
    folder = Path(tempfile.gettempdir()) / f"effbench-slowdowns-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    file = folder / "slowed.py"
    if not file.exists() or file.read_text() != MODEL:
        file.write_text(MODEL)
    return f"again{again}={file}:make?again={again}" if again else f"plain={file}:make"


def sides() -> tuple[Side, Side]:
    here = Side("here", Path(sys.executable), Path.cwd(), (Path(__file__).resolve().parents[2],))
    return here, here


def measured(again: str) -> dict[str, list[float]]:
    """Per cent that each of these layers, run again, adds to calls, and all of them, by series of calls.

    Each call is its own measure: what it spent on a layer again, over what it spent on all else.
    """
    torch.set_num_threads(1)
    network: Any = build_model(reference(again), seed=0)
    added: dict[str, list[float]] = {layer: [] for layer in ("all", *again.split("-"))}
    with torch.inference_mode():
        features = network.frontend(0.1 * torch.randn(1, 16_000))
        for _ in range(MEASURED_CALLS):
            start = time.process_time()
            network(features)
            whole = time.process_time() - start
            spent = {str(layer): seconds for layer, seconds in network.spent.items()}
            spent["all"] = sum(spent.values())
            for layer, seconds in spent.items():
                added[layer].append(100 * seconds / (whole - spent["all"]))
    # In series, since neighbours resemble each other.
    return {name: [statistics.median(one[i::SERIES]) for i in range(SERIES)] for name, one in added.items()}


def calibrate(out: Path) -> dict[str, dict[str, Any]]:
    """Which layers make each slowdown, and what it then really is; kept in a file."""
    if out.exists():
        kept: dict[str, dict[str, Any]] = json.loads(out.read_text())
        return kept
    every = in_a_process("-".join(map(str, range(LAYERS))))
    layers = {name: statistics.median(series) for name, series in every.items() if name != "all"}
    found: dict[str, dict[str, Any]] = {"0": {"again": "", "value": 0.0, "low": 0.0, "high": 0.0}}
    for slowdown in filter(None, SLOWDOWNS):
        aim, tried = float(slowdown), []
        for _ in range(ROUNDS):
            chosen = nearest_sum(layers, aim)
            series = in_a_process("-".join(chosen))["all"]
            low, high = interval(series, 0.025)
            truth = hodges_lehmann(series)
            tried.append({"again": "-".join(chosen), "value": truth, "low": low, "high": high})
            aim *= slowdown / truth
        found[str(slowdown)] = min(tried, key=lambda one: abs(float(one["value"]) - slowdown))
        print(slowdown, found[str(slowdown)], flush=True)
    out.write_text(json.dumps(found, indent=2) + "\n")
    return found


def nearest_sum(layers: dict[str, float], aim: float) -> tuple[str, ...]:
    """The layers, three at most, whose sum is nearest."""
    return min(
        (some for number in (1, 2, 3) for some in combinations(layers, number)),
        key=lambda some: abs(sum(layers[layer] for layer in some) - aim),
    )


def in_a_process(again: str) -> dict[str, list[float]]:
    """``measured``, with the settings of the processes that are timed."""
    command = [sys.executable, __file__, "measure", "--again", again]
    done = subprocess.run(command, env={**os.environ, **KEEP_MEMORY}, capture_output=True, check=True)
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found


def run(out: Path, slowdowns: list[int], trials: int, busy: int) -> None:
    """Do the trials that are missing, in random order, and append each to the file when it is done."""
    done = Counter((line["slowdown"], line["trial"]) for line in lines(out))
    missing = [(s, t) for s in slowdowns for t in range(trials) if not done[s, t]]
    random.Random(len(missing)).shuffle(missing)
    with load(busy):
        calibrated = calibrate(out.with_suffix(".calibrated.json"))
        while missing:
            with Pair(*sides()) as pair:
                for slowdown, trial in missing[:TRIALS_PER_PAIR]:
                    models = reference(""), reference(calibrated[str(slowdown)]["again"])
                    start = time.monotonic()
                    timed = pair.time(models, SETTING, THRESHOLD)
                    decision = timed.decision
                    line = {
                        "slowdown": slowdown,
                        "trial": trial,
                        "verdict": decision.verdict,
                        "launches": decision.launches,
                        "seconds": round(time.monotonic() - start, 2),
                        "ratio": decision.ratio.value,
                        "low": decision.ratio.low,
                        "high": decision.ratio.high,
                        "clock": timed.clock,
                    }
                    with out.open("a") as file:
                        file.write(json.dumps(line) + "\n")
            missing = missing[TRIALS_PER_PAIR:]


def lines(out: Path) -> list[dict[str, object]]:
    """The trials so far; a line that was cut off is none."""
    found = []
    for text in out.read_text().splitlines() if out.exists() else []:
        try:
            found.append(json.loads(text))
        except json.JSONDecodeError:
            continue
    return found


def table(out: Path) -> None:
    """Print the verdicts, as Markdown."""
    calibrated = calibrate(out.with_suffix(".calibrated.json"))
    print("| injected | really | trials | slower | same | undecided | faster | median seconds |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|")
    for slowdown in SLOWDOWNS:
        found = [line for line in lines(out) if line["slowdown"] == slowdown]
        verdicts = Counter(line["verdict"] for line in found)
        truth = calibrated[str(slowdown)]
        counts = " | ".join(str(verdicts[name]) for name in ("slower", "same", "undecided", "faster"))
        seconds = statistics.median([float(str(line["seconds"])) for line in found] or [math.nan])
        really = f"{truth['value']:.1f} % [{truth['low']:.1f}, {truth['high']:.1f}]"
        print(f"| {slowdown} % | {really} | {len(found)} | {counts} | {seconds:.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=["run", "table", "measure"])
    parser.add_argument("--out", type=Path, default=Path("results/slowdowns.jsonl"))
    parser.add_argument("--slowdowns", type=int, nargs="+", choices=SLOWDOWNS, default=list(SLOWDOWNS))
    parser.add_argument("--trials", type=int, default=100, help="of each slowdown")
    parser.add_argument("--busy", type=int, default=2, help="processes of the load generator")
    parser.add_argument("--again", default="", help="layers of a measurement: 3-9")
    chosen = parser.parse_args()
    if chosen.what == "measure":
        print(json.dumps(measured(chosen.again)))
        return
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    if chosen.what == "run":
        run(chosen.out, chosen.slowdowns, chosen.trials, chosen.busy)
    table(chosen.out)


if __name__ == "__main__":
    main()
