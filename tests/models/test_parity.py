"""The published implementation's outputs, from published-layout files, for every fixture spec."""

import numpy as np
import pytest
import torch

import effbench
from effbench.models import build, zoo
from effbench.models.checkpoint_keys import own_key
from tests.models import parity

# A small model of each kind holds the numbers also where slow tests are left out.
QUICK = {"fmn04", "fmn04+tf-104", "fmn04+tcn-104", "fmn04+hybrid-104"}
QUICK |= {"fmn06+gru-160", "fmn06+mamba-160", "fmn10+attn-128"}
NAMES = [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in parity.NAMES]


@pytest.fixture(scope="module", params=NAMES)
def name(request):
    """Every test of one model in turn: its weights are made once."""
    return request.param


def built(name):
    """A detector with weights of its own and the head count of the file."""
    spec = effbench.ModelSpec.parse(parity.spec_of(name))
    heads = {"heads": 8} if name == "fmn06+tf-160" else {}
    return build._assemble(spec, zoo.sequence_options(spec) | heads, 447, 447, "audio")


@torch.inference_mode()
def assert_parity(detector, name):
    features = detector.frontend(parity.waveform())
    from_audio, network = detector(features), detector(parity.mel_input())
    tolerance = max(5e-5, 10 * float(parity.output(name, "err64_m").max()))
    assert np.abs(network.strong[0, ::14, ::10].numpy() - parity.output(name, "strong_m")).max() <= tolerance
    assert np.abs(network.weak[0, ::14].numpy() - parity.output(name, "weak_m")).max() <= tolerance
    strong, weak = from_audio.strong[0, ::14, ::10].numpy(), from_audio.weak[0, ::7].numpy()
    # The front-end follows the published one step by step, so that audio is held to 1e-4 as well.
    assert np.abs(strong - parity.output(name, "strong_s0")).max() <= 1e-4
    assert np.abs(weak - parity.output(name, "weak_s0")).max() <= 1e-4


def test_published_file_gives_the_published_logits(name, tmp_path):
    path = parity.save(parity.renamed_state(name), tmp_path / "weights.pt")
    assert_parity(effbench.build_model(parity.spec_of(name), checkpoint=path), name)


def test_raw_layout_gives_an_existing_detector_the_same_weights(name, tmp_path):
    path = parity.save(parity.raw_state(name), tmp_path / "raw.pt")
    detector = built(name)
    report = effbench.load_checkpoint(detector, path)
    assert not report.dropped
    assert not report.fresh
    own = detector.state_dict()
    for key, tensor in parity.renamed_state(name).items():
        assert torch.equal(own[own_key(key)], tensor)


def test_same_keys_and_shapes_as_the_published_layout(name):
    with torch.device("meta"):
        own = built(name).state_dict()
    published = {own_key(key): tuple(shape) for key, shape, _ in parity.LISTINGS[name]["state_dict"]}
    assert {key: tuple(tensor.shape) for key, tensor in own.items()} == published


def test_frontend_equals_the_published_one():
    detector = effbench.build_model("fmn04")
    features = detector.frontend(parity.waveform())[..., ::4, ::10]
    assert np.abs(features.numpy() - parity.OUTPUTS["mel_s0"]).max() <= 1e-6
