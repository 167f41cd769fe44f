"""Trainings that begin with published files."""

import pytest
import torch

from effbench.data.synth import synthesise
from effbench.errors import EffbenchWarning
from effbench.models.checkpoints import read_checkpoint
from effbench.train.feed.training_data import open_data
from effbench.train.start import build_detector
from tests.models import parity
from tests.train.small import planned

pytest.importorskip("lightning")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return synthesise(tmp_path_factory.mktemp("initialise") / "set", clips=2, eval_clips=1, seconds=2)


def weak_state(state, prefix=""):
    """As published after clip labels: 527 classes, and no strong head."""
    width = state[f"{prefix}weak_head.weight"].shape[1]
    own = {f"{prefix}weak_head.weight": torch.ones(527, width), f"{prefix}weak_head.bias": torch.ones(527)}
    return {key: tensor for key, tensor in state.items() if "_head." not in key} | own


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    renamed, raw = parity.renamed_state("fmn04"), parity.raw_state("fmn04")
    return {
        "weak": parity.save(weak_state(renamed), folder / "fmn04_weak.pt"),
        "raw weak": parity.save(weak_state(raw, "net."), folder / "raw_weak.pt"),
        "strong": parity.save(renamed, folder / "fmn04_strong.pt"),
        "sequence": parity.save(parity.renamed_state("fmn04+tf-104"), folder / "fmn04+tf-104_strong.pt"),
    }


def begun(file, data, model, *overrides):
    """Weights that a training of AudioSet-strong's classes, or of the data's, begins with."""
    plan = planned("audioset-strong", data, f"initialise={file}", *overrides, model=model)
    return build_detector(plan, open_data(plan)).state_dict()


def parts_of(state, other):
    """Parts that are in both, as equal or not."""
    equal, different = set(), set()
    for key, tensor in state.items():
        if key in other and not key.endswith("num_batches_tracked"):
            same = tensor.shape == other[key].shape and torch.equal(tensor, other[key])
            (equal if same else different).add(key.partition(".")[0])
    return equal, different


@pytest.mark.parametrize("file", ["weak", "raw weak", "strong"])
def test_a_file_without_sequence_model_gives_its_backbone_alone(files, data, file):
    with pytest.warns(EffbenchWarning, match="sequence, strong_head, weak_head not loaded"):
        state = begun(files[file], data, "fmn04+gru-104")
    fresh = begun("scratch", data, "fmn04+gru-104")
    stored = read_checkpoint(files[file]).state
    backbone = [key for key in stored if key.startswith("backbone.")]
    assert len(backbone) > 100
    assert all(torch.equal(state[key], stored[key]) for key in backbone)
    for key in state:
        if key.startswith(("sequence.", "strong_head.", "weak_head.")):
            torch.testing.assert_close(state[key], fresh[key], rtol=0, atol=0)
    assert "backbone.features.0.0.weight" in backbone
    assert not torch.equal(state["backbone.features.0.0.weight"], fresh["backbone.features.0.0.weight"])


def test_a_weak_file_gives_its_backbone_and_heads_are_fresh(files, data):
    with pytest.warns(
        EffbenchWarning, match=r"strong_head, weak_head not loaded.*class counts: weak_head 527"
    ):
        state = begun(files["weak"], data, "fmn04")
    assert parts_of(read_checkpoint(files["weak"]).state, state) == ({"backbone"}, {"weak_head"})
    assert parts_of(begun("scratch", data, "fmn04"), state) == (
        {"strong_head", "weak_head"},
        {"backbone"},
    )


@pytest.mark.parametrize(("file", "model"), [("strong", "fmn04"), ("sequence", "fmn04+tf-104")])
def test_a_strong_file_of_the_same_model_gives_everything(files, data, recwarn, file, model):
    state = begun(files[file], data, model)
    equal, different = parts_of(read_checkpoint(files[file]).state, state)
    assert equal == {"backbone", "strong_head", "weak_head"} | ({"sequence"} if "+" in model else set())
    assert not different
    assert not [warning for warning in recwarn if issubclass(warning.category, EffbenchWarning)]


def test_a_strong_file_for_other_classes_gives_everything_but_the_heads(files, data):
    with pytest.warns(EffbenchWarning, match="strong_head, weak_head not loaded"):
        state = begun(files["sequence"], data, "fmn04+tf-104", "data.classes=data")
    assert parts_of(read_checkpoint(files["sequence"]).state, state) == (
        {"backbone", "sequence"},
        {"strong_head", "weak_head"},
    )
