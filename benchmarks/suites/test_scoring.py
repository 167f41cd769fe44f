"""Our scores beside sed_scores_eval's, in turns: how much faster, and in how much memory.

The reference takes one or two minutes a run at full size; of PSDS2, whose time and memory there grow with the
square of the clips, at a sixteenth of it. ``EFFBENCH_SCORING_CLIPS`` sets another size, and
``EFFBENCH_SCORING_ROUNDS`` the number of turns. Ratios are kept with the benchmark (``extra_info``).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import effbench
from benchmarks.suites.frame_scores import Generated
from effbench.evaluate.median import median_filter

CLIPS = int(os.environ.get("EFFBENCH_SCORING_CLIPS", "800"))
ROUNDS = int(os.environ.get("EFFBENCH_SCORING_ROUNDS", "2"))

# Speed relative to the reference that we ask for, by score and kind of scores.
CASES = {
    ("psds1", "smooth"): 20.0,
    ("psds1", "filtered"): 12.0,
    ("psds2", "filtered"): 50.0,
    ("pauroc", "filtered"): 5.0,
}

# Seconds that all of AudioSet-strong's evaluation may take, the making of the scores included.
SECONDS = {"psds1": 120, "psds2": 180, "pauroc": 120}

ENGINES = ("effbench", "reference")

PEAK = """
import json, sys, time
from pathlib import Path
sys.path.insert(0, {root!r})
import numpy
import effbench
from benchmarks.suites.frame_scores import Generated

def peak():
    status = Path("/proc/self/status").read_text().split()
    return int(status[status.index("VmHWM:") + 1])
"""

MEMORY = """
made = Generated({clips}, filtered={filtered})
scores = {{clip: made[clip] for clip in made}}
inputs = peak()
effbench.{score}(scores, made.ground_truth, made.durations, classes=made.classes, engine={engine!r})
print(json.dumps([inputs, peak()]))
"""

ALL_CLIPS = """
made = Generated(16_000, filtered=True, dtype=numpy.float16, distinct=256)
start = time.perf_counter()
for clip in made:
    made[clip]
middle = time.perf_counter()
effbench.{score}(*made.parts, classes=made.classes)
print(json.dumps([middle - start, time.perf_counter() - middle, peak()]))
"""


def run_alone(code: str, **values: object) -> list[float]:
    """What a script prints that runs in a process of its own: peak memory can't be taken back."""
    code = (PEAK + code).format(root=str(Path.cwd()), **values)
    printed: list[float] = json.loads(subprocess.check_output([sys.executable, "-c", code], text=True))
    return printed


@pytest.fixture(scope="module", params=["smooth", "filtered"])
def soundscapes(request):
    made = Generated(CLIPS, filtered=request.param == "filtered")
    return request.param, {clip: made[clip] for clip in made}, made


def clips_of(score: str) -> int:
    """How many clips the reference can take in a minute or two."""
    return CLIPS // 16 if score == "psds2" else CLIPS


@pytest.mark.parametrize(("score", "kind"), CASES)
def test_speed_beside_the_reference(benchmark, score, kind):
    pytest.importorskip("sed_scores_eval")
    made = Generated(clips_of(score), filtered=kind == "filtered")
    scores = {clip: made[clip] for clip in made}
    function = getattr(effbench, score)

    def timed(engine):
        start = time.perf_counter()
        result = function(scores, *made.parts[1:], classes=made.classes, engine=engine, **options)
        return time.perf_counter() - start, result

    options = {"resamples": 0}
    timed("effbench")
    ratios = []
    for _ in range(ROUNDS):
        (before, ours), (theirs, expected), (after, _) = (
            timed("effbench"),
            timed("reference"),
            timed("effbench"),
        )
        ratios.append(theirs / ((before + after) / 2))
        assert ours.macro == pytest.approx(expected.macro, abs=1e-9)
    benchmark.extra_info.update(clips=len(scores), ratios=ratios, reference_seconds=theirs)
    said = ", ".join(f"{ratio:.0f}x" for ratio in ratios)
    print(f"\n{score} {kind}: {said}; reference {theirs:.1f} s, ours {after:.2f} s")
    benchmark.pedantic(timed, args=("effbench",), rounds=5)
    assert CLIPS < 800 or min(ratios) >= CASES[score, kind]


def test_intervals_cost_less_than_the_score(benchmark, soundscapes):
    _, scores, made = soundscapes
    times = {0: [], 100: []}
    for _ in range(5):
        for resamples, mine in times.items():
            start = time.perf_counter()
            effbench.psds1(scores, *made.parts[1:], classes=made.classes, resamples=resamples)
            mine.append(time.perf_counter() - start)
    share = np.median(times[100]) / np.median(times[0]) - 1
    benchmark.extra_info["share"] = share
    benchmark.pedantic(
        effbench.psds1, args=(scores, *made.parts[1:]), kwargs={"classes": made.classes}, rounds=3
    )
    print(f"\n100 resamples cost {share:.2f} of the score")
    assert CLIPS < 800 or share < 1.0


@pytest.mark.parametrize(
    ("score", "kind"), [("psds1", "smooth"), ("psds1", "filtered"), ("psds2", "filtered")]
)
def test_peak_memory_beside_the_reference(benchmark, score, kind):
    pytest.importorskip("sed_scores_eval")

    def peaks(engine):
        clips, filtered = clips_of(score), kind == "filtered"
        return run_alone(MEMORY, clips=clips, filtered=filtered, score=score, engine=engine)

    (inputs, ours), (_, theirs) = benchmark.pedantic(lambda: list(map(peaks, ENGINES)), rounds=1)
    benchmark.extra_info.update(inputs_kb=inputs, ours_kb=ours, reference_kb=theirs)
    print(
        f"\n{score} {kind}: {ours / 1024:.0f} MB ({inputs / 1024:.0f} of it inputs); "
        f"reference {theirs / 1024:.0f} MB"
    )
    assert CLIPS < 800 or ours <= theirs / 5


@pytest.mark.slow
@pytest.mark.parametrize("score", SECONDS)
def test_sixteen_thousand_clips(benchmark, score):
    """All of AudioSet-strong's evaluation, made clip by clip as a file of scores would be read."""
    making, total, peak = benchmark.pedantic(run_alone, args=(ALL_CLIPS,), kwargs={"score": score}, rounds=1)
    benchmark.extra_info.update(making_seconds=making, total_seconds=total, peak_kb=peak)
    print(
        f"\n{score} of 16 000 clips: {total:.0f} s, about {making:.0f} s of it to make them; "
        f"{peak / 1024:.0f} MB"
    )
    assert total < SECONDS[score]
    assert peak < 2 * 1024**2


@pytest.mark.parametrize("window", [5, 9, 15])
def test_median_filter_beside_scipy(benchmark, window):
    from scipy.ndimage import median_filter as scipy_filter

    scores = np.random.default_rng(0).random((250, 447), dtype=np.float32)
    ours, theirs = [], []
    for _ in range(9):
        for mine, run in (
            (ours, lambda: median_filter(scores, window)),
            (theirs, lambda: scipy_filter(scores, size=(window, 1), mode="reflect")),
        ):
            start = time.perf_counter()
            run()
            mine.append(time.perf_counter() - start)
    benchmark.extra_info["ratio"] = np.median(theirs) / np.median(ours)
    benchmark(median_filter, scores, window)
