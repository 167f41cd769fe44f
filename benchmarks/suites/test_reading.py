"""Reading two million rows of scores beside a million events: seconds, and the peak of memory."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

CLIPS, FRAMES, EVENTS, CLASSES = 8000, 250, 1_000_000, 10
SCRIPT = """
import json, sys, time
from pathlib import Path
from effbench.evaluate.given import read_given
began = time.perf_counter()
given = read_given(Path(sys.argv[1]), Path(sys.argv[2]))
rows = sum(len(scores) for scores in given.scores.scores.values())
events = sum(map(len, given.ground_truth.values()))
seconds = time.perf_counter() - began
status = Path("/proc/self/status").read_text().split()
print(json.dumps([rows, events, seconds, int(status[status.index("VmHWM:") + 1]) / 1e6]))
"""


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> tuple[Path, Path]:
    folder = tmp_path_factory.mktemp("tables")
    generator = np.random.default_rng(0)
    classes = [f"class {number}" for number in range(CLASSES)]
    onsets = np.tile(np.arange(FRAMES) * 0.04, CLIPS).round(2)
    names = np.repeat([f"{number:05}.wav" for number in range(CLIPS)], FRAMES)
    scores = pd.DataFrame(generator.random((CLIPS * FRAMES, CLASSES)).round(5), columns=classes)
    scores.insert(0, "offset", (onsets + 0.04).round(2))
    scores.insert(0, "onset", onsets)
    scores.insert(0, "filename", names)
    scores.to_csv(folder / "scores.csv", index=False)
    begins = generator.uniform(0, 9, EVENTS).round(3)
    events = {
        "filename": generator.choice(names[::FRAMES], EVENTS),
        "onset": begins,
        "offset": (begins + 0.5).round(3),
        "event_label": generator.choice(classes, EVENTS),
    }
    pd.DataFrame(events).to_csv(folder / "truth.tsv", sep="\t", index=False)
    return folder / "scores.csv", folder / "truth.tsv"


def test_reading(benchmark, tables):
    def read():
        script = [sys.executable, "-c", SCRIPT, *map(str, tables)]
        return json.loads(subprocess.run(script, capture_output=True, text=True, check=True).stdout)

    rows, events, seconds, gigabytes = benchmark.pedantic(read, rounds=1)
    benchmark.extra_info |= {"seconds": seconds, "peak GB": gigabytes}
    assert (rows, events) == (CLIPS * FRAMES, EVENTS)
    assert seconds < 60
    assert gigabytes < 2
