"""Forward pass of one clip: six models, and the front-end."""

import pytest
import torch

import effbench

SPECS = ["fmn10", "fmn10+tf-256", "fmn10+gru-256", "fmn10+tcn-256", "fmn10+mamba-256", "fmn10+hybrid-256"]


@pytest.mark.parametrize("spec", SPECS)
def test_forward(benchmark, spec):
    detector = effbench.build_model(spec, seed=0)
    benchmark(detector, torch.randn(1, 1, 128, 1000))


def test_frontend(benchmark):
    benchmark(effbench.build_model("fmn04").frontend, torch.randn(1, 160_000))
