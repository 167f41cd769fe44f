"""Every backend gives the logits of eager float32, for clips and batches of any size and in two threads."""

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
from effbench.models.sequence.gru import build_bigru

CPU = Placement(torch.device("cpu"), Precision.fp32)
#: (batch, frames of features)
SIZES = ((2, 250), (1, 250), (3, 137))
SPECS = ("fmn01", "fmn01+gru-16", "fmn01+hybrid-32")
HERE = [name for name in BACKENDS if name not in ("cuda-graph", "triton")]


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
    for name in ("compiled", "onnx"):
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
        *((spec, name) for name in HERE if name not in ("compiled", "onnx") for spec in SPECS),
        ("small", "compiled"),
        ("fmn01+gru-16", "onnx"),
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


def test_an_exported_network_is_kept(tmp_path):
    detector = as_if_trained(effbench.build_model("fmn01", seed=0).eval())
    first = BACKENDS["onnx"].make(detector, CPU)(features((1, 50)))
    (file,) = (tmp_path / "onnx").iterdir()
    written = file.stat().st_mtime_ns
    assert torch.equal(BACKENDS["onnx"].make(detector, CPU)(features((1, 50))).strong, first.strong)
    assert file.stat().st_mtime_ns == written
    with pytest.raises(BackendUnavailable, match="in fp32 alone, not in bf16"):
        BACKENDS["onnx"].make(detector, Placement(torch.device("cpu"), Precision.bf16))


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


def test_an_unknown_backend_suggests_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'folded'"):
        effbench.optimize(effbench.build_model("fmn01", seed=0), "fold")


@pytest.mark.usefixtures("without_slow_starts")
def test_the_best_backend_is_measured_once(tmp_path):
    detector = as_if_trained(effbench.build_model("fmn01", seed=0).eval())
    found = best_backend(detector, CPU, 2)
    assert found.name == max(found.rates, key=found.rates.get)
    assert set(HERE) > set(found.rates) >= {"eager", "folded"}
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
