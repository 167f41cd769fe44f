"""Behaviour of whole detectors: shapes, lengths, determinism, autocast, export."""

import pytest
import torch

import effbench
from effbench.errors import UnknownModel, UsageError
from effbench.models.backbones.fmn import FrameMobileNet, round_channels
from effbench.models.detector import resize_frames

FAMILIES = ["fmn04", *(f"fmn04+{name}-104" for name in ("tf", "gru", "attn", "tcn", "mamba", "hybrid"))]


@pytest.fixture(scope="module", params=FAMILIES)
def detector(request):
    return effbench.build_model(request.param, seed=0)


def audio(seconds, batch=1, seed=0):
    return 0.1 * torch.randn(batch, round(16_000 * seconds), generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
@pytest.mark.parametrize(("seconds", "frames"), [(0.1, 3), (1, 25), (4.5, 113), (10, 250), (12.3, 308)])
def test_output_frames_follow_the_audio(detector, seconds, frames):
    predictions = detector(detector.frontend(audio(seconds, batch=2)))
    assert predictions.strong.shape == (2, 447, frames)
    assert predictions.weak.shape == (2, 447)
    assert torch.isfinite(predictions.strong).all()


@torch.inference_mode()
@pytest.mark.parametrize("seconds", [1, 10, 20])
def test_published_frames_are_always_250(seconds):
    detector = effbench.build_model("fmn04+tf-104", frames="published")
    assert detector(detector.frontend(audio(seconds))).strong.shape == (1, 447, 250)


@torch.inference_mode()
def test_clips_of_a_batch_do_not_influence_each_other(detector):
    features = detector.frontend(audio(2, batch=3))
    together, alone = detector(features), detector(features[1:2])
    torch.testing.assert_close(together.strong[1:2], alone.strong, rtol=1e-4, atol=1e-5)
    assert torch.equal(detector(features).strong, together.strong)


@torch.inference_mode()
def test_bfloat16_autocast_stays_near_float32(detector):
    with torch.autocast("cpu", torch.bfloat16):
        features = detector.frontend(audio(2))
        low = detector(features)
    assert features.dtype == torch.float32
    full = detector(features)
    assert (low.strong.float() - full.strong).abs().max() <= 0.05 + 0.1 * full.strong.abs().max()


def test_exports_with_a_dynamic_batch(detector):
    features = detector.frontend(audio(1, batch=2))
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(detector, (features,), dynamic_shapes=({0: batch},))
    others = detector.frontend(audio(1, batch=3, seed=1))
    torch.testing.assert_close(program.module()(others).strong, detector(others).strong, rtol=1e-4, atol=1e-5)


def test_frontend_exports():
    detector = effbench.build_model("fmn04")
    program = torch.export.export(detector.frontend, (audio(1, batch=2),))
    torch.testing.assert_close(program.module()(audio(1, batch=2, seed=1)), detector.frontend(audio(1, 2, 1)))


def test_training_step_reaches_every_trainable_parameter(detector):
    detector.train()
    predictions = detector(detector.frontend(audio(1, batch=2)))
    (predictions.strong.square().mean() + predictions.weak.square().mean()).backward()
    without = [name for name, p in detector.named_parameters() if p.requires_grad and p.grad is None]
    detector.zero_grad()
    detector.eval()
    assert not without


def test_seed_makes_weights_reproducible_and_leaves_the_global_state():
    torch.manual_seed(1)
    expected = torch.rand(1)
    torch.manual_seed(1)
    first = effbench.build_model("fmn04+mamba-104", seed=7).state_dict()
    assert torch.equal(torch.rand(1), expected)
    second = effbench.build_model("fmn04+mamba-104", seed=7).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize(("spec", "dim"), [("fmn15", 1440), ("fmn03", 288), ("fmn40", 3840)])
def test_any_width_builds(spec, dim):
    detector = effbench.build_model(spec)
    assert detector.backbone.embed_dim == FrameMobileNet.embed_dim_of(int(spec[3:]) / 10) == dim
    assert detector(detector.frontend(audio(0.5))).strong.shape == (1, 447, 13)


@pytest.mark.parametrize(
    ("channels", "rounded"),
    [(16 * 0.4, 8), (40 * 0.4, 16), (24 * 0.6, 16), (112 * 0.6, 64), (120 * 0.4, 48), (1, 8)],
)
def test_channels_round_to_the_nearest_multiple_of_eight(channels, rounded):
    assert round_channels(channels) == rounded


@pytest.mark.parametrize(
    "spec", ["fmn04+hybrid-104", "fmn10+attn-104", "fmn10+mamba-104", "fmn10+tf-960", "fmn04+tf-4"]
)
def test_unusual_dimensions_work(spec):
    detector = effbench.build_model(spec, n_classes=5)
    assert detector(detector.frontend(audio(0.5))).strong.shape == (1, 5, 13)


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ("fmn10+attn-100", ["fmn10+attn-96", "fmn10+attn-104"]),
        ("fmn10+mamba-6", ["multiple of 4"]),
        ("fmn10+tf-130", ["136"]),
    ],
)
def test_impossible_dimension_says_which_are_legal(spec, named):
    with pytest.raises(UnknownModel) as caught:
        effbench.build_model(spec)
    assert all(text in str(caught.value) for text in named)


@pytest.mark.parametrize(
    "arguments", [{"n_classes": 0}, {"n_classes": 5, "n_weak_classes": -1}, {"frames": "fixed"}]
)
def test_bad_arguments_are_refused(arguments):
    with pytest.raises(UsageError):
        effbench.build_model("fmn04", **arguments)


@pytest.mark.parametrize("shape", [(16_000,), (1, 1, 16_000), (1, 100)])
def test_frontend_refuses_what_is_no_batch_of_clips(shape):
    with pytest.raises(ValueError, match="waveform"):
        effbench.build_model("fmn04").frontend(torch.zeros(shape))


def test_backbone_refuses_features_of_another_front_end():
    with pytest.raises(ValueError, match="128"):
        effbench.build_model("fmn04")(torch.zeros(1, 1, 64, 100))


def test_frames_are_pooled_and_interpolated_as_published():
    x = torch.arange(6.0).reshape(1, 6, 1)
    assert torch.equal(resize_frames(x, 3).flatten(), torch.tensor([0.5, 2.5, 4.5]))
    assert torch.allclose(resize_frames(x[:, :2], 4).flatten(), torch.tensor([0.0, 0.25, 0.75, 1.0]))


def test_a_detector_is_one_line():
    assert repr(effbench.build_model("fmn04", n_classes=12)) == (
        "<SoundEventDetector fmn04: 12 classes, 525 k parameters>"
    )
