"""Every augmentation against its formula, on tensors small enough to compute by hand."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from effbench.train.augment.frequency import (
    amplify,
    band_edges,
    filter_augment,
    filter_response,
    frequency_warp,
    warp,
)
from effbench.train.augment.mixing import mix, mix_style, mix_waveforms, mixstyle, mixup, waveform_mixup
from effbench.train.augment.pipeline import augment
from effbench.train.augment.time import frame_shift, roll, silence, time_mask
from effbench.train.augment.views import Views, beta, happens, integer
from effbench.train.recipe.recipe import (
    AugmentOptions,
    FilterAugmentOptions,
    FrequencyWarpOptions,
    MixStyleOptions,
    MixupOptions,
    WaveformMixupOptions,
)

AUDIO = WaveformMixupOptions(rate=1.0)
SETTINGS = {
    frame_shift: 0.125,
    mixup: MixupOptions(rate=1.0),
    mixstyle: MixStyleOptions(rate=1.0),
    time_mask: 0.3,
    filter_augment: FilterAugmentOptions(rate=1.0),
    frequency_warp: FrequencyWarpOptions(rate=1.0),
}
EVERYTHING = AugmentOptions(**{step.__name__: setting for step, setting in SETTINGS.items()})


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def views(batch=4, frames=50, classes=3, *, weak=False):
    g = seeded(99)
    features = (
        torch.randn(batch, 1, 128, 4 * frames, generator=g),
        torch.randn(batch, 1, 64, 4 * frames - 2, generator=g),
    )
    labels = (torch.rand(batch, classes, frames, generator=g) < 0.3).float()
    pseudo = torch.rand(batch, classes, frames, generator=g)
    return Views(features, labels.amax(2) if weak else labels, None if weak else pseudo, (5.0, 13.0))


def test_mix_is_linear():
    x = torch.tensor([[1.0, 2.0], [3.0, 6.0]])
    mixed = mix(x, torch.tensor([1, 0]), torch.tensor([0.75, 1.0]))
    assert mixed.tolist() == [[1.5, 3.0], [3.0, 6.0]]


def test_mixed_waveforms_have_no_mean_and_others_keep_theirs():
    x = torch.tensor([[1.0, 3.0], [10.0, 14.0], [5.0, 6.0]])
    mixed = mix_waveforms(x, torch.tensor([1, 0, 0]), torch.tensor([0.75, 0.5, 1.0]))
    # Without their means the first two are ±1 and ±2.
    assert mixed.tolist() == [[-1.25, 1.25], [-1.5, 1.5], [5.0, 6.0]]


def test_waveform_mixup_mixes_each_clip_at_its_rate_and_labels_alike():
    n = 2000
    waveform, labels = torch.randn(n, 8, generator=seeded()), torch.eye(n)
    mixed, soft, pseudo = waveform_mixup(
        waveform, labels, labels[:, :, None], WaveformMixupOptions(rate=0.3), seeded(1)
    )
    touched = (mixed != waveform).any(1)
    assert 0.25 < touched.float().mean() < 0.35
    # One that is its own partner loses its mean and keeps its label.
    assert (touched != (soft.diagonal() < 1)).sum() <= 3
    assert torch.equal(pseudo[:, :, 0], soft)
    own = soft.diagonal()[soft.diagonal() < 1]
    assert (own >= 0.5).all()
    # E[max(x, 1 - x)] of Beta(2, 2) is 11/16.
    assert own.mean().item() == pytest.approx(11 / 16, abs=0.02)
    torch.testing.assert_close(soft.sum(1), torch.ones(n))
    # The labels tell partner and share: the audio must agree.
    centred = waveform - waveform.mean(1, keepdim=True)
    torch.testing.assert_close(mixed[touched], (soft @ centred)[touched], atol=1e-5, rtol=0)


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 12), st.data())
def test_roll_is_that_of_numpy_for_every_item(frames, data):
    shifts = data.draw(st.lists(st.integers(-30, 30), min_size=2, max_size=2))
    x = torch.arange(2.0 * 3 * frames).view(2, 3, frames)
    expected = [np.roll(item.numpy(), shift, axis=-1) for item, shift in zip(x, shifts, strict=True)]
    assert np.array_equal(roll(x, torch.tensor(shifts)).numpy(), np.stack(expected))


def test_frame_shift_scales_to_every_tensor_and_rounds_halves_to_even():
    n, seen = 3000, views().features[0].shape[3]
    assert seen == 200
    position = torch.arange(200.0).expand(n, 1, 1, 200)
    clips = Views((position, position[..., :150]), position[:, 0, :, :50], position[:, 0, :, :50])
    shifted = frame_shift(clips, 0.125, seeded())

    def moved(x, frames):  # the first frame holds what was `shift` before it
        raw = (-x.reshape(n, frames)[:, 0]) % frames
        return torch.where(raw > frames / 2, raw - frames, raw).long()

    shift = moved(shifted.features[0], 200)
    # σ = trunc(0.125 · 200) = 25; wrapped shifts beyond ±100 are four σ away.
    assert shift.float().std().item() == pytest.approx(25, rel=0.05)
    assert abs(shift.float().mean().item()) < 1.5
    inside = shift.abs() < 95
    expected = torch.tensor([round(s / 4) for s in shift.tolist()])
    for labels in (shifted.labels, shifted.pseudo):
        assert torch.equal(moved(labels, 50)[inside], expected[inside])
    teacher = torch.tensor([round(s * 150 / 200) for s in shift.tolist()])
    assert torch.equal(moved(shifted.features[1], 150)[inside], teacher[inside])


def test_mixup_uses_one_share_and_partner_for_everything():
    n = 6
    eye = torch.eye(n)
    clips = Views((eye[:, None, :, None], eye[:, None, None]), eye[:, :, None], eye)
    mixed = mixup(clips, MixupOptions(rate=1.0), seeded())
    for x in (mixed.features[0][:, 0, :, 0], mixed.features[1][:, 0, 0], mixed.labels[:, :, 0]):
        assert torch.equal(x, mixed.pseudo)
    torch.testing.assert_close(mixed.pseudo.sum(1), torch.ones(n))


def test_mixup_clamps_hard_labels_only():
    over = Views((torch.zeros(2, 1, 1, 4),), torch.full((2, 1, 1), 1.5), torch.full((2, 1, 1), 1.5))
    mixed = mixup(over, MixupOptions(rate=1.0), seeded())
    assert mixed.labels.max() == 1
    assert mixed.pseudo.max() == 1.5


@pytest.mark.parametrize(
    ("parameters", "maxed", "mean"),
    [
        ({}, False, 0.5),
        ({"alpha": 0.3, "beta": 0.2}, False, 0.6),
        # max(x, 1 - x) of Beta(1, 1) is uniform in [1/2, 1].
        ({"alpha": 1.0}, True, 0.75),
    ],
)
def test_mixup_share_has_the_mean_of_its_distribution(parameters, maxed, mean):
    n = 4000
    eye = torch.eye(n)
    options = MixupOptions(rate=1.0, **parameters)
    clips = Views((torch.zeros(n, 1, 1, 1),), eye)
    own = mixup(clips, options, seeded(), maxed=maxed).labels.diagonal()
    assert own.mean().item() == pytest.approx(mean, abs=0.03)
    assert not maxed or own.min() >= 0.5


def test_mixstyle_swaps_the_statistics_of_each_band():
    x = torch.tensor([[[[0.0, 2.0]]], [[[10.0, 16.0]]]])  # means 1, 13; unbiased variances 2, 18
    styled = mix_style(x, torch.tensor([1, 0]), torch.tensor([0.75, 1.0]))
    first = math.sqrt(2 + 1e-6)
    deviation, mean = 0.75 * first + 0.25 * math.sqrt(18 + 1e-6), 0.75 * 1 + 0.25 * 13
    expected = torch.tensor([-1 / first, 1 / first]) * deviation + mean
    torch.testing.assert_close(styled[0, 0, 0], expected)
    torch.testing.assert_close(styled[1], x[1])


def test_mixstyle_of_an_almost_constant_band():
    x = torch.tensor([[[[0.0, 0.002]]], [[[0.0, 4.0]]]])  # unbiased variances 2e-6, 8
    styled = mix_style(x, torch.tensor([1, 0]), torch.tensor([0.5, 0.5]))
    own = math.sqrt(2e-6 + 1e-6)
    deviation, mean = 0.5 * own + 0.5 * math.sqrt(8 + 1e-6), 0.5 * 0.001 + 0.5 * 2
    expected = torch.tensor([-0.001 / own, 0.001 / own]) * deviation + mean
    torch.testing.assert_close(styled[0, 0, 0], expected)


def test_silence_is_the_quietest_point_of_the_clip():
    x = torch.tensor([[[[1.0, 2, 3], [4, -5, 6]]], [[[7.0, 8, 9], [10, 11, 12]]]])
    masked = silence(x, 2, 3)
    assert masked.tolist() == [[[[1, 2, -5], [4, -5, -5]]], [[[7, 8, 7], [10, 11, 7]]]]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 200))
def test_time_mask_hides_the_same_time_everywhere(seed):
    ones = Views(
        (torch.rand(2, 1, 3, 200) + 1, torch.rand(2, 1, 3, 198) + 1),
        torch.ones(2, 4, 50),
        torch.ones(2, 4, 50),
    )
    masked = time_mask(ones, 0.3, seeded(seed))
    hidden = (masked.labels[0, 0] == 0).nonzero().flatten().tolist()
    width, start = len(hidden), hidden[0]
    assert 2 <= width <= 14  # trunc(0.05 · 50), …, trunc(0.3 · 50) - 1
    assert hidden == list(range(start, start + width))
    assert torch.equal(masked.labels, masked.pseudo)
    for before, after in zip(ones.features, masked.features, strict=True):
        scale = before.shape[3] / 50
        inside = slice(round(start * scale), round((start + width) * scale))
        quietest = before.amin((1, 2, 3), keepdim=True)
        assert torch.equal(after[..., inside], quietest.expand_as(after[..., inside]))
        outside = torch.ones(before.shape[3], dtype=torch.bool)
        outside[inside] = False
        assert torch.equal(after[..., outside], before[..., outside])


def test_filter_response_is_linear_in_decibels_between_edges():
    response = filter_response(torch.tensor([0, 3, 5]), torch.tensor([[0.0, 6.0, -2.0], [1.0, 1.0, 1.0]]))
    assert response.tolist() == [[0, 3, 6, 6, -2], [1, 1, 1, 1, 1]]


def test_gain_adds_to_the_log_mel_what_amplification_of_the_power_would():
    power = torch.rand(2, 1, 3, 4, generator=seeded()) + 0.1
    decibels = torch.tensor([[0.0, 10.0, -3.0], [6.0, 0.0, 20.0]])
    louder = power * 10 ** (decibels / 10)[:, None, :, None]
    for offset, scale in [(4.5, 5.0), (-15.4, 13.1)]:
        amplified = amplify((power.log() + offset) / scale, decibels, log_scale=scale)
        torch.testing.assert_close(amplified, (louder.log() + offset) / scale)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 300))
def test_filter_bands_are_wide_enough_and_gains_within_limits(seed):
    silent = Views(
        (torch.zeros(3, 1, 128, 2), torch.zeros(3, 1, 128, 5)), torch.zeros(3, 1, 2), None, (5.0, 10.0)
    )
    options = FilterAugmentOptions(rate=1.0)
    edges = band_edges(128, seeded(seed))
    assert 4 <= len(edges) <= 6
    assert edges[0] == 0
    assert edges[-1] == 128
    assert edges.diff().min() >= 6
    student, teacher = filter_augment(silent, options, seeded(seed)).features
    assert student.abs().max() <= 6 * math.log(10) / 10 / 5 + 1e-6
    assert torch.equal(student, student[..., :1].expand_as(student))
    torch.testing.assert_close(student[..., :1], teacher[..., :1] * 2)


def test_filter_needs_the_scale_of_every_feature():
    pair = Views((torch.zeros(1, 1, 64, 2), torch.zeros(1, 1, 64, 2)), torch.zeros(1, 1, 1))
    with pytest.raises(ValueError, match="2 features need as many log_scales"):
        filter_augment(pair, FilterAugmentOptions(rate=1.0), seeded())


def cubic(distance):
    """Cubic convolution kernel with a = -3/4."""
    d = abs(distance)
    return 1.25 * d**3 - 2.25 * d**2 + 1 if d <= 1 else -0.75 * d**3 + 3.75 * d**2 - 6 * d + 3


def test_warp_stretches_the_crop_to_its_corners():
    bands = torch.randn(16, generator=seeded())
    warped = warp(bands.view(1, 1, 16, 1).expand(1, 1, 16, 3), 3, 8)[0, 0]
    assert warped.shape == (16, 3)
    torch.testing.assert_close(warped[:, :1].expand(16, 3), warped)
    assert warped[0, 0] == pytest.approx(bands[3].item())
    assert warped[-1, 0] == pytest.approx(bands[10].item())
    for row in range(4, 12):
        source = row * 7 / 15
        expected = sum(cubic(source - k) * bands[3 + k].item() for k in range(8) if abs(source - k) < 2)
        assert warped[row, 0].item() == pytest.approx(expected, abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 300))
def test_frequency_warp_keeps_sixty_percent_or_more_for_both_networks(seed):
    ramps = tuple(torch.arange(float(mels)).view(1, 1, mels, 1).expand(1, 1, mels, 2) for mels in (128, 64))
    clips = Views(ramps, torch.zeros(1, 1, 1))
    student, teacher = frequency_warp(clips, FrequencyWarpOptions(rate=1.0), seeded(seed)).features
    height = student[0, 0, -1, 0] - student[0, 0, 0, 0] + 1
    assert 76 <= height < 128  # trunc(0.6 · 128) = 76
    assert student[0, 0, 0, 0] < 128 - height or height == 127
    assert abs(teacher[0, 0, 0, 0] - student[0, 0, 0, 0] / 2) <= 1.5
    assert abs(teacher[0, 0, -1, 0] - student[0, 0, -1, 0] / 2) <= 1.5


@pytest.mark.parametrize("weak", [False, True])
@pytest.mark.parametrize(("step", "setting"), [*SETTINGS.items(), (augment, EVERYTHING)])
def test_same_generator_same_batch(step, setting, weak):
    one, same, other = (step(views(weak=weak), setting, seeded(seed)) for seed in (3, 3, 4))
    assert all(torch.equal(a, b) for a, b in zip(one.features, same.features, strict=True))
    assert torch.equal(one.labels, same.labels)
    assert not torch.equal(one.features[0], other.features[0])
    assert one.labels.shape == views(weak=weak).labels.shape


def test_nothing_is_drawn_from_the_global_generators():
    before, numpy_before = torch.get_rng_state(), np.random.get_state()[1].copy()
    augment(views(), EVERYTHING, seeded())
    waveform_mixup(torch.randn(4, 9, generator=seeded()), torch.zeros(4, 2), None, AUDIO, seeded())
    assert torch.equal(torch.get_rng_state(), before)
    assert np.array_equal(np.random.get_state()[1], numpy_before)


def test_the_work_is_done_where_the_batch_is():
    """Tensors without content refuse to meet those of another device."""
    batch = views()
    moved = Views(
        tuple(x.to("meta") for x in batch.features), batch.labels.to("meta"), batch.pseudo.to("meta")
    )
    out = augment(replace(moved, log_scales=(5.0, 13.0)), EVERYTHING, seeded())
    mixed = waveform_mixup(torch.empty(4, 9, device="meta"), out.labels, out.pseudo, AUDIO, seeded())
    for x in (*out.features, *mixed):
        assert x.device.type == "meta"


def test_what_is_off_changes_and_draws_nothing():
    generator = seeded()
    batch, waveform, never = views(), torch.ones(2, 3), {"rate": 0}
    off = AugmentOptions(mixup=never, mixstyle=never, filter_augment=never, frequency_warp=never)
    for options in (off, AugmentOptions()):
        assert augment(batch, options, generator) is batch
    unmixed = waveform_mixup(waveform, waveform, None, WaveformMixupOptions(rate=0), generator)
    assert unmixed == (waveform, waveform, None)
    assert torch.equal(generator.get_state(), seeded().get_state())


def test_clip_labels_stay_when_time_moves_or_is_hidden():
    weak = views(weak=True)
    for step in (frame_shift, time_mask):
        changed = step(weak, SETTINGS[step], seeded())
        assert changed.labels is weak.labels
        assert not torch.equal(changed.features[0], weak.features[0])


@pytest.mark.parametrize("frames", [1, 2, 7])
def test_very_short_clips_are_augmented_too(frames):
    short = augment(views(batch=1, frames=frames), EVERYTHING, seeded())
    assert all(torch.isfinite(x).all() for x in short.features)


def test_draws_have_their_probabilities():
    g = seeded()
    assert sum(happens(0.3, g) for _ in range(2000)) == pytest.approx(600, abs=70)
    assert all(happens(1.0, g) for _ in range(100))
    assert {integer(2, 5, g) for _ in range(100)} == {2, 3, 4}
    assert integer(3, 3, g) == 3
    variates = beta(2, 2, 5000, g)
    assert variates.dtype == torch.float32
    assert variates.var().item() == pytest.approx(1 / 20, rel=0.1)
