"""The training loop: what it computes does not depend on when it was stopped, and nothing bad is kept."""

import numpy as np
import pytest
import soundfile
import torch

from effbench.data.synth import synthesise
from effbench.errors import AudioError, CheckpointError, EffbenchError, Stopped, TrainingError
from effbench.models.checkpoints import read_checkpoint, read_content
from effbench.spec import ModelSpec
from effbench.train.feed.training_data import open_data
from effbench.train.fit import Fit
from effbench.train.plan import Hardware, Plan, Sources
from effbench.train.progress import Progress
from effbench.train.recipe.library import load_recipe
from effbench.train.runs import Run
from effbench.train.start import build_training, make_fabric, origin_here

pytest.importorskip("lightning")

CPU = Hardware(device="cpu", loggers=())
SMALL = (
    "data.crop_seconds=1",
    "batch.size=4",
    "batch.effective=8",
    "epochs=2",
    "validation.every=1",
    "schedule.warmup_steps=2",
)

#: Everything that could remember more than the loop keeps.
EVERYTHING = (
    "ema=0.9",
    "clip_norm=1",
    "augment.mel_jitter=true",
    "augment.frame_shift=0.1",
    "augment.mixup={rate: 0.5}",
    "augment.waveform_mixup={rate: 0.5}",
    "augment.time_mask=0.2",
    "augment.filter_augment={rate: 0.5}",
)


class Watch(Progress):
    """Notes what it is told."""

    def __init__(self):
        self.steps, self.scores, self.began_at = [], [], None

    def began(self, run, position, total):
        self.began_at = position.step, total

    def step(self, position, loss, clips_per_second, total):
        self.steps.append((position.step, loss))

    def validated(self, position, scored, *, best):
        self.scores.append((scored.loss, scored.evaluation.values["psds1"].value, best))


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Ten clips of 2 s: 20 items of 1 s, five batches, three optimiser steps an epoch."""
    return synthesise(tmp_path_factory.mktemp("fit") / "set", clips=10, eval_clips=4, seconds=2)


def planned(data, *overrides, model="fmn01"):
    spec = ModelSpec.parse(model)
    recipe = load_recipe("synthetic-cpu", spec, [*SMALL, *overrides])
    return Plan(str(spec), "synthetic-cpu", recipe, Sources(str(data)))


def begun(folder, plan):
    return Run.create(folder, plan, origin_here(CPU, open_data(plan)))


def fitted(run, *, stop_at=None, workers=0):
    """The loop of a run, after it has gone to its end or to the step ``stop_at``."""
    data, watch = open_data(run.plan), Watch()
    fabric = make_fabric(CPU, run.plan, None)
    fabric.launch()
    module = build_training(run.plan, data)
    # What was drawn before must not matter.
    torch.manual_seed(torch.seed() % 1000)
    fit = Fit(data, module, fabric, run, watch, workers=workers)
    fit.resume()
    fit.stop = lambda: fit.position.step == stop_at
    if stop_at is None:
        fit.fit()
    else:
        with pytest.raises(Stopped, match=f"stopped after step {stop_at} of {fit.total_steps}"):
            fit.fit()
    return fit, watch


def assert_same(one, other, path=""):
    """Two contents of files are equal to the bit, but for the time they took."""
    if isinstance(one, torch.Tensor):
        assert torch.equal(one, other), path
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), path
        for key in one.keys() - {"seconds"}:
            assert_same(one[key], other[key], f"{path}.{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), path
        for index, (left, right) in enumerate(zip(one, other, strict=True)):
            assert_same(left, right, f"{path}[{index}]")
    else:
        assert one == other, path


def assert_same_run(run, other):
    for file in ("last", "best"):
        assert_same(read_content(getattr(run, file)), read_content(getattr(other, file)), file)
    assert len(run.rows()) == run.plan.recipe.epochs
    for row, another in zip(run.rows(), other.rows(), strict=True):
        assert_same(row, another, "metrics")


@pytest.fixture(scope="module")
def plan(data):
    return planned(data, *EVERYTHING, model="fmn01+attn-16")


@pytest.fixture(scope="module")
def uninterrupted(plan, tmp_path_factory):
    run = begun(tmp_path_factory.mktemp("uninterrupted") / "run", plan)
    fit, _ = fitted(run)
    assert fit.position.step == fit.total_steps == 6
    return run


@pytest.mark.parametrize(("stops", "workers"), [((1, 2, 5), 0), ((3,), 0), ((4,), 1)])
def test_a_stopped_run_goes_on_as_if_it_had_not_been_stopped(plan, uninterrupted, stops, workers, tmp_path):
    run = begun(tmp_path / "run", plan)
    for step in stops:
        fit, _ = fitted(run, stop_at=step)
        assert fit.position.step == step
    fitted(run, workers=workers)
    assert_same_run(run, uninterrupted)


def test_an_average_under_the_names_of_an_earlier_version_is_gone_on_with(plan, uninterrupted, tmp_path):
    run = begun(tmp_path / "run", plan)
    fitted(run, stop_at=3)
    content = read_content(run.last)
    kept = content["training"]["average"]
    kept["average"] = {f"detector.{name}": value for name, value in kept["average"].items()}
    torch.save(content, run.last)
    fitted(run)
    assert_same_run(run, uninterrupted)


def test_another_seed_gives_another_run(data, uninterrupted, tmp_path):
    run = begun(tmp_path / "run", planned(data, *EVERYTHING, "seed=1", model="fmn01+attn-16"))
    fitted(run)
    assert run.rows()[0]["loss"] != uninterrupted.rows()[0]["loss"]


def test_a_finished_run_computes_nothing_more(uninterrupted):
    before = uninterrupted.last.stat().st_mtime_ns, uninterrupted.metrics.read_bytes()
    fit, watch = fitted(uninterrupted)
    assert watch.began_at == (6, 6)
    assert not watch.steps
    assert not watch.scores
    assert before == (uninterrupted.last.stat().st_mtime_ns, uninterrupted.metrics.read_bytes())
    assert fit.conditions["protocol"] == "paper"


def test_the_best_weights_are_the_average_that_was_scored(uninterrupted):
    best, last = read_checkpoint(uninterrupted.best), read_content(uninterrupted.last)["training"]
    position = last["position"]
    assert position["best"] == max(row["psds1"] for row in uninterrupted.rows())
    first = next(row["epoch"] for row in uninterrupted.rows() if row["psds1"] == position["best"])
    assert position["best_epoch"] == first
    if position["best_epoch"] == position["epoch"]:
        for key, value in best.state.items():
            assert torch.equal(value, last["average"]["average"][key])


def test_a_frozen_backbone_stays_as_it_was(data, uninterrupted, tmp_path):
    plan = planned(data, "frozen=true", f"initialise={uninterrupted.folder}", model="fmn01+attn-16")
    run = begun(tmp_path / "run", plan)
    fitted(run)
    before, after = read_checkpoint(uninterrupted.best).state, read_checkpoint(run.last).state
    changed = {key.partition(".")[0] for key in before if not torch.equal(before[key], after[key])}
    assert changed == {"strong_head"}


def test_bf16_trains(data, tmp_path):
    run = begun(tmp_path / "run", planned(data, "precision=bf16", "epochs=1"))
    _, watch = fitted(run)
    assert [step for step, _ in watch.steps] == [1, 2, 3]
    assert watch.steps[0][1] != watch.steps[-1][1]
    assert all(value.dtype != torch.bfloat16 for value in read_checkpoint(run.last).state.values())


def test_gradients_are_clipped(data, tmp_path):
    moved = {}
    for norm in ("null", "1e-4"):
        run = begun(
            tmp_path / norm,
            planned(data, f"clip_norm={norm}", "epochs=1", "optimizer.name=adam", "optimizer.weight_decay=0"),
        )
        fitted(run, stop_at=1)
        state = read_content(run.last)["training"]["optimizer"]["state"]
        moved[norm] = sum(float(value["exp_avg"].square().sum()) for value in state.values()) ** 0.5
    assert moved["1e-4"] == pytest.approx(0.1 * 1e-4, rel=1e-3)
    assert moved["null"] > 1e-2


def test_a_loss_that_is_no_number_names_step_epoch_and_clips_and_keeps_the_last_save(data, tmp_path):
    run = begun(tmp_path / "run", planned(data, "epochs=3"))
    fit, _ = fitted(run, stop_at=4)
    before = run.last.read_bytes(), run.best.read_bytes()

    poisoned = open_data(run.plan)
    sampler = poisoned.sampler()
    sampler.set_epoch(1)
    sampler.start = 2
    (clips,) = ({poisoned.items[draw].clip for draw in batch} for batch in list(sampler)[:1])
    fit.stop = lambda: False
    with torch.no_grad():
        fit.module.detector.strong_head.bias[0] = float("nan")
    with pytest.raises(TrainingError) as caught:
        fit.fit()
    first, second, *_ = str(caught.value).splitlines()
    assert first == f"the loss is nan in step 5 (epoch 2); {run.last} is as it was saved last"
    assert set(second.removeprefix("Clips of that batch: ").rstrip(".").split(", ")) == clips
    assert before == (run.last.read_bytes(), run.best.read_bytes())
    fitted(run)


@pytest.mark.parametrize("part", ["backbone.features.0.1.running_var", "weak_head.bias"])
def test_weights_that_no_loss_shows_are_not_kept_either(data, part, tmp_path):
    run = begun(tmp_path / "run", planned(data))
    fit, watch = fitted(run, stop_at=1)
    before = run.last.read_bytes()
    with torch.no_grad():
        fit.module.detector.state_dict()[part][0] = float("nan")
    fit.stop = lambda: False
    with pytest.raises(TrainingError, match=f"1 weights are not finite after step 3.*{part}"):
        fit.fit()
    assert run.last.read_bytes() == before
    assert not run.best.exists()
    assert not run.metrics.exists()
    assert not watch.scores


def test_logits_that_are_no_numbers_are_never_the_best(data, tmp_path):
    run = begun(tmp_path / "run", planned(data, "epochs=1"))
    fit, watch = fitted(run, stop_at=2)
    detector = fit.module.detector
    detector.strong_head.register_forward_hook(
        lambda module, inputs, output: output if module.training else output * float("nan")
    )
    fit.stop = lambda: False
    with pytest.raises(TrainingError, match=r"logits of validation clips are not finite.*Yeval000000"):
        fit.fit()
    assert not run.best.exists()
    assert not watch.scores
    assert not list(run.folder.glob(".validation-*"))


def test_a_run_that_diverges_says_so(data, tmp_path):
    run = begun(tmp_path / "run", planned(data, "optimizer.lr=1e30", "schedule.warmup_steps=0"))
    with pytest.raises(TrainingError, match=r"not finite .*nothing was saved yet|the loss is nan"):
        fitted(run)
    assert not run.last.exists()
    assert not run.best.exists()


def test_a_clip_that_can_not_be_decoded_is_named_and_nothing_is_lost(data, tmp_path):
    copy = synthesise(tmp_path / "set", clips=10, eval_clips=4, seconds=2)
    run = begun(tmp_path / "run", planned(copy))
    fitted(run, stop_at=1)
    before = run.last.read_bytes()
    path = copy / "audio" / "train" / "Ytrain000003.flac"
    whole = path.read_bytes()
    path.write_bytes(b"no audio")
    with pytest.raises(AudioError, match=path.name):
        fitted(run)
    assert run.last.read_bytes() == before
    path.write_bytes(whole)
    fitted(run)


def test_a_clip_of_samples_that_are_no_numbers_stops_the_run(tmp_path):
    copy = synthesise(tmp_path / "set", clips=4, eval_clips=2, seconds=2)
    path = sorted(copy.rglob("*train*/*.flac"))[0]
    samples, rate = soundfile.read(path, dtype="float32")
    samples[:] = np.nan
    path.unlink()
    soundfile.write(path.with_suffix(".wav"), samples, rate, subtype="FLOAT")
    run = begun(tmp_path / "run", planned(copy, "batch.effective=4"))
    with pytest.raises(EffbenchError, match=path.stem):
        fitted(run)


def test_another_models_checkpoint_is_refused(data, uninterrupted, tmp_path):
    run = begun(tmp_path / "run", planned(data))
    run.last.write_bytes(uninterrupted.last.read_bytes())
    with pytest.raises(CheckpointError, match="of another training, or damaged"):
        fitted(run)
    run.last.write_bytes(uninterrupted.best.read_bytes())
    with pytest.raises(CheckpointError, match="weights alone"):
        fitted(run)
