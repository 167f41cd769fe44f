"""How long it takes to make a detector, with weights and without."""

import pytest
import torch

import effbench

SPECS = ["fmn04", "fmn10+tf-256", "fmn10+gru-256", "fmn10+hybrid-512"]


@pytest.mark.parametrize("spec", SPECS)
def test_build(benchmark, spec):
    benchmark(effbench.build_model, spec, seed=0)


@pytest.mark.parametrize("spec", SPECS)
def test_build_without_weights(benchmark, spec):
    def build():
        with torch.device("meta"):
            return effbench.build_model(spec)

    benchmark(build)
