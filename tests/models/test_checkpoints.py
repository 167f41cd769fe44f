"""Reading, fitting and refusing checkpoint files."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import effbench
from effbench.errors import CheckpointError, EffbenchWarning
from effbench.models.checkpoint_keys import own_key
from effbench.models.checkpoints import Checkpoint, save_checkpoint
from effbench.spec import TRANSFORMERS, ModelSpec
from tests.models import parity
from tests.models.transformers import small_detector

SPEC = "fmn04+tf-104"


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return parity.save(parity.renamed_state(SPEC), tmp_path_factory.mktemp("files") / f"{SPEC}_strong.pt")


def same_weights(one, other):
    one, other = one.state_dict(), other.state_dict()
    return all(torch.equal(one[key], other[key]) for key in one)


@pytest.mark.parametrize("name", ["fmn04", "fmn04+tcn-104", "fmn06+gru-160", "fmn04+hybrid-104"])
def test_layout_conversion_is_idempotent_and_the_same_from_both_layouts(name):
    for key, *_ in parity.LISTINGS[name]["state_dict"]:
        assert own_key(own_key(key)) == own_key(key) == own_key(parity.raw_key(key))


@given(st.text("abcdefmnt.0_", max_size=20))
def test_layout_conversion_never_cuts_an_unknown_key(key):
    if not key.startswith(("net.", "model.", "seq_model.")):
        assert own_key(key) == key


@pytest.mark.parametrize("heads", [4, 8])
def test_head_count_is_read_from_the_file(heads, tmp_path):
    name = "fmn06+tf-160_heads4" if heads == 4 else "fmn06+tf-160"
    path = parity.save(parity.renamed_state(name), tmp_path / "weights.pt")
    detector = effbench.build_model("fmn06+tf-160", checkpoint=path)
    assert detector.sequence[1].layers[0][0].heads == heads


def test_other_head_count_in_an_existing_detector_says_what_to_do(tmp_path):
    path = parity.save(parity.renamed_state("fmn06+tf-160"), tmp_path / "weights.pt")
    with pytest.raises(CheckpointError, match="reads the number of heads"):
        effbench.load_checkpoint(effbench.build_model("fmn06+tf-160"), path)


def test_own_format_round_trip(tmp_path):
    detector = effbench.build_model("fmn04+mamba-104", n_classes=7, seed=3)
    save_checkpoint(detector, tmp_path / "own.pt", "fmn04+mamba-104")
    loaded = effbench.build_model("fmn04+mamba-104", n_classes=7, checkpoint=tmp_path / "own.pt")
    assert same_weights(detector, loaded)
    assert [path.name for path in tmp_path.iterdir()] == ["own.pt"]


def test_failed_save_keeps_the_earlier_file(tmp_path):
    detector = effbench.build_model("fmn04", n_classes=2)
    with pytest.raises(CheckpointError, match="can't be written"):
        save_checkpoint(detector, tmp_path / "missing" / "own.pt", "fmn04")


def test_other_class_count_drops_that_head_and_says_so(published):
    with pytest.warns(EffbenchWarning, match="strong_head"):
        detector = effbench.build_model(SPEC, n_classes=11, n_weak_classes=447, checkpoint=published)
    expected = parity.renamed_state(SPEC)
    assert detector.strong_head.bias.shape == (11,)
    assert torch.equal(detector.weak_head.weight, expected["weak_head.weight"])


def test_backbone_file_starts_a_sequence_model_afresh(tmp_path):
    path = parity.save(parity.raw_state("fmn04"), tmp_path / "fmn04_weak.pt")
    with pytest.warns(EffbenchWarning, match="sequence"):
        detector = effbench.build_model(SPEC, checkpoint=path, seed=0)
    fresh = effbench.build_model(SPEC, seed=0)
    first = "features.0.0.weight"
    assert torch.equal(
        detector.backbone.state_dict()[first], parity.renamed_state("fmn04")[f"model.fmn.{first}"]
    )
    assert same_weights(detector.sequence, fresh.sequence)
    assert same_weights(detector.strong_head, fresh.strong_head)


def test_every_missing_and_unexpected_key_is_named(tmp_path):
    state = parity.renamed_state(SPEC)
    removed = ["model.fmn.features.3.block.0.0.weight", "seq_model.1.norm.gamma"]
    state = {key: tensor for key, tensor in state.items() if key not in removed} | {
        "seq_model.9.x": torch.ones(1)
    }
    path = parity.save(state, tmp_path / "damaged.pt")
    with pytest.raises(CheckpointError) as caught:
        effbench.build_model(SPEC, checkpoint=path)
    for key in ("backbone.features.3.block.0.0.weight", "sequence.1.norm.gamma", "sequence.9.x"):
        assert key in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("fmn04", "no sequence model is needed"),
        ("fmn10+tf-104", "fmn10 backbone"),
        ("fmn04+gru-104", "gru-104"),
        ("fmn04+tf-128", "tf-128"),
    ],
)
def test_file_of_another_architecture_is_refused(published, spec, told):
    with pytest.raises(CheckpointError) as caught:
        effbench.build_model(spec, checkpoint=published)
    assert told in str(caught.value)
    assert "fmn04 backbone with tf-104" in str(caught.value)


def described(name):
    """A file of one of the transformers, as far as its description looks."""
    entries = [entry for entry in parity.LISTINGS[name]["state_dict"] if not entry[0].startswith("seq")]
    state = {own_key(key): torch.empty(shape, device="meta") for key, shape, _ in entries}
    return Checkpoint(Path(f"{name}.pt"), state)


@pytest.mark.parametrize("name", [*TRANSFORMERS, "fmn04", "fmn30"])
def test_each_backbone_is_known_by_its_file_and_refuses_all_others(name):
    file = described(name)
    article = "a" if name == "BEATs" else "an"
    assert file.description == f"{article} {name} backbone with no sequence model"
    file.check_fits(ModelSpec(name))
    file.check_fits(ModelSpec(name, "gru", 256))
    for other in {*TRANSFORMERS, "fmn04", "fmn10"} - {name}:
        with pytest.raises(CheckpointError) as caught:
            file.check_fits(ModelSpec(other))
        assert f"a {other} backbone is needed; the file has {article} {name} backbone" in str(caught.value)


def test_sequence_model_on_a_transformer_is_known_by_its_file():
    listing = parity.LISTINGS["M2D+tf-256"]["state_dict"]
    state = {own_key(key): torch.empty(shape, device="meta") for key, shape, _ in listing}
    file = Checkpoint(Path("M2D+tf-256.pt"), state)
    assert file.description == "an M2D backbone with tf-256"
    assert file.sequence.options == {"heads": 8}
    with pytest.raises(CheckpointError, match="no sequence model is needed"):
        file.check_fits(ModelSpec("M2D"))


@pytest.mark.parametrize("name", TRANSFORMERS)
@pytest.mark.parametrize("with_weak_head", [False, True])
def test_backbone_file_of_a_transformer_leaves_the_heads_it_lacks(name, with_weak_head, tmp_path):
    source, target = small_detector(name, seed=1), small_detector(name, seed=2)
    head = {f"weak_head.{key}": t for key, t in source.weak_head.state_dict().items()}
    backbone = {f"backbone.{key}": t for key, t in source.backbone.state_dict().items()}
    path = parity.save(backbone | (head if with_weak_head else {}), tmp_path / "ssl.pt")
    with pytest.warns(EffbenchWarning, match="strong_head"):
        report = effbench.load_checkpoint(target, path)
    assert report.fresh == (("strong_head",) if with_weak_head else ("strong_head", "weak_head"))
    assert same_weights(target.backbone, source.backbone)
    assert same_weights(target.weak_head, source.weak_head) == with_weak_head


class _Evil:
    def __reduce__(self):
        return (print, ("executed",))


@pytest.mark.parametrize(
    "kind", ["empty", "text", "truncated", "object", "list", "folder", "missing", "scalar"]
)
def test_what_is_no_checkpoint_is_refused_with_one_line(kind, published, tmp_path, capsys):
    path = tmp_path / "file.pt"
    if kind == "object":
        torch.save({"weights": _Evil()}, path)
    elif kind == "list":
        torch.save([torch.ones(1)], path)
    elif kind == "scalar":
        torch.save({"lr": 3.0}, path)
    elif kind == "folder":
        path.mkdir()
    elif kind != "missing":
        content = {"empty": b"", "text": b"hello world", "truncated": published.read_bytes()[:5000]}
        path.write_bytes(content[kind])
    with pytest.raises(CheckpointError) as caught:
        effbench.build_model(SPEC, checkpoint=path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "executed" not in capsys.readouterr().out


def test_unpublished_training_is_refused():
    with pytest.raises(CheckpointError, match="models list"):
        effbench.build_model("fmn10+tcn-256", checkpoint="strong")
