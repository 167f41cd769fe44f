"""The scorer on torch's backends, for one detector and several; batches of windows; checked options."""

import numpy as np
import pytest
import torch
from scipy import special

from effbench import build_model
from effbench.errors import AudioError, DeviceError, EffbenchError, UsageError
from effbench.infer.batches import clip_scores, score_windows
from effbench.infer.scorer import FrameScorer, Inference
from effbench.infer.windows import Window, clip_windows
from tests.detect import heard

WINDOWS = heard.audio(20).reshape(2, -1)


def plain(spec):
    return np.stack([heard.logits(heard.detector(spec), window) for window in WINDOWS])


@pytest.mark.parametrize("spec", ["fmn04", "fmn06+gru-160"])
@pytest.mark.parametrize("backend", ["folded", "eager"])
def test_logits_are_the_detectors_own_on_either_backend(spec, backend):
    scorer = FrameScorer(heard.detector(spec), Inference(backend=backend))
    expected = plain(spec)
    np.testing.assert_allclose(scorer(WINDOWS), expected, atol=1e-5 * np.abs(expected).max())


def test_folding_leaves_the_detector_as_it_was():
    detector = build_model("fmn04", seed=0)
    before = {name: tensor.clone() for name, tensor in detector.state_dict().items()}
    FrameScorer(detector)(WINDOWS)
    after = detector.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
    assert all(weight.is_contiguous() for weight in detector.parameters())


def test_several_detectors_give_the_mean_of_their_logits():
    specs = ("fmn04", "fmn06+gru-160")
    detectors = [heard.detector(spec) for spec in specs]
    mean = np.mean([plain(spec) for spec in specs], axis=0)
    np.testing.assert_allclose(FrameScorer(detectors)(WINDOWS), mean, atol=2e-4)
    columns = [3, 1, 440]
    scorer = FrameScorer(detectors, probabilities=True, columns=columns)
    np.testing.assert_allclose(scorer(WINDOWS), special.expit(mean[..., columns]), atol=1e-4)


def test_either_head_can_be_asked_for():
    detector = heard.detector()
    waveform = torch.from_numpy(WINDOWS)
    with torch.inference_mode():
        expected = detector(detector.frontend(waveform))
    scorer = FrameScorer(detector, Inference(backend="eager"))
    torch.testing.assert_close(scorer.logits(waveform), expected.strong)
    torch.testing.assert_close(scorer.logits(waveform, "weak"), expected.weak)


def test_models_of_other_classes_are_not_averaged():
    with pytest.raises(UsageError, match="3 and 4 classes"):
        FrameScorer([build_model("fmn01", n_classes=count, seed=0) for count in (3, 4)])


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"device": "tpu"}, DeviceError),
        ({"precision": "fp8"}, DeviceError),
        ({"batch_size": 0}, UsageError),
        ({"backend": "fused"}, UsageError),
    ],
)
def test_inference_that_can_t_be_is_refused_where_it_is_made(options, error):
    with pytest.raises(error):
        Inference(**options)


def test_names_of_a_precision_are_one_option():
    assert Inference(precision="float16") == Inference(precision="FP16")
    assert Inference().windows_per_call == 2
    assert Inference(batch_size=5).windows_per_call == 5


class Counting:
    """A scorer of one class whose score is the window's first sample; keeps the sizes of its batches."""

    min_samples = 1

    def __init__(self, batch_size):
        self.inference = Inference(batch_size=batch_size)
        self.sizes = []

    def __call__(self, windows):
        self.sizes.append(len(windows))
        frames = -(-len(windows[0]) // 640)
        return np.stack([np.full((frames, 1), window[0], np.float32) for window in windows])


def test_windows_of_one_length_are_batched_whatever_they_belong_to():
    lengths = {"a": 16_000, "b": 16_000, "c": 16_000, "d": 8_000, "e": 16_000}
    clips = [(name, np.full(length, k, np.float32)) for k, (name, length) in enumerate(lengths.items())]
    scorer = Counting(batch_size=2)
    scored = dict(clip_scores(clips, scorer))
    assert list(scored) == list(lengths)
    for k, (name, length) in enumerate(lengths.items()):
        np.testing.assert_array_equal(scored[name], np.full((-(-length // 640), 1), k))
    assert scorer.sizes == [2, 1, 1, 1]


def test_an_error_keeps_its_place_among_the_windows():
    window = Window(0, np.zeros(640, np.float32), 640)
    steps = [("a", window), ("b", EffbenchError("gone")), ("c", window)]
    scored = list(score_windows(steps, Counting(batch_size=8)))
    assert [key for key, _ in scored] == ["a", "b", "c"]
    assert isinstance(scored[1][1], EffbenchError)


def test_a_clip_that_can_t_be_decoded_ends_the_run_with_its_error():
    def clips():
        yield "a", np.zeros(16_000, np.float32)
        raise AudioError("b.wav: no audio")

    with pytest.raises(AudioError, match=r"b\.wav"):
        list(clip_scores(clips(), Counting(batch_size=1)))


@pytest.mark.parametrize(("extra", "windows"), [(0, 1), (800, 1), (801, 2)])
def test_a_clip_of_ten_seconds_may_end_a_little_late(extra, windows):
    cut = list(clip_windows(np.zeros(160_000 + extra, np.float32), overlap=True, pad_to=160_000))
    assert len(cut) == windows
    assert cut[-1].total_samples == 160_000 + (extra if windows > 1 else 0)
