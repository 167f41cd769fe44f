"""How long it takes to count MACs on the meta device and on the CPU."""

import pytest
import torch

import effbench
from effbench.measure.macs import count_macs
from effbench.measure.macs.crosscheck import COUNTERS, cross_check

SPECS = ["fmn10", "fmn10+tf-256", "fmn10+gru-1024", "fmn10+mamba-256", "fmn10+hybrid-256"]
FEATURES = (1, 1, 128, 1000)


@pytest.mark.parametrize("spec", SPECS)
def test_count(benchmark, spec):
    with torch.device("meta"):
        detector = effbench.build_model(spec)
    report = benchmark(count_macs, detector, torch.zeros(FEATURES, device="meta"))
    assert not report.unknown


@pytest.mark.parametrize("counter", list(COUNTERS))
def test_third_party_counter(benchmark, counter):
    detector = effbench.build_model("fmn10+tf-256", seed=0)
    report = count_macs(detector, torch.zeros(FEATURES))
    check = benchmark.pedantic(
        cross_check, args=(detector, torch.zeros(FEATURES), report, counter), rounds=3, warmup_rounds=1
    )
    assert check.macs
