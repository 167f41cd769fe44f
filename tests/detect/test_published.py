"""Without overlap, the events are those of the published script."""

import numpy as np
import pytest
import soundfile
import torch
from scipy import ndimage

import effbench
from effbench.data.vocabulary import strong_classes
from effbench.detect.event_decoding import Decoding
from effbench.detect.inputs import Source
from effbench.detect.run import detect_files
from effbench.infer.scorer import FrameScorer, Inference
from tests.detect import heard
from tests.models import parity

THRESHOLDS = (0.1, 0.2, 0.5)


def published_events(logits, seconds):
    """Sigmoid, median of 9 frames over the whole file, frames above each threshold, times cut at the end."""
    scores = torch.from_numpy(logits).sigmoid().numpy()
    scores = ndimage.median_filter(scores, size=(9, 1), mode="reflect")
    events = set()
    for threshold in THRESHOLDS:
        for label, curve in zip(strong_classes().names, scores.T, strict=True):
            regions, count = ndimage.label(curve > threshold)
            for (frames,) in ndimage.find_objects(regions, count):
                onset, offset = min(frames.start * 0.04, seconds), min(frames.stop * 0.04, seconds)
                if onset < offset:
                    events.add((round(onset, 6), round(offset, 6), label, threshold))
    return events


def our_events(path, model):
    scorer = FrameScorer(model, Inference(overlap=False), probabilities=True)
    (file,) = detect_files([Source(path.name, path)], scorer, Decoding(THRESHOLDS))
    return {(e.onset, e.offset, e.label, e.threshold) for e in file}


@pytest.mark.parametrize("name", ["fmn04", "fmn10", "fmn06+gru-160"])
def test_ten_seconds_give_the_published_events(name, tmp_path):
    weights = parity.save(parity.renamed_state(name), tmp_path / "weights.pt")
    clip = tmp_path / "clip.wav"
    soundfile.write(clip, parity.waveform()[0].numpy(), 16_000, subtype="FLOAT")
    as_published = effbench.build_model(parity.spec_of(name), checkpoint=weights, frames="published")
    logits = heard.logits(as_published, parity.waveform()[0].numpy())
    published = parity.output(name, "strong_s0")
    assert np.abs(logits.T[::14, ::10] - published).max() <= 1e-4

    expected = published_events(logits, 10.0)
    assert len(expected) > 1000
    assert our_events(clip, effbench.build_model(parity.spec_of(name), checkpoint=weights)) == expected


def test_longer_audio_gives_the_published_events_without_those_of_the_padding(tmp_path):
    seconds = 23.45
    path = heard.write(tmp_path / "long.wav", seconds)
    samples = soundfile.read(path, dtype="float32")[0]
    padded = np.pad(samples, (0, 480_000 - len(samples))).reshape(3, 160_000)
    logits = np.concatenate([heard.logits(heard.detector(), chunk) for chunk in padded])
    ours = our_events(path, heard.detector())
    assert ours == published_events(logits, seconds)
    assert all(onset < offset <= seconds for onset, offset, *_ in ours)
