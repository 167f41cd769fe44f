"""The five audio transformers against the published implementation, from published-layout files."""

import numpy as np
import pytest
import torch

import effbench
from effbench.models.checkpoint_keys import own_key
from tests.models import parity

pytestmark = pytest.mark.slow

# Of the backbone's wrapper in the published implementation.
BACKBONE_PARAMETERS = {
    "BEATs": 90_311_792,
    "ATST-F": 85_419_264,
    "fpasst": 88_421_632,
    "M2D": 85_492_994,
    "ASIT": 85_482_240,
}


def differs(tensor, name, key):
    return np.abs(tensor.numpy() - parity.output(name, key)).max()


@torch.inference_mode()
@pytest.mark.parametrize("name", parity.TRANSFORMER_NAMES)
def test_published_file_gives_the_published_features_embeddings_and_logits(name, tmp_path):
    path = parity.save(parity.renamed_state(name), tmp_path / "weights.pt")
    detector = effbench.build_model(name, checkpoint=path)
    path.unlink()
    embeddings = []
    detector.backbone.register_forward_hook(lambda _, inputs, output: embeddings.append(output))
    features = detector.frontend(parity.waveform(name))
    from_audio, network = detector(features), detector(parity.mel_input(name))

    backbone = parity.backbone_of(name)
    mels = features[..., :: 8 if features.shape[2] == 128 else 4, ::10]
    assert differs(mels, backbone, "mel_s0") <= 5e-5
    for embedding, kind in zip(embeddings, ("s0", "m"), strict=True):
        frames, channels = parity.output(backbone, f"emb{'_m' if kind == 'm' else ''}_stride")
        assert differs(embedding[0, ::frames, ::channels], backbone, f"emb_{kind}") <= 5e-5
    assert differs(from_audio.strong[0, ::14, ::10], name, "strong_s0") <= 1e-4
    assert differs(from_audio.weak[0, ::7], name, "weak_s0") <= 1e-4
    tolerance = max(5e-5, 10 * float(parity.output(name, "err64_m").max()))
    assert differs(network.strong[0, ::14, ::10], name, "strong_m") <= tolerance
    assert differs(network.weak[0, ::14], name, "weak_m") <= tolerance


# With the constants that published files hold, of which the loader takes no notice.
@pytest.mark.parametrize("name", BACKBONE_PARAMETERS)
def test_raw_layout_gives_the_same_weights(name, tmp_path):
    path = parity.save(parity.raw_state(name) | parity.constants(name), tmp_path / "raw.pt")
    with torch.device("meta"):
        detector = effbench.build_model(name)
    detector.to_empty(device="cpu")
    report = effbench.load_checkpoint(detector, path)
    assert not report.dropped
    assert not report.fresh
    path.unlink()
    own = detector.state_dict()
    for key, tensor in parity.renamed_state(name).items():
        assert torch.equal(own[own_key(key)], tensor)


@pytest.mark.parametrize("name", parity.TRANSFORMER_NAMES)
def test_raw_and_renamed_keys_are_the_same_to_us(name):
    for key, *_ in parity.LISTINGS[name]["state_dict"]:
        raw = parity.raw_key(key, parity.backbone_of(name))
        assert own_key(own_key(key)) == own_key(key) == own_key(raw)


@pytest.mark.parametrize("name", parity.TRANSFORMER_NAMES)
def test_same_keys_shapes_and_parameters_as_the_published_layout(name):
    with torch.device("meta"):
        detector = effbench.build_model(name)
    own = {key: tuple(tensor.shape) for key, tensor in detector.state_dict().items()}
    listed = {own_key(key): tuple(shape) for key, shape, _ in parity.LISTINGS[name]["state_dict"]}
    frontend = {key for key in listed if "to_spec" in key or "mel_transform" in key}
    assert own == {key: shape for key, shape in listed.items() if key not in frontend}
    parameters = sum(p.numel() for p in detector.backbone.parameters())
    assert parameters == BACKBONE_PARAMETERS[parity.backbone_of(name)]
