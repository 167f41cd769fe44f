"""DCASE 2016 task 2 on data of HEAR's format: items, pieces, fine-tuning, linear probe."""

import numpy as np
import pytest
import torch

from effbench import build_model
from effbench.data.datasets import open_dataset
from effbench.data.labels import encode_events
from effbench.data.synth import synthesise
from effbench.evaluate.protocol_files import load_protocol
from effbench.infer.batches import clip_scores
from effbench.infer.scorer import FrameScorer, Inference
from effbench.models.checkpoints import read_checkpoint
from effbench.train.feed.samplers import Draw
from effbench.train.feed.training_data import open_data
from effbench.train.module import DetectorTraining
from effbench.train.start import build_detector
from tests.train.small import planned, save_model, trained

RECIPE = "dcase2016-task2"
FASTER = ("data.crop_seconds=2", "optimizer.lr=3e-3")


@pytest.fixture(scope="module")
def hear(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "hear"
    return synthesise(folder, clips=2, eval_clips=2, layout="hear", seconds=25)


@pytest.fixture(scope="module")
def pretrained(hear):
    """A detector of the same model for other classes."""
    return save_model(hear.parent / "pretrained.pt", ("Speech", "Dog", "Cat"))


@pytest.fixture(scope="module")
def tuned(hear, pretrained, tmp_path_factory):
    """Fit of two epochs of fine-tuning."""
    folder = tmp_path_factory.mktemp("runs") / "tuned"
    return trained(folder, RECIPE, hear, f"initialise={pretrained}", "epochs=2", *FASTER)


@pytest.fixture(scope="module")
def probed(hear, pretrained, tmp_path_factory):
    """Fit of one epoch of the linear probe."""
    folder = tmp_path_factory.mktemp("runs") / "probed"
    return trained(folder, f"{RECIPE}-probe", hear, f"initialise={pretrained}", "data.crop_seconds=2")


def test_items_are_crops_with_labels_at_frame_centres_of_the_set_s_own_classes(hear):
    data = open_data(planned(RECIPE, hear, "data.crop_seconds=2"))
    assert data.classes == open_dataset(hear, split="train").classes.names
    assert data.validation.split == "valid"
    # As many crops of a file as fit into it one after another.
    assert data.sampler().epoch_items == 2 * round(25 / 2)
    item = data.items[Draw(3, seed=11)]
    clip = data.training.clip(item.clip)
    expected = encode_events(clip.events, data.classes, frames=50, first_frame=item.start, rule="centre")
    np.testing.assert_array_equal(item.labels, expected)
    np.testing.assert_array_equal(
        item.waveform, clip.waveform()[item.start * 640 : item.start * 640 + 32_000]
    )


def test_twelve_pieces_of_ten_seconds_make_a_file_of_two_minutes(tmp_path):
    synthesise(tmp_path / "hear", clips=1, eval_clips=1, layout="hear")
    data = open_data(planned(RECIPE, tmp_path / "hear"))
    windows = data.validation_items.pieces(Draw(0, 0))
    assert data.sampler().epoch_items == len(windows) == 12
    assert {window.waveform.size for window in windows} == {160_000}
    assert [window.start for window in windows] == [250 * number for number in range(12)]


def test_scores_for_the_protocol_come_from_pieces_that_know_nothing_of_each_other(hear):
    detector = build_model("fmn01", n_classes=3, seed=0)
    waveform = open_dataset(hear, split="test")[0].waveform()
    scorer = FrameScorer(detector, Inference(overlap=False))
    ((_, logits),) = clip_scores([("a", waveform)], scorer)
    pieces = torch.nn.functional.pad(torch.from_numpy(waveform), (0, 80_000)).reshape(3, 160_000)
    with torch.inference_mode():
        expected = detector(detector.frontend(pieces)).strong.transpose(1, 2).reshape(750, 3)
    assert logits.shape == (625, 3)  # the silence behind the last piece is not kept
    np.testing.assert_allclose(logits, expected[:625], atol=1e-5)
    assert not load_protocol("dcase2016").overlap
    assert load_protocol("paper").overlap


def test_error_rates_are_no_percentages_in_a_run(tuned):
    # Hardly anything is found, so nearly every event is an error, once.
    *_, last = tuned.run.rows()
    assert 0 <= last["segment_error_rate"] < 20
    assert last["validation_loss"] > 0


def test_fine_tuning_starts_with_the_network_and_fresh_heads(hear, pretrained):
    plan = planned(RECIPE, hear, f"initialise={pretrained}")
    detector, stored = build_detector(plan, open_data(plan)), read_checkpoint(pretrained).state
    for name, tensor in detector.state_dict().items():
        if "head" in name:
            assert len(tensor) == len(open_dataset(hear, split="train").classes)
        elif name in stored:
            torch.testing.assert_close(tensor, stored[name], rtol=0, atol=0)


def test_layers_learn_the_slower_the_lower_they_are(hear, pretrained, tmp_path):
    fit = trained(
        tmp_path / "run", RECIPE, hear, f"initialise={pretrained}", "optimizer.layer_decay=0.5", *FASTER
    )
    layers = sorted({name.split(".")[1] for name in fit.rates.peaks if name.startswith("backbone")})
    assert len(layers) == 17
    for index, layer in enumerate(layers):
        assert fit.rates.peaks[f"backbone.{layer}.decay"] == pytest.approx(3e-3 * 0.5 ** (16 - index))
    assert fit.rates.peaks["sequence.decay"] == pytest.approx(3e-3)
    decays = {group["name"]: group["weight_decay"] for group in fit.optimizer.param_groups}
    assert {decay for name, decay in decays.items() if name.endswith(".no_decay")} == {0.0}
    assert {decay for name, decay in decays.items() if name.endswith(".decay")} == {1e-3}


def test_linear_probe_leaves_network_and_statistics_as_they_were(probed, pretrained):
    before, after = read_checkpoint(pretrained).state, read_checkpoint(probed.run.last).state
    frozen = [name for name in after if name.startswith(("backbone.", "sequence.", "frontend."))]
    assert any("running_mean" in name for name in frozen)
    assert any("num_batches_tracked" in name for name in frozen)
    for name in frozen:
        torch.testing.assert_close(after[name], before[name], rtol=0, atol=0)


def test_linear_probe_trains_the_strong_head_alone(probed, hear, pretrained):
    plan = planned(f"{RECIPE}-probe", hear, f"initialise={pretrained}")
    fresh = build_detector(plan, open_data(plan)).state_dict()
    after = read_checkpoint(probed.run.last).state
    assert not torch.equal(after["strong_head.weight"], fresh["strong_head.weight"])
    torch.testing.assert_close(after["weak_head.weight"], fresh["weak_head.weight"], rtol=0, atol=0)
    assert {group["name"] for group in probed.optimizer.param_groups} == {
        "sequence.decay",
        "sequence.no_decay",
    }
    assert sum(len(group["params"]) for group in probed.optimizer.param_groups) == 2


def test_frozen_parts_stay_in_eval_mode_and_the_mel_filters_still(hear, pretrained):
    plan = planned(f"{RECIPE}-probe", hear, f"initialise={pretrained}", "augment.mel_jitter=true")
    module = DetectorTraining(build_detector(plan, open_data(plan)), plan.recipe)
    module.set_mode()
    detector = module.detector
    assert not any(part.training for part in detector.backbone.modules())
    assert detector.strong_head.training
    waveform = torch.randn(1, 16_000)
    torch.testing.assert_close(detector.frontend(waveform), detector.frontend(waveform), rtol=0, atol=0)
