"""The examples of models that people bring: counted, heard, and in batches."""

import json

import numpy as np
import pytest
import soundfile

from tests.pages import ROOT

EXAMPLES = ROOT / "examples"
CNN = f"{EXAMPLES}/log_mel_cnn.py:detector"
ENCODER = f"{EXAMPLES}/hugging_face_encoder.py:detector"


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


@pytest.mark.parametrize("model", [CNN, ENCODER], ids=["cnn", "encoder"])
def test_an_example_is_counted_and_hears(effbench, tmp_path, model):
    if model == ENCODER:
        pytest.importorskip("transformers")
    done = effbench("profile", "--model", model, "--no-throughput", "--format", "json")
    assert done.returncode == 0, done.stderr
    (profile,) = json.loads(done.stdout)
    assert profile["macs_detail"]["unknown"] == {}
    assert profile["macs"]["exact"] > profile["parameters"]["total"] > 0
    soundfile.write(tmp_path / "a.wav", np.random.default_rng(0).normal(0, 0.1, 40_000), 16_000)
    done = effbench(
        "detect", "a.wav", "--model", model, "--format", "json", "--threshold", "0.9", "--top", "1"
    )
    assert done.returncode == 0, done.stderr


def test_the_cnn_has_the_macs_of_its_closed_form(effbench):
    done = effbench("models", "show", f"{CNN}?width=8", "--format", "json")
    rows = {row["layer"]: row["macs"] for row in json.loads(done.stdout)["layers"]}
    assert rows["backbone.network.stem.0"] == 8 * 64 * 500 * 9
    assert rows["backbone.network.stages.0.0"] == 8 * 32 * 250 * 25
    assert rows["backbone.network.stages.0.2"] == 8 * 16 * 32 * 250
    assert sum(rows.values()) == json.loads(done.stdout)["macs"]["exact"]


def test_an_encoder_is_counted_on_inputs(effbench):
    pytest.importorskip("transformers")
    model = f"{EXAMPLES}/hugging_face_encoder.py:encoder?width=16"
    done = effbench("profile", "--model", model, "--input", "1,16000", "--no-throughput", "--format", "json")
    assert done.returncode == 0, done.stderr
    convolutions = json.loads(done.stdout)[0]["macs_detail"]["by_operator"]["convolution"]
    steps, taps, inside = [3199, 1599, 799, 399, 199, 99, 49], [10, 3, 3, 3, 3, 2, 2], [1, *[16] * 6]
    positions = 50 * 16 * 1 * 128  # a grouped convolution of the positions, before its last step is cut off
    assert convolutions == 16 * sum(map(np.prod, zip(steps, taps, inside, strict=True))) + positions
