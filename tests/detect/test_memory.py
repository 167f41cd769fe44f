"""Memory does not depend on the length of the audio."""

import json
import subprocess
import sys

import numpy as np
import pytest
import soundfile

from tests.detect import heard

CHILD = """
import json, resource, sys
from effbench.cli import main
try:
    main()
except SystemExit as ended:
    code = ended.code or 0
print(json.dumps([code, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss]))
"""


@pytest.mark.slow
def test_peak_memory_is_the_same_for_short_and_long_audio(tmp_path):
    weights = heard.weights(tmp_path)
    minute = heard.audio(60)
    peaks = []
    for minutes in (3, 18):
        path = tmp_path / f"{minutes}.wav"
        with soundfile.SoundFile(path, "w", 16_000, 1) as file:
            for _ in range(minutes):
                file.write(minute)
        arguments = ["detect", str(path), "--model", "fmn04", "--checkpoint", str(weights)]
        arguments += ["--threshold", "0.8", "--out", f"{minutes}.csv", "--scores", f"{minutes}.parquet"]
        command = [sys.executable, "-c", CHILD, *arguments]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
        code, peak = json.loads(done.stdout)
        assert code == 0, done.stderr
        peaks.append(peak)
    assert np.ptp(peaks) <= 0.1 * min(peaks), peaks
