"""MACs of the audio transformers against closed forms, to the unit."""

import pytest
import torch

import effbench
from effbench.measure.complexity import count_parameters
from effbench.measure.macs import count_macs
from effbench.measure.macs.crosscheck import COUNTERS, cross_check
from effbench.models import zoo
from effbench.spec import TRANSFORMERS, ModelSpec
from tests.measure.macs.test_counts import closed_form_sequence
from tests.models.transformers import small_detector
from tests.rows import TRANSFORMER_COUNTS

D, LAYERS, HEADS = 768, 12, 12
FEATURES = {
    "BEATs": (1, 1, 128, 998),
    "ATST-F": (1, 1, 64, 1001),
    "fpasst": (1, 1, 128, 1000),
    "M2D": (1, 1, 80, 1001),
    "ASIT": (1, 1, 128, 998),
}


def blocks(n):
    """Queries, keys, values and output (4 d²), feed-forward (8 d²), QK' and AV (n d each) of every token."""
    return LAYERS * (n * 12 * D * D + 2 * n * n * D)


def backbone(name):
    """MACs of a backbone, and what the published implementation spends on a frame that it discards."""
    if name == "BEATs":
        n = 62 * 8
        patches = n * 512 * 16 * 16 + n * 512 * D
        positions = n * D * (D // 16) * 128
        gates = LAYERS * n * HEADS * 64 * 8
        return patches + positions + gates + blocks(n), D * (D // 16) * 128
    if name == "ATST-F":
        return 250 * (64 * 4) * D + blocks(250), 0
    if name == "fpasst":
        stem = 9 * (64 * 500 * 16 + 64 * 500 * 16 * 32 + 32 * 250 * 32 * 64)
        frame = 16 * 128 * 2 * D
        return stem + 250 * frame + blocks(2 + 250), frame
    if name == "M2D":
        return 5 * 62 * 16 * 16 * D + blocks(1 + 5 * 62), 0
    return 8 * 62 * 16 * 16 * D + blocks(1 + 8 * 62), 0


@pytest.mark.parametrize("sequence", ["", "+tf-256", "+gru-256", "+mamba-256"])
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_transformers_equal_their_closed_form(name, sequence):
    with torch.device("meta"):
        detector = effbench.build_model(name + sequence)
    report = count_macs(detector, torch.zeros(FEATURES[name]), strict=True)
    spent, discarded = backbone(name)
    width = 5 * D if name == "M2D" else D
    exact = paper = 0
    if sequence:
        spec = ModelSpec.parse(name + sequence)
        exact, paper = closed_form_sequence(spec.sequence, width, 256, 250, {"tf": 8}.get(spec.sequence, 64))
        width = 512 if spec.sequence == "gru" else 256
    head = 250 * width * 447 + width * 447
    if not sequence:  # what other tests take for granted
        assert TRANSFORMER_COUNTS[name] == (count_parameters(detector).total, report.exact)
        counts = zoo.models()[ModelSpec(name)].card.counts
        assert counts is not None
        assert TRANSFORMER_COUNTS[name] == (counts.parameters, counts.macs)
    assert report.device == "meta"
    assert report.by_module["backbone"] == spent
    assert report.exact == spent + exact + head
    assert report.paper == spent + discarded + paper + head


def test_attention_is_counted_with_its_bias_and_gates():
    with torch.device("meta"):
        report = count_macs(effbench.build_model("BEATs"), torch.zeros(FEATURES["BEATs"]), strict=True)
    assert report.by_operator["attention"] == LAYERS * 2 * 496 * 496 * D
    assert report.by_module["backbone.encoder.layers.3.self_attn.grep_linear"] == 496 * HEADS * 64 * 8
    assert report.by_module["backbone.encoder.relative_attention_bias"] == 0


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_count_does_not_depend_on_the_device(name):
    detector = small_detector(name)
    features = detector.frontend(torch.zeros(1, 16_000))
    meta = count_macs(detector, features, strict=True)
    on_cpu = torch.nn.Sequential(detector)
    on_cpu.register_forward_pre_hook(lambda module, inputs: float(inputs[0].sum()) and None)
    real = count_macs(on_cpu, features, strict=True)
    assert (meta.device, real.device) == ("meta", "cpu")
    assert (meta.exact, meta.paper, meta.by_operator) == (real.exact, real.paper, real.by_operator)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_differences_of_third_party_counters_are_explained(name):
    detector = small_detector(name)
    features = detector.frontend(torch.zeros(1, 16_000))
    report = count_macs(detector, features, strict=True)
    for counter in COUNTERS:
        result = cross_check(detector, features, report, counter)
        explained = sum(float(cause.split()[0].replace(",", "")) for cause in result.causes) * 1e6
        assert result.macs is not None
        assert not any("ModuleList" in cause for cause in result.causes)
        assert result.macs - report.exact == pytest.approx(explained, abs=500 * (1 + len(result.causes)))


@pytest.mark.parametrize(("name", "bands"), [("BEATs", 128), ("ATST-F", 64), ("M2D", 80), ("ASIT", 128)])
def test_frontends_count_their_transform_and_filters(name, bands):
    frontend = small_detector(name).frontend
    report = count_macs(frontend, torch.zeros(1, 160_000), strict=True)
    frames, n_fft = frontend.frames(160_000), frontend.n_fft
    assert report.by_operator["matrix product"] == bands * (n_fft // 2 + 1) * frames
    assert set(report.by_operator) == {"matrix product", "fourier transform"}
