"""Detection in a long file, from MP3 to events, against the bare network on the same windows.

The bare network is timed twice: as ``build_model`` makes it and ``profile`` times it, and in the faster
arrangement that detection uses itself. All take turns, so that what else the machine does hits all; each
ratio is of two neighbouring runs.
"""

import time

import numpy as np
import pytest
import soundfile
import torch

import effbench
from effbench.data.audio import stream_audio
from effbench.detect.event_decoding import Decoding
from effbench.detect.inputs import Source
from effbench.detect.run import detect_files
from effbench.infer.scorer import FrameScorer, Inference
from effbench.infer.windows import cut

MINUTES, RATE, ROUNDS = 10, 44_100, 3
BATCH_SIZES = (1, 2, 4, 8)


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Ten minutes of noise and tones in stereo at 44.1 kHz."""
    path = tmp_path_factory.mktemp("detect") / "long.mp3"
    rng = np.random.default_rng(0)
    t = np.arange(30 * RATE) / RATE
    tone = 0.2 * np.sin(2 * np.pi * (300 + 200 * np.sin(t)) * t)
    minute = np.stack([0.05 * rng.standard_normal(len(t)) + tone, 0.05 * rng.standard_normal(len(t))], 1)
    with soundfile.SoundFile(path, "w", RATE, 2) as file:
        for _ in range(2 * MINUTES):
            file.write(minute)
    return Source(path.name, path)


def seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


class Bare:
    """The network alone, on features that are there already, at its best batch size."""

    def __init__(self, network, windows):
        self.network = network
        batches = [
            network.frontend(torch.from_numpy(np.stack(windows[i : i + 5])))
            for i in range(0, len(windows), 5)
        ]
        self.features = torch.cat(batches)
        sample = self.features[:16]
        cost = {
            size: min(seconds(lambda s=size: self.run(sample, s)) for _ in range(3)) for size in BATCH_SIZES
        }
        self.batch_size = min(cost, key=cost.get)

    def run(self, features, size):
        for batch in features.split(size):
            self.network(batch)

    def __call__(self):
        self.run(self.features, self.batch_size)


@pytest.mark.parametrize("overlap", [True, False], ids=["overlap", "hard-cuts"])
def test_end_to_end(benchmark, source, overlap):
    torch.set_num_threads(2)
    detector = effbench.build_model("fmn10", seed=0)
    scorer = FrameScorer(detector, Inference(overlap=overlap), probabilities=True)
    windows = [window.samples for window in cut(stream_audio(source.audio), overlap=overlap)]
    bare, plain = Bare(scorer.optimized[0].network, windows), Bare(detector, windows)
    ratios, of_plain = [], []

    def turn():
        whole = seconds(lambda: list(detect_files([source], scorer, Decoding())))
        ratios.append(seconds(bare) / whole)
        of_plain.append(seconds(plain) / whole)

    benchmark.pedantic(turn, rounds=ROUNDS, warmup_rounds=1)
    for name, values in (("network as detection runs it", ratios), ("network as profiled", of_plain)):
        low, middle, high = np.quantile(values[1:], [0, 0.5, 1])
        text = f"{middle:.2f} [{low:.2f}, {high:.2f}]"
        benchmark.extra_info[name] = text
        print(f"\n{len(windows)} windows: {text} of the throughput of the {name}")
    assert np.median(of_plain[1:]) >= 0.75


def test_overlap_against_hard_cuts(benchmark, source):
    torch.set_num_threads(2)
    detector = effbench.build_model("fmn10", seed=0)
    fading, cutting = (
        FrameScorer(detector, Inference(overlap=overlap), probabilities=True) for overlap in (True, False)
    )
    ratios = []

    def turn():
        cross_faded = seconds(lambda: list(detect_files([source], fading, Decoding())))
        ratios.append(cross_faded / seconds(lambda: list(detect_files([source], cutting, Decoding()))))

    benchmark.pedantic(turn, rounds=3 * ROUNDS, warmup_rounds=1)
    benchmark.extra_info["overlap / hard cuts"] = ratios[1:]
    low, middle, high = np.quantile(ratios[1:], [0, 0.5, 1])
    print(f"\noverlap takes {middle:.2f} [{low:.2f}, {high:.2f}] times as long as hard cuts")
    assert np.median(ratios[1:]) <= 1.3
