"""Detection with the audio transformers, on small ones: windows of any length, and models together."""

import numpy as np
import pytest
import torch

from effbench.infer.batches import clip_scores
from effbench.infer.scorer import FrameScorer
from effbench.infer.windows import cut, frames_of
from effbench.spec import TRANSFORMERS
from tests.models.transformers import small_detector

LENGTHS = [800, 23_456, 160_000, 200_500]


def audio(samples):
    return 0.1 * np.random.default_rng(0).standard_normal(samples).astype(np.float32)


@torch.inference_mode()
@pytest.mark.parametrize("name", TRANSFORMERS)
def test_scorer_gives_the_detectors_probabilities_for_windows_of_any_length(name):
    detector = small_detector(name)
    scorer = FrameScorer(detector, probabilities=True)
    for samples in LENGTHS:
        for window in cut([audio(samples)], min_samples=scorer.min_samples):
            scores = scorer([window.samples, window.samples])
            expected = detector(detector.frontend(torch.from_numpy(window.samples)[None])).strong.sigmoid()
            np.testing.assert_allclose(scores[1], expected[0].T.numpy(), atol=1e-5)
            assert scores.shape == (2, frames_of(len(window.samples)), 5)


def test_logits_of_all_transformers_share_the_frames_of_the_audio():
    scorer = FrameScorer([small_detector(name) for name in TRANSFORMERS])
    found = dict(clip_scores([(str(samples), audio(samples)) for samples in LENGTHS], scorer))
    assert {name: len(logits) for name, logits in found.items()} == {
        str(samples): frames_of(samples) for samples in LENGTHS
    }
    assert all(np.isfinite(logits).all() for logits in found.values())
