"""Published logits on every backend of a CPU, and eager's for clips and batches of other sizes."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch

import effbench
from effbench.grid import SAMPLE_RATE
from effbench.infer.backends.verify import LOGIT_TOLERANCE
from effbench.models.probe import probe_clips
from tests.models import parity
from tests.models.transformers import small_detector

#: (batch, seconds)
SIZES = ((1, 1.0), (3, 3.37), (2, 20.0))
SHORT = SIZES[:2]  # long clips are compiled apart, which takes half a minute

#: A model of each kind of sequence, each backend beside; compilers take seconds for a layer.
ON_TORCH = ("fmn04", "fmn04+tf-104", "fmn04+tcn-104", "fmn04+hybrid-104")
ON_TORCH += ("fmn06+gru-160", "fmn06+mamba-160", "fmn10+attn-128")
CASES = [
    *((name, backend) for name in ON_TORCH for backend in ("eager", "folded")),
    *(pytest.param(name, "onnx", marks=pytest.mark.slow) for name in ("fmn04+tf-104", "fmn06+gru-160")),
    pytest.param("fmn06+mamba-160", "openvino", marks=pytest.mark.slow),
    pytest.param("fmn04", "compiled", marks=pytest.mark.slow),
]


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("EFFBENCH_CACHE", str(tmp_path))


def detector_of(name, folder):
    path = parity.save(parity.renamed_state(name), folder / "weights.pt")
    detector = effbench.build_model(parity.spec_of(name), checkpoint=path)
    path.unlink()
    return detector


def assert_same_in_two_threads(optimized, sizes, tolerance):
    batches = [probe_clips(SAMPLE_RATE, seconds)[:clips] for clips, seconds in sizes]
    with torch.inference_mode():
        expected = [optimized.detector(optimized.detector.frontend(batch)) for batch in batches]
    with ThreadPoolExecutor(2) as threads:
        found = list(threads.map(optimized, batches + batches[::-1]))
    for one, other in zip(found, expected + expected[::-1], strict=True):
        for logits, wanted in zip(one, other, strict=True):
            torch.testing.assert_close(logits, wanted, atol=tolerance, rtol=0)


@pytest.mark.parametrize(("name", "backend"), CASES)
def test_published_logits_and_eager_s_at_any_size(name, backend, tmp_path):
    optimized = effbench.optimize(detector_of(name, tmp_path), backend, fall_back=False)
    with torch.inference_mode():
        found = optimized.network(parity.mel_input())
        heard = optimized(parity.waveform())
    # In proportion of logits above 10, as the backends state it.
    tolerance = LOGIT_TOLERANCE * max(1.0, optimized.largest_logit / 10)
    assert optimized.logit_error <= tolerance
    assert np.abs(found.strong[0, ::14, ::10].numpy() - parity.output(name, "strong_m")).max() <= tolerance
    assert np.abs(found.weak[0, ::14].numpy() - parity.output(name, "weak_m")).max() <= tolerance
    assert np.abs(heard.strong[0, ::14, ::10].numpy() - parity.output(name, "strong_s0")).max() <= tolerance
    assert np.abs(heard.weak[0, ::7].numpy() - parity.output(name, "weak_s0")).max() <= tolerance
    assert_same_in_two_threads(optimized, SHORT if backend == "compiled" else SIZES, tolerance)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["folded", "onnx"])
def test_a_transformer_is_the_same_at_any_size(backend):
    optimized = effbench.optimize(small_detector("ATST-F"), backend, fall_back=False)
    assert_same_in_two_threads(optimized, (*SHORT, (2, 10.0)), LOGIT_TOLERANCE)


@pytest.mark.slow
def test_eight_bits_hold_the_error_that_is_said(tmp_path):
    name = "fmn04"
    optimized = effbench.optimize(detector_of(name, tmp_path), "onnx-int8")
    with torch.inference_mode():
        found = optimized(parity.waveform())
    assert LOGIT_TOLERANCE < optimized.logit_error < optimized.largest_logit / 2
    difference = np.abs(found.strong[0, ::14, ::10].numpy() - parity.output(name, "strong_s0"))
    assert difference.max() <= 2 * optimized.logit_error
    assert_same_in_two_threads(optimized, SIZES, 2 * optimized.logit_error)
