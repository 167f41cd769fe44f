"""How often ``effbench regress check --against`` finds slowdowns that are truly there, on a busy machine.

    python benchmarks/suites/slowdowns.py run --trials 100       # goes on where it was stopped
    python benchmarks/suites/slowdowns.py table

A trial times one model against itself with more work, 0, 2, 5 or 10 % of its time, while other processes
are busy at random. How much work that is was measured before, within one process.
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
from pathlib import Path

import torch

from effbench.models.build import build_model
from effbench.regress.interleaved import Pair, Setting
from effbench.regress.sequential import hodges_lehmann, interval
from effbench.regress.sides import Side
from effbench.regress.version_process import KEEP_MEMORY

SLOWDOWNS = (0, 2, 5, 10)
THRESHOLD = 0.025
SETTING = Setting(clip_seconds=1.0)
MEASURED_CALLS = 1000
TRIALS_PER_PAIR = 10

#: The model, and the same with so many small products of matrices in every call.
MODEL = """
import time

import torch

import effbench


def make(work=0):
    detector = effbench.build_model("fmn04", seed=0)
    a, out = torch.rand(48, 48), torch.empty(48, 48)

    def do_more(module, *_):
        start = time.process_time()
        for _ in range(work):
            torch.mm(a, a, out=out)
        module.spent = time.process_time() - start

    detector.register_forward_hook(do_more)
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


def reference(work: int) -> str:
    folder = Path(tempfile.gettempdir()) / f"effbench-slowdowns-{os.getuid()}"
    folder.mkdir(exist_ok=True)
    file = folder / "slowed.py"
    if not file.exists() or file.read_text() != MODEL:
        file.write_text(MODEL)
    return f"work{work}={file}:make?work={work}"


def sides() -> tuple[Side, Side]:
    here = Side("here", Path(sys.executable), Path.cwd(), (Path(__file__).resolve().parents[2],))
    return here, here


def measured(work: int) -> dict[str, float]:
    """Per cent that so much work adds to a call, with its interval.

    Each call is its own measure: what it spent on the work, over what it spent on all else.
    """
    torch.set_num_threads(1)
    network = build_model(reference(work), seed=0)
    shares = []
    with torch.inference_mode():
        features = network.frontend(0.1 * torch.randn(1, 16_000))
        for _ in range(MEASURED_CALLS):
            start = time.process_time()
            network(features)
            whole = time.process_time() - start
            shares.append(network.spent / (whole - network.spent))
    # In series, since neighbours resemble each other.
    series = [statistics.median(shares[i::20]) for i in range(20)]
    low, high = interval(series, 0.025)
    found = {"value": hodges_lehmann(series), "low": low, "high": high}
    return {name: 100 * share for name, share in found.items()}


def calibrate(out: Path) -> dict[str, dict[str, float]]:
    """How much work each slowdown takes, and what it then really is; kept in a file."""
    if out.exists():
        kept: dict[str, dict[str, float]] = json.loads(out.read_text())
        return kept
    clock = in_a_process(0)["value"]  # of no work: what reading the clock takes
    found = {}
    for slowdown in SLOWDOWNS:
        work = 20 * slowdown
        for _ in range(2 if slowdown else 1):
            truth = {name: value - clock for name, value in in_a_process(work).items()}
            found[str(slowdown)] = {"work": work, **truth}
            work = round(work * slowdown / truth["value"]) if slowdown else 0
        print(slowdown, found[str(slowdown)], flush=True)
    out.write_text(json.dumps(found, indent=2) + "\n")
    return found


def in_a_process(work: int) -> dict[str, float]:
    """``measured``, with the settings of the processes that are timed."""
    command = [sys.executable, __file__, "measure", "--work", str(work)]
    done = subprocess.run(command, env={**os.environ, **KEEP_MEMORY}, capture_output=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def run(out: Path, slowdowns: list[int], trials: int, busy: int) -> None:
    """Do the trials that are missing, in random order, and append each to the file when it is done."""
    calibrated = calibrate(out.with_suffix(".calibrated.json"))
    done = Counter((line["slowdown"], line["trial"]) for line in lines(out))
    missing = [(s, t) for s in slowdowns for t in range(trials) if not done[s, t]]
    random.Random(len(missing)).shuffle(missing)
    with load(busy):
        while missing:
            with Pair(*sides()) as pair:
                for slowdown, trial in missing[:TRIALS_PER_PAIR]:
                    models = reference(0), reference(int(calibrated[str(slowdown)]["work"]))
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
    parser.add_argument("--work", type=int, default=0, help="of a measurement")
    chosen = parser.parse_args()
    if chosen.what == "measure":
        print(json.dumps(measured(chosen.work)))
        return
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    if chosen.what == "run":
        run(chosen.out, chosen.slowdowns, chosen.trials, chosen.busy)
    table(chosen.out)


if __name__ == "__main__":
    main()
