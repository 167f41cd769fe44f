"""Random limits of the mel filters in training."""

import pytest
import torch

from effbench.models.frontends import mel as frontends
from effbench.models.frontends.filters import kaldi_filterbank
from effbench.models.frontends.mel import LogMelFrontend


@pytest.fixture
def frontend():
    front = LogMelFrontend()
    front.fmin_jitter, front.fmax_jitter = 10, 2000
    return front


WAVE = 0.1 * torch.randn(2, 8000, generator=torch.Generator().manual_seed(0))


def test_limits_cover_their_ranges(frontend, monkeypatch):
    limits = []

    def record(n_mels, n_fft, *, fmin, fmax):
        limits.append((fmin, fmax))
        return torch.empty(0)

    monkeypatch.setattr(frontends, "kaldi_filterbank", record)
    torch.manual_seed(0)
    frontend.eval()._filters()
    assert not limits
    frontend.train()
    for _ in range(20_000):
        frontend._filters()
    low, high = zip(*limits, strict=True)
    assert set(low) == set(range(10))
    assert min(high) == 6001
    assert max(high) == 8000


def test_training_uses_the_filters_of_the_drawn_limits(frontend):
    frontend.train()
    torch.manual_seed(5)
    fmin, cut = int(torch.randint(10, ())), int(torch.randint(2000, ()))
    torch.manual_seed(5)
    jittered = frontend(WAVE)
    assert torch.equal(jittered, LogMelFrontend(fmin=fmin, fmax=8000 - cut).eval()(WAVE))
    assert not torch.equal(jittered, LogMelFrontend()(WAVE))


def test_eval_mode_and_no_jitter_neither_change_nor_draw(frontend):
    plain = LogMelFrontend()
    plain.mel = kaldi_filterbank(128, 512, fmin=0.0, fmax=7000.0)
    before = torch.get_rng_state()
    expected = plain.train()(WAVE)
    assert torch.equal(frontend.eval()(WAVE), expected)
    assert torch.equal(torch.get_rng_state(), before)


def test_jittered_features_are_float32_under_autocast(frontend):
    frontend.train()
    torch.manual_seed(1)
    full = frontend(WAVE)
    torch.manual_seed(1)
    with torch.autocast("cpu", torch.bfloat16):
        low = frontend(WAVE)
    assert low.dtype == torch.float32
    assert torch.equal(low, full)
