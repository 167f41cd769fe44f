"""Every backend gives the logits of eager float32, for clips and batches of any size and in two threads."""

import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch

import effbench
from effbench.errors import EffbenchWarning, UsageError
from effbench.infer.backends.backend import Backend, BackendUnavailable, Placement
from effbench.infer.backends.best import best_backend
from effbench.infer.backends.known import BACKENDS
from effbench.machine.devices import Precision
from effbench.measure.logit_error import as_if_trained
from effbench.models.backbones.backbone import Backbone
from effbench.models.backbones.fmn import BlockShape, ConvNormActivation, InvertedResidual
from effbench.models.detector import Predictions
from effbench.models.sequence.gru import build_bigru
from tests.models.transformers import small_detector

CPU = Placement(torch.device("cpu"), Precision.fp32)
#: (batch, frames of features)
SIZES = ((2, 250), (1, 250), (3, 137), (2, 2000))
SPECS = ("fmn01", "fmn01+gru-16", "fmn01+hybrid-32")


class SmallBackbone(Backbone):
    """Every kind of layer of a MobileNet once: a compiler takes seconds for a convolution."""

    label, n_mels, embed_dim = "the small backbone", 128, 16

    def __init__(self):
        super().__init__()
        self.features = torch.nn.Sequential(
            ConvNormActivation(1, 8, 3, stride=(2, 2), activation=torch.nn.Hardswish),
            InvertedResidual(8, BlockShape(3, 16, 16, True, torch.nn.ReLU, (2, 2)), 1.0),
        )

    def layer_groups(self):
        return [list(self.parameters())]

    def forward(self, features):
        return self.features(features).mean(2).transpose(1, 2)


def small():
    """A detector on the small backbone."""
    frontend = effbench.build_model("fmn01", seed=0).frontend
    torch.manual_seed(0)
    sequence = build_bigru(16, 8, depth=1)
    return effbench.SoundEventDetector(frontend, SmallBackbone(), sequence, width=16, n_classes=5).eval()


@pytest.fixture
def without_slow_starts(monkeypatch):
    for name in ("compiled", "onnx", "onnx-int8", "openvino"):
        monkeypatch.delitem(BACKENDS, name)


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path):
    monkeypatch.setenv("EFFBENCH_CACHE", str(tmp_path))


def features(size):
    batch, frames = size
    return torch.randn(batch, 1, 128, frames, generator=torch.Generator().manual_seed(frames))


@pytest.mark.parametrize(
    ("spec", "name"),
    [
        *((spec, name) for name in ("eager", "folded") for spec in SPECS),
        ("small", "compiled"),
        ("fmn01+gru-16", "onnx"),
        ("fmn01+hybrid-32", "openvino"),
    ],
)
def test_logits_are_those_of_eager_float32(spec, name):
    detector = as_if_trained(small() if spec == "small" else effbench.build_model(spec, seed=0).eval())
    optimized = effbench.optimize(detector, name, fall_back=False)
    assert optimized.backend == name
    assert optimized.logit_error <= 1e-3 < optimized.largest_logit
    with torch.inference_mode():
        expected = {size: detector(features(size)) for size in SIZES}
        for size in SIZES:
            for found, wanted in zip(optimized.network(features(size)), expected[size], strict=True):
                torch.testing.assert_close(found, wanted, atol=1e-3, rtol=0)
        with ThreadPoolExecutor(2) as threads:
            both = list(threads.map(lambda size: optimized.network(features(size)), SIZES[:2] * 3))
    for size, found in zip(SIZES[:2] * 3, both, strict=True):
        torch.testing.assert_close(found.strong, expected[size].strong, atol=1e-3, rtol=0)


def test_the_detector_stays_as_it_was():
    detector = effbench.build_model("fmn01+gru-16", seed=0).eval()
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    text = repr(list(detector.modules()))
    for name in ("folded", "compiled"):
        BACKENDS[name].make(detector, CPU)
    after = detector.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert repr(list(detector.modules())) == text


def test_waveforms_go_through_the_front_end():
    detector = as_if_trained(effbench.build_model("fmn01", seed=0).eval())
    waveform = torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0)) / 10
    with torch.inference_mode():
        expected = detector(detector.frontend(waveform))
    found = effbench.optimize(detector, "folded")(waveform)
    torch.testing.assert_close(found.strong, expected.strong, atol=1e-4, rtol=0)


def test_what_can_t_run_here_falls_back_in_words():
    detector = effbench.build_model("fmn01", seed=0).eval()
    with pytest.warns(EffbenchWarning, match="cuda-graph needs an NVIDIA GPU.* folded runs the model"):
        assert effbench.optimize(detector, "cuda-graph").backend == "folded"
    with pytest.raises(BackendUnavailable, match="needs an NVIDIA GPU"):
        effbench.optimize(detector, "cuda-graph", fall_back=False)


@pytest.mark.usefixtures("without_slow_starts")
def test_a_difference_above_the_tolerance_is_refused(monkeypatch):
    detector = as_if_trained(effbench.build_model("fmn01", seed=0).eval())

    def wrong(given, place):
        network = BACKENDS["eager"].make(given, place)
        return lambda x: network(x * 1.01)

    known = "effbench.infer.backends.known.BACKENDS"
    monkeypatch.setitem(BACKENDS, "eager-but-wrong", Backend("eager-but-wrong", known, wrong))
    with pytest.raises(BackendUnavailable, match=r"logits that are up to .* 0\.001 is allowed"):
        effbench.optimize(detector, "eager-but-wrong", fall_back=False)
    assert "eager-but-wrong" in best_backend(detector, CPU).refused


def test_exported_networks_are_kept_and_eight_bits_are_best_only_within_a_tolerance(monkeypatch, tmp_path):
    monkeypatch.delitem(BACKENDS, "compiled")
    detector = as_if_trained(effbench.build_model("fmn01", seed=0).eval())
    exact = BACKENDS["onnx"].make(detector, CPU)(features((1, 50)))
    first = effbench.optimize(detector, "onnx-int8")
    assert 1e-3 < first.logit_error < first.largest_logit / 2
    written = {file: file.stat().st_mtime_ns for file in (tmp_path / "onnx").iterdir()}
    assert len(written) == 2, "the file in float32 is that of the backend onnx"
    assert torch.equal(BACKENDS["onnx"].make(detector, CPU)(features((1, 50))).strong, exact.strong)
    assert effbench.optimize(detector, "onnx-int8").logit_error == first.logit_error
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "onnx").iterdir()} == written
    assert "onnx-int8" not in best_backend(detector, CPU).rates
    assert "onnx-int8" in best_backend(detector, CPU, tolerance=2 * first.logit_error).rates
    assert "onnx-int8" in best_backend(detector, CPU, tolerance=first.logit_error / 2).refused


def test_what_can_t_run_in_eight_bits_is_refused_and_nothing_else_runs(monkeypatch):
    detector = effbench.build_model("fmn01", seed=0).eval()
    for name in ("onnx", "onnx-int8"):
        with pytest.raises(BackendUnavailable, match=f"{name} computes in fp32 alone, not in bf16"):
            effbench.optimize(detector, name, precision="bf16", fall_back=False)
    with pytest.raises(BackendUnavailable, match="on the processor alone"):
        BACKENDS["onnx-int8"].make(detector, Placement(torch.device("cuda"), Precision.fp32))
    with pytest.raises(BackendUnavailable, match=r"onnx-int8 can't run the model: .* no convolutions beyond"):
        effbench.optimize(small_detector("ATST-F"), "onnx-int8")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(BackendUnavailable, match=r"can't run the model: .*pip install 'effbench\[onnx\]'"):
        effbench.optimize(detector, "onnx-int8")


def test_openvino_computes_in_bf16_where_the_processor_can(monkeypatch):
    import openvino

    detector = as_if_trained(effbench.build_model("fmn01", seed=0).eval())
    if "BF16" in openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        eager = effbench.optimize(detector, "eager", precision="bf16").logit_error
        found = effbench.optimize(detector, "openvino", precision="bf16", fall_back=False)
        assert 1e-3 < found.logit_error <= 3 * eager
        short = detector.backbone.min_feature_frames - 1
        with pytest.raises(UsageError, match=f"at least {short + 1} feature frames of 10 ms, not {short}"):
            found.network(features((1, short)))
    else:
        with pytest.raises(BackendUnavailable, match="bf16 where the processor can, not here"):
            effbench.optimize(detector, "openvino", precision="bf16", fall_back=False)
    with pytest.raises(BackendUnavailable, match="computes in fp32 and bf16, not in fp16"):
        effbench.optimize(detector, "openvino", precision="fp16", fall_back=False)
    with pytest.raises(BackendUnavailable, match="on the processor alone, not on a GPU"):
        BACKENDS["openvino"].make(detector, Placement(torch.device("cuda"), Precision.fp32))
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(BackendUnavailable, match=r"can't be imported .*pip install 'effbench\[openvino\]'"):
        effbench.optimize(detector, "openvino", fall_back=False)


@pytest.mark.usefixtures("without_slow_starts")
def test_lower_precisions_have_a_limit_of_their_own(monkeypatch):
    detector = as_if_trained(effbench.build_model("fmn01", seed=0).eval())
    place = Placement(torch.device("cpu"), Precision.bf16)
    own = effbench.optimize(detector, "eager", precision="bf16").logit_error

    def wrong(by):
        def make(given, where):
            network = BACKENDS["eager"].make(given, Placement(where.device, Precision.fp32))
            return lambda x: Predictions(*(logits + by for logits in network(x)))

        return make

    monkeypatch.setitem(BACKENDS, "near", Backend("near", "", wrong(2 * own)))
    monkeypatch.setitem(BACKENDS, "far", Backend("far", "", wrong(4 * own)))
    found = best_backend(detector, place, 1)
    assert {"eager", "folded", "near"} <= set(found.rates)
    assert "is allowed" in found.refused["far"]
    with pytest.raises(BackendUnavailable, match="the backend far gives logits"):
        effbench.optimize(detector, "far", precision="bf16", fall_back=False)
    with pytest.raises(BackendUnavailable, match="no backend is exact enough: the backend eager gives"):
        best_backend(detector, place, 1, tolerance=own / 2)


def test_an_unknown_backend_suggests_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'folded'"):
        effbench.optimize(effbench.build_model("fmn01", seed=0), "fold")


@pytest.mark.usefixtures("without_slow_starts")
def test_the_best_backend_is_measured_once(tmp_path):
    detector = as_if_trained(effbench.build_model("fmn01", seed=0).eval())
    found = best_backend(detector, CPU, 2)
    assert found.name == max(found.rates, key=found.rates.get)
    assert set(found.rates) == {"eager", "folded"}
    assert "cuda-graph" in found.refused
    (file,) = (tmp_path / "backends").iterdir()
    written = file.stat().st_mtime_ns
    assert best_backend(detector, CPU, 2) == found
    assert file.stat().st_mtime_ns == written
    file.write_text("{}")
    assert set(best_backend(detector, CPU, 2).rates) == set(found.rates)


def test_weights_that_have_diverged_run_as_they_are():
    detector = as_if_trained(effbench.build_model("fmn01", seed=0).eval())
    with torch.no_grad():
        detector.strong_head.weight.mul_(1e5)
        assert effbench.optimize(detector, "folded").largest_logit > 1e5
        detector.strong_head.weight[0, 0] = torch.nan
    found = effbench.optimize(detector, "folded")
    assert found.logit_error < 1e-4 * found.largest_logit
