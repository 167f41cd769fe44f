"""Trainings on clip labels, and with an online teacher."""

import csv
from dataclasses import replace

import numpy as np
import pytest
import torch

from effbench import build_model
from effbench.data.datasets import open_dataset
from effbench.data.labels import EventTable, encode_events
from effbench.data.synth import synthesise
from effbench.errors import CheckpointError, DataError, EffbenchError, UsageError
from effbench.models.checkpoints import read_checkpoint, read_content
from effbench.models.chosen import choose_model
from effbench.train.feed.samplers import Draw
from effbench.train.feed.training_data import StepBatches, open_data
from effbench.train.module import DetectorTraining
from effbench.train.start import build_detector, build_teacher, build_training
from tests.train.small import MODEL, planned, save_model, trained

SHORT = ("data.crop_seconds=2", "data.classes=data")
TEACHER = "fmn02"


@pytest.fixture(scope="module")
def strong(tmp_path_factory):
    return synthesise(tmp_path_factory.mktemp("data") / "strong", clips=4, eval_clips=2)


@pytest.fixture(scope="module")
def weak(strong):
    """Clips of the same layout that are not in the other set."""
    return synthesise(strong.parent / "weak", clips=3, eval_clips=1, seed=1)


@pytest.fixture(scope="module")
def teacher(strong):
    """A detector of the strong set's classes."""
    classes = open_data(planned("audioset-strong", strong, *SHORT)).classes
    return save_model(strong.parent / "teacher.pt", classes, model=TEACHER, seed=3)


@pytest.fixture(scope="module")
def taught(strong, weak, teacher, tmp_path_factory):
    """Fit of one epoch with an online teacher."""
    return trained(tmp_path_factory.mktemp("runs") / "taught", *advanced(strong, teacher), weak_data=weak)


def advanced(strong, teacher, *more):
    """Recipe, data and changes for an online teacher."""
    changes = (f"teacher.model={TEACHER}", f"teacher.checkpoint={teacher}", "data.weak_split=train")
    return "audioset-advanced-kd", strong, *SHORT, *changes, *more


@pytest.fixture(scope="module")
def tagging(strong, tmp_path_factory):
    """Fit of one epoch on clip labels."""
    overrides = ("data.train_split=train", "data.crop_seconds=2")
    return trained(tmp_path_factory.mktemp("runs") / "tagging", "audioset-weak", strong, *overrides)


def test_clip_labels_are_those_of_the_events_that_a_piece_hears(strong):
    data = open_data(planned("audioset-weak", strong, "data.train_split=train", "data.crop_seconds=2"))
    assert set(data.weak_classes) == set(data.training.events.labels)
    item = data.items[Draw(0, seed=2)]
    clip = data.training.clip(item.clip)
    frames = encode_events(clip.events, data.weak_classes, frames=50, first_frame=item.start)
    np.testing.assert_array_equal(item.weak, frames.any(axis=1))


def test_clip_labels_train_network_and_weak_head_alone(tagging, strong):
    plan = planned("audioset-weak", strong, "data.train_split=train", "data.crop_seconds=2")
    before = build_detector(plan, open_data(plan)).state_dict()
    after = read_checkpoint(tagging.run.last).state
    assert not torch.equal(after["weak_head.weight"], before["weak_head.weight"])
    assert not torch.equal(after["backbone.features.0.0.weight"], before["backbone.features.0.0.weight"])
    torch.testing.assert_close(after["strong_head.weight"], before["strong_head.weight"], rtol=0, atol=0)


def test_clip_labels_are_validated_by_mean_average_precision(tagging):
    (row,) = tagging.run.rows()
    assert 0 < row["map"] <= 100
    assert row["validation_loss"] > 0
    # A frame-wise head that was never trained is not among the best weights, as if it could be used.
    assert not any(key.startswith("strong_head.") for key in read_checkpoint(tagging.run.best).state)


def test_events_are_not_looked_for_with_weights_that_know_clips_alone(tagging, strong, effbench, tmp_path):
    folder = tagging.run.folder
    for command in (["evaluate", "--split", "eval", "--no-store", "--data", strong], ["detect", strong]):
        done = effbench(*command, "--checkpoint", folder)
        assert (done.returncode, done.stdout) == (1, ""), done.stderr
        assert "best.pt has no trained frame-wise head, so that it detects no events" in done.stderr
        assert "may begin with it" in done.stderr
    # Nor with a fresh sequence model on trained weights of a backbone.
    torch.save(dict(read_checkpoint(tagging.run.best).state), tmp_path / "backbone.pt")
    with pytest.raises(CheckpointError, match="no trained frame-wise head and no trained sequence model"):
        choose_model(f"{MODEL}+gru-16", tmp_path / "backbone.pt")


def test_trainings_on_events_begin_with_the_network_of_one_on_clip_labels(tagging, strong):
    plan = planned("audioset-strong", strong, f"initialise={tagging.run.folder}", model=f"{MODEL}+gru-16")
    start, stored = build_detector(plan, open_data(plan)).state_dict(), read_checkpoint(tagging.run.best)
    for name, tensor in stored.state.items():
        if name.startswith("backbone."):
            torch.testing.assert_close(start[name], tensor, rtol=0, atol=0)


def test_balanced_draws_need_labels(strong, weak, teacher):
    data = open_data(planned(*advanced(strong, teacher), weak_data=weak))
    unlabelled = replace(data, weak=replace(data.weak, events=EventTable()))
    with pytest.raises(DataError, match=r"data\.weak_sampling=uniform"):
        unlabelled.sampler(weak=True)


def test_weak_clips_need_nothing_but_audio(strong, weak, teacher):
    plan = planned(*advanced(strong, teacher, "data.weak_sampling=uniform"), weak_data=weak)
    data = open_data(plan)
    data = replace(data, weak=replace(data.weak, events=EventTable()))
    item = data.weak_items[Draw(0, seed=0)]
    assert item.labels is None
    assert item.weak is None
    assert item.waveform.shape == (32_000,)
    # As many as of the strong clips.
    assert data.sampler(weak=True).epoch_items == data.sampler().epoch_items == 20


def test_clips_with_clip_labels_alone_serve_as_weak_set(strong, teacher, tmp_path):
    with (tmp_path / "train.tsv").open("w") as file:
        rows = csv.writer(file, delimiter="\t")
        rows.writerow(["filename", "event_labels"])
        rows.writerows([path.name, "Speech"] for path in sorted((strong / "audio" / "train").iterdir()))
    (tmp_path / "train").symlink_to(strong / "audio" / "train")
    assert open_dataset(tmp_path).weak
    data = open_data(planned(*advanced(strong, teacher), weak_data=tmp_path))
    assert data.weak_items[Draw(0, seed=0)].weak is None
    assert data.sampler(weak=True).epoch_items == 20


def test_online_teacher_trains_a_student(taught):
    (row,) = taught.run.rows()
    assert 0 < row["loss"] < 2
    assert np.isfinite(row["psds1"])


def test_teacher_stays_as_it_was_and_is_in_no_checkpoint(taught, teacher):
    (kept,) = taught.module._teacher
    assert not any(part.training for part in kept.modules())
    assert not any(parameter.requires_grad for parameter in kept.parameters())
    for name, tensor in read_checkpoint(teacher).state.items():
        torch.testing.assert_close(kept.state_dict()[name], tensor, rtol=0, atol=0)
    student = set(taught.module.detector.state_dict())
    for path in (taught.run.best, taught.run.last):
        assert set(read_content(path)["state_dict"]) == student
    assert {name.split(".")[0] for name, _ in taught.module.named_parameters()} == {"detector"}


def test_train_mode_of_the_student_leaves_the_teacher_in_eval_mode(strong, weak, teacher):
    plan = planned(*advanced(strong, teacher), weak_data=weak)
    module = build_training(plan, open_data(plan))
    module.set_mode()
    (kept,) = module._teacher
    assert module.detector.backbone.training
    assert not kept.training


def test_both_batches_and_the_labels_make_the_loss(strong, weak, teacher):
    """Of the formula with a weight of 0.1 for labels and 0.9 for the teacher, half on each batch."""
    plan = planned(*advanced(strong, teacher), weak_data=weak)
    data = open_data(plan)
    module = build_training(plan, data).eval()
    batches = [batch.to("cpu") for batch in next(StepBatches(data).epoch(0))[0]]
    with torch.no_grad():
        tensors = module.prepare(batches[0], torch.Generator().manual_seed(0), batches[1])
        loss = module.training_step(tensors)
        own = module.detector(tensors["features"]).strong
        other = module.detector(tensors["weak_features"]).strong
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    expected = (
        0.1 * bce(own, tensors["labels"])
        + 0.45 * bce(own, tensors["teacher"])
        + 0.45 * bce(other, tensors["weak_teacher"])
    )
    torch.testing.assert_close(loss, expected)
    assert tensors["teacher"].shape == tensors["labels"].shape
    assert len(tensors["weak_features"]) == len(batches[1].clips)


def test_the_recipe_s_own_teacher_hears_what_a_student_with_another_front_end_hears(strong, weak):
    """BEATs has its own mels and frames; its weights do not matter here."""
    changes = ("data.weak_split=train", "augment.time_mask=0.5", "augment.filter_augment.rate=1")
    small = ("batch.size=2", "batch.effective=2")
    plan = planned("audioset-advanced-kd", strong, *changes, *small, weak_data=weak)
    data = open_data(plan)
    teacher = build_model(plan.recipe.teacher.model, seed=0)
    module = DetectorTraining(build_detector(plan, data), plan.recipe, teacher)
    batches = [batch.to("cpu") for batch in next(StepBatches(data).epoch(0))[0]]
    tensors = module.prepare(batches[0], torch.Generator().manual_seed(0), batches[1])
    assert tensors["teacher"].shape == tensors["weak_teacher"].shape == tensors["labels"].shape
    assert ((tensors["teacher"] > 0) & (tensors["teacher"] < 1)).all()


def test_a_teacher_of_other_classes_is_refused(strong, weak, teacher, tmp_path):
    classes = read_checkpoint(teacher).classes
    data = open_data(planned(*advanced(strong, teacher), weak_data=weak))
    fewer = save_model(tmp_path / "fewer.pt", classes[1:], model=TEACHER)
    turned = save_model(tmp_path / "turned.pt", classes[::-1], model=TEACHER)
    for path, said in ((fewer, f"{len(classes) - 1} classes"), (turned, f"'{classes[-1]}' is where")):
        with pytest.raises(UsageError, match=said):
            build_teacher(planned(*advanced(strong, path), weak_data=weak), data)


def test_what_a_recipe_needs_besides_its_data_is_asked_for(strong, teacher):
    with pytest.raises(UsageError, match="needs clips for its weak batches"):
        open_data(planned(*advanced(strong, teacher)))
    with pytest.raises(UsageError, match="needs pseudo labels"):
        open_data(planned("audioset-strong-kd", strong))
    plan = planned("audioset-strong", strong, "initialise=weak")
    with pytest.raises(EffbenchError, match=f"no 'weak' checkpoint of {MODEL}"):
        build_detector(plan, open_data(plan))


def test_published_training_data_has_its_times_in_single_precision(strong):
    main, published = (
        open_data(planned(f"audioset-strong{name}", strong)).items.targets for name in ("", "-published")
    )
    assert (main.float32_times, published.float32_times) == (False, True)
