"""Backends against the eager float32 network of ``build_model``, in turns, with the same weights.

EFFBENCH_SUITE_THREADS=2 python -m pytest benchmarks/suites/test_backends.py -s
"""

import os
import time

import numpy as np
import pytest
import torch

import effbench
from effbench.infer.backends.backend import BackendUnavailable
from effbench.infer.backends.known import BACKENDS
from effbench.measure.logit_error import as_if_trained

THREADS = int(os.environ.get("EFFBENCH_SUITE_THREADS", "2"))
BATCH, ROUNDS = 4, 21
MODELS = ("fmn10", "fmn10+hybrid-512", "fmn10+tf-256", "fmn10+gru-256")


@pytest.mark.parametrize("spec", MODELS)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_ratios(benchmark, spec, precision):
    torch.set_num_threads(THREADS)
    detector = as_if_trained(effbench.build_model(spec, seed=0).eval())
    networks = {"eager fp32": effbench.optimize(detector, "eager")}
    for name in BACKENDS:
        try:
            networks[name] = effbench.optimize(detector, name, precision=precision, fall_back=False)
        except BackendUnavailable as unavailable:
            print(f"\n{unavailable}")
    waveform = torch.randn(BATCH, 160_000, generator=torch.Generator().manual_seed(0)) / 10
    with torch.inference_mode():
        features = detector.frontend(waveform)
    seconds = {name: [] for name in networks}

    def turn():
        for name, optimized in networks.items():
            with torch.inference_mode():
                optimized.network(features)  # threads of the one before, which still spin, come to rest
                start = time.perf_counter()
                optimized.network(features)
            seconds[name].append(time.perf_counter() - start)

    benchmark.pedantic(turn, rounds=ROUNDS, warmup_rounds=2)
    base = np.array(seconds.pop("eager fp32"))[2:]
    for name, times in seconds.items():
        ratios = base / np.array(times)[2:]
        low, middle, high = np.quantile(ratios, [0.25, 0.5, 0.75])
        error = networks[name].logit_error
        text = (
            f"{middle:.2f} [{low:.2f}, {high:.2f}], {BATCH / np.median(times):.1f} clips/s, error {error:.1g}"
        )
        benchmark.extra_info[name] = text
        print(f"\n{spec} {precision} {name}: {text}")
