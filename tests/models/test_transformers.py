"""Behaviour of the audio transformers, on small ones: lengths, noise, groups, recomputation, formulas."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

import effbench
from effbench.errors import UsageError
from effbench.models.backbones.asit import Asit
from effbench.models.backbones.beats import (
    Beats,
    GatedBiasAttention,
    PositionalConvolution,
    RelativePositionBias,
)
from effbench.models.backbones.fpasst import FramePasst
from effbench.models.backbones.m2d import M2d
from effbench.models.backbones.vit import Attention
from effbench.spec import TRANSFORMERS
from tests.models.transformers import small_detector

ANY_LENGTH = ["BEATs", "M2D", "ASIT"]
TEN_SECONDS = ["ATST-F", "fpasst"]


@pytest.fixture(scope="module", params=TRANSFORMERS)
def detector(request):
    detector = small_detector(request.param)
    detector.name = request.param
    return detector


def audio(samples, batch=1, seed=0):
    return 0.1 * torch.randn(batch, samples, generator=torch.Generator().manual_seed(seed))


@torch.inference_mode()
@pytest.mark.parametrize("samples", [2_900, 3_200, 16_000, 16_001, 72_345, 159_999, 160_000])
def test_output_frames_follow_the_audio(detector, samples):
    features = detector.frontend(audio(samples, batch=2))
    predictions = detector(features)
    assert features.shape == (2, 1, detector.backbone.n_mels, detector.frontend.frames(samples))
    assert predictions.strong.shape == (2, 5, math.ceil(samples / 640))
    assert predictions.weak.shape == (2, 5)
    assert torch.isfinite(predictions.strong).all()


@given(samples=st.integers(1, 500_000))
def test_frames_of_any_length_are_those_of_the_audio(detector, samples):
    if samples >= detector.frontend.min_samples:
        assert detector.backbone.frames(detector.frontend.frames(samples)) == math.ceil(samples / 640)


@torch.inference_mode()
@pytest.mark.parametrize("name", ["BEATs", "ATST-F", "M2D", "ASIT"])
def test_features_grow_with_the_logarithm_of_power(name):
    frontend, clip = small_detector(name).frontend, audio(16_000)
    growth = frontend(clip * math.exp(0.5)) - frontend(clip)
    assert growth.median() == pytest.approx(1 / frontend.log_scale, rel=1e-3)


@torch.inference_mode()
@pytest.mark.parametrize("name", ANY_LENGTH)
def test_longer_clips_keep_the_frame_rate(name):
    detector = small_detector(name)
    assert detector(detector.frontend(audio(401_000))).strong.shape == (1, 5, 627)


@torch.inference_mode()
@pytest.mark.parametrize("name", TEN_SECONDS)
def test_clips_beyond_the_table_of_positions_are_refused_in_words(name):
    detector = small_detector(name)
    features = detector.frontend(audio(160_001))
    with pytest.raises(UsageError, match=r"250 frames of 40 ms \(10 s\); this clip has 251"):
        detector(features)


@torch.inference_mode()
def test_shortest_input_passes_and_a_shorter_one_is_refused(detector):
    least = detector.frontend.min_samples
    assert detector(detector.frontend(audio(least))).strong.shape[2] == math.ceil(least / 640)
    with pytest.raises(ValueError, match=f"at least {least}"):
        detector.frontend(audio(least - 1))


@pytest.mark.parametrize("name", ["BEATs", "ASIT"])
def test_features_shorter_than_a_patch_are_refused_in_words(name):
    with pytest.raises(UsageError, match="16 feature frames"):
        small_detector(name)(torch.zeros(1, 1, 128, 15))


@pytest.mark.parametrize("shape", [(1, 1, 33, 200), (1, 128, 200), (1, 2, 128, 200)])
def test_features_of_another_frontend_are_refused(detector, shape):
    with pytest.raises(ValueError, match="features must be"):
        detector(torch.zeros(shape))


def test_what_is_no_batch_of_clips_is_refused(detector):
    with pytest.raises(ValueError, match="waveform must be"):
        detector.frontend(torch.zeros(16_000))


@torch.inference_mode()
@pytest.mark.parametrize("samples", [16_000, 160_000])
def test_published_frames_are_always_250(detector, samples):
    published = small_detector(detector.name, fixed_frames=250)
    features = detector.frontend(audio(samples))
    strong = published(features).strong
    assert strong.shape == (1, 5, 250)
    if samples == 160_000:
        assert torch.equal(strong, detector(features).strong)


@torch.inference_mode()
def test_clips_of_a_batch_do_not_influence_each_other(detector):
    # A loud clip beside a quiet one: the published ATST-F front-end would raise the quiet one's floor.
    clips = torch.cat([audio(32_000), 1e-4 * audio(32_000, seed=1), 10 * audio(32_000, seed=2)])
    features = detector.frontend(clips)
    torch.testing.assert_close(features[1:2], detector.frontend(clips[1:2]), rtol=1e-5, atol=1e-5)
    alone = detector(features[1:2]).strong
    torch.testing.assert_close(detector(features).strong[1:2], alone, rtol=1e-4, atol=1e-5)


@torch.inference_mode()
def test_bfloat16_autocast_stays_near_float32(detector):
    with torch.autocast("cpu", torch.bfloat16):
        features = detector.frontend(audio(32_000))
        low = detector(features)
    assert features.dtype == torch.float32
    assert torch.equal(features, detector.frontend(audio(32_000)))
    full = detector(features).strong
    assert (low.strong.float() - full).abs().max() <= 0.02 + 0.05 * full.abs().max()


def test_exports_with_a_dynamic_batch(detector):
    features = detector.frontend(audio(16_000, batch=2))
    batch = torch.export.Dim("batch", min=1, max=64)
    program = torch.export.export(detector, (features,), dynamic_shapes=({0: batch},))
    others = detector.frontend(audio(16_000, batch=3, seed=1))
    torch.testing.assert_close(program.module()(others).strong, detector(others).strong, rtol=1e-4, atol=1e-5)


def gradients(detector, features):
    torch.manual_seed(3)
    detector.zero_grad()
    predictions = detector(features)
    (predictions.strong.square().mean() + predictions.weak.square().mean()).backward()
    return {name: p.grad for name, p in detector.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_recomputed_blocks_give_the_same_gradients(name):
    detector = small_detector(name).train()
    features = detector.frontend(audio(32_000, batch=2))
    expected = gradients(detector, features)
    calls = []
    blocks = getattr(detector.backbone, "blocks", None) or detector.backbone.encoder.layers
    blocks[1].register_forward_pre_hook(lambda *_: calls.append(1))
    detector.backbone.gradient_checkpointing = True
    found = gradients(detector, features)
    assert len(calls) == 2
    for key, gradient in expected.items():
        assert (gradient is None) == (found[key] is None)
        if gradient is not None:
            torch.testing.assert_close(found[key], gradient, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_training_step_reaches_every_parameter_that_is_used(name):
    detector = small_detector(name).train()
    if name == "BEATs":
        detector.backbone.encoder.layer_drop = 0.0
    found = gradients(detector, detector.frontend(audio(160_000)))
    unused = {"backbone.mask_embed"} if name == "ATST-F" else set()
    assert {key for key, gradient in found.items() if gradient is None} == unused


COUNTS = {
    "BEATs": [30, *[19] * 11],
    "ATST-F": [15, *[11] * 10, 13],
    "fpasst": [25, *[12] * 10, 14],
    "M2D": [17, *[12] * 10, 14],
    "ASIT": [16, *[12] * 10, 14],
    "fmn10": [3, 6, 9, 9, 13, 13, 13, 9, 9, 9, 9, 13, 13, 13, 13, 13, 3],
}


@pytest.mark.parametrize("name", COUNTS)
def test_layer_groups_hold_each_parameter_once_from_the_input_upward(name):
    with torch.device("meta"):
        backbone = effbench.build_model(name).backbone
    groups = backbone.layer_groups()
    assert [len(group) for group in groups] == COUNTS[name]
    names = {id(parameter): key for key, parameter in backbone.named_parameters()}
    found = [names[id(parameter)] for group in groups for parameter in group]
    assert sorted(found) == sorted(names.values())
    for index, group in enumerate(groups):
        keys = [names[id(parameter)] for parameter in group]
        numbers = {
            int(part)
            for key in keys
            for before, part in zip(key.split("."), key.split(".")[1:], strict=False)
            if before in ("blocks", "layers", "features")
        }
        assert numbers == {index}


@torch.inference_mode()
def test_noise_is_for_training_alone_and_follows_torchs_generator():
    for name in ("BEATs", "fpasst"):
        detector = small_detector(name)
        features = detector.frontend(audio(32_000))
        still = detector(features).strong
        assert torch.equal(detector(features).strong, still)
        detector.train()
        runs = []
        for seed in (1, 1, 2):
            torch.manual_seed(seed)
            runs.append(detector(features).strong)
        assert torch.equal(runs[0], runs[1])
        assert not torch.equal(runs[0], runs[2])
        assert not torch.equal(runs[0], still)


@torch.inference_mode()
def test_layer_drop_leaves_out_whole_layers():
    torch.manual_seed(0)
    beats = Beats(32, 3, 4, patch_dim=24, kernel=8, groups=4, dropout=0.0, layer_drop=1.0).train()
    features = torch.randn(1, 1, 128, 98)
    dropped = beats(features)
    beats.encoder.layers = nn.ModuleList()
    assert torch.equal(dropped, beats(features))


@torch.inference_mode()
def test_positions_of_a_short_clip_start_anywhere_in_training():
    passt = FramePasst(32, 1, 4)
    table = (passt.time_new_pos_embed + passt.freq_new_pos_embed)[0, :, 0].T
    assert torch.equal(passt.eval()._positions(25)[0], table[:25])
    passt.train()
    starts = set()
    for _ in range(50):
        stretch = passt._positions(240)[0]
        starts.add(next(s for s in range(11) if torch.equal(stretch, table[s : s + 240])))
    assert min(starts) == 0
    assert max(starts) == 10
    assert torch.equal(passt._positions(250)[0], table)


def naive(q, k, v, bias=0.0):
    return ((q @ k.mT / q.shape[-1] ** 0.5 + bias).softmax(-1)) @ v


@torch.inference_mode()
def test_attention_equals_its_formula():
    attention, x = Attention(24, 3), torch.randn(2, 10, 24)
    parts = attention.qkv(x).chunk(3, -1)
    q, k, v = (part.reshape(2, 10, 3, 8).transpose(1, 2) for part in parts)
    expected = attention.proj(naive(q, k, v).transpose(1, 2).reshape(2, 10, 24))
    torch.testing.assert_close(attention(x), expected)


@torch.inference_mode()
def test_gated_bias_equals_its_formula():
    attention = GatedBiasAttention(24, 3, dropout=0.1).eval()
    attention.grep_a.copy_(torch.tensor([0.5, 1.0, 2.0]).reshape(1, 3, 1, 1))
    x, bias = torch.randn(2, 10, 24), torch.randn(3, 10, 10)
    q, k, v = (
        project(x).reshape(2, 10, 3, 8).transpose(1, 2)
        for project in (attention.q_proj, attention.k_proj, attention.v_proj)
    )
    u = q @ attention.grep_linear.weight.T + attention.grep_linear.bias
    a, b = u[..., :4].sum(-1).sigmoid(), u[..., 4:].sum(-1).sigmoid()
    gate = a * (b * attention.grep_a[..., 0] - 1) + 2
    expected = naive(q, k, v, gate[..., None] * bias).transpose(1, 2).reshape(2, 10, 24)
    torch.testing.assert_close(attention(x, bias), attention.out_proj(expected))


def test_position_buckets_equal_their_formula():
    bias = RelativePositionBias(2)

    def bucket(distance):
        size, offset = abs(distance), 160 * (distance > 0)
        if size < 80:
            return offset + size
        return offset + min(159, 80 + int(math.log(size / 80) / math.log(800 / 80) * 80))

    distances = [d for d in range(-1500, 1501) if d % 7]
    assert bias.bucket(torch.tensor(distances)).tolist() == [bucket(d) for d in distances]
    table = bias(7)
    for query in range(7):
        for key in range(7):
            assert torch.equal(table[:, query, key], bias.weight[bucket(key - query)])


@torch.inference_mode()
def test_positional_convolution_is_a_weight_normalised_one_without_its_last_frame():
    own = PositionalConvolution(8, kernel=6, groups=2)
    plain = nn.Conv1d(8, 8, 6, padding=3, groups=2)
    reference = nn.utils.parametrizations.weight_norm(plain, dim=2)
    own.weight_g.mul_(torch.rand(1, 1, 6))
    own.bias.normal_()
    reference.parametrizations.weight.original0.copy_(own.weight_g)
    reference.parametrizations.weight.original1.copy_(own.weight_v)
    reference.bias.copy_(own.bias)
    x = torch.randn(2, 8, 20)
    torch.testing.assert_close(own(x), reference(x)[..., :-1])


@torch.inference_mode()
def test_chunks_of_a_long_clip_do_not_see_each_other():
    m2d = M2d(32, 1, 4).eval()
    features = torch.randn(1, 1, 80, 1001 + 160)
    out = m2d(features)
    assert out.shape == (1, 62 + 10, 160)
    torch.testing.assert_close(out[:, :62], m2d(features[..., :1001]))
    torch.testing.assert_close(out[:, 62:], m2d(features[..., 1001:]))
    assert m2d(features[..., :1000]).shape[1] == 62
    assert m2d(features[..., :17]).shape[1] == 2


@torch.inference_mode()
def test_positions_are_resized_to_the_clip_and_kept_where_they_fit():
    asit = Asit(32, 1, 4)
    assert torch.equal(asit._positions(8, 37), asit.pos_embed)
    assert asit._positions(62, 8).shape == (1, 1 + 62 * 8, 32)


@torch.inference_mode()
def test_weights_start_as_published():
    torch.manual_seed(0)
    beats = Beats(64, 12, 4, patch_dim=32, kernel=16, groups=4)
    layer = beats.encoder.layers[0]
    assert layer.residual_scale == pytest.approx(2.213364, rel=1e-6)
    assert layer.self_attn.q_proj.weight.std() == pytest.approx(1 / 8, rel=0.05)
    assert layer.self_attn.v_proj.weight.std() == pytest.approx(0.319472 / 8, rel=0.05)
    convolution = beats.encoder.pos_conv[0]
    assert convolution.weight_v.std() == pytest.approx((4 / (16 * 64)) ** 0.5, rel=0.05)
    m2d = M2d(64, 1, 4)
    assert m2d.cls_token.abs().max() < 1e-5
    assert m2d.pos_embed.std() == pytest.approx(0.02, rel=0.05)
    assert not m2d.norm_stats.requires_grad
