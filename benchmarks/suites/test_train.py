"""Throughput of a training step (loading, forward, backward, optimiser) on the CPU at batch 16."""

import time

import pytest
import torch

from effbench.data.synth import synthesise
from effbench.spec import ModelSpec
from effbench.train.feed.training_data import open_data
from effbench.train.fit import Fit
from effbench.train.progress import Progress
from effbench.train.recipe.library import load_recipe
from effbench.train.runs import Hardware, Plan, Run, Sources
from effbench.train.start import build_training, make_fabric

BATCH = 16


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Two batches of clips of 10 s."""
    return synthesise(tmp_path_factory.mktemp("train") / "set", clips=2 * BATCH, eval_clips=2)


@pytest.mark.parametrize("model", ["fmn10", "fmn10+hybrid-256"])
# The other suites need no gradients, and have them off.
@torch.inference_mode(False)
@torch.enable_grad()
def test_training_step(benchmark, data, tmp_path, model, capsys):
    spec = ModelSpec.parse(model)
    changes = ["data.crop_seconds=10", f"batch.size={BATCH}", f"batch.effective={BATCH}", "epochs=1000"]
    plan = Plan(str(spec), "synthetic-cpu", load_recipe("synthetic-cpu", spec, changes), Sources(str(data)))
    opened, hardware = open_data(plan), Hardware(device="cpu", loggers=())
    fabric = make_fabric(hardware, plan, None)
    fabric.launch()
    fit = Fit(opened, build_training(plan, opened), fabric, Run(tmp_path, plan), Progress())
    fit.module.set_mode()
    loading, computing = [], []

    def windows():
        while True:
            yield from fit.windows()
            fit.position.epoch, fit.position.batch = fit.position.epoch + 1, 0

    batches = windows()

    def step():
        began = time.perf_counter()
        window = next(batches)
        loaded = time.perf_counter()
        fit.take_step(window)
        loading.append(loaded - began)
        computing.append(time.perf_counter() - loaded)

    benchmark.pedantic(step, rounds=4, warmup_rounds=1)
    # The first one warms up.
    load, whole = sum(loading[1:]), sum(loading[1:]) + sum(computing[1:])
    speed = BATCH * len(loading[1:]) / whole
    benchmark.extra_info.update(clips_per_second=speed, loading_share=load / whole)
    with capsys.disabled():
        print(
            f"\n{model}: {speed:.2f} clips/s in training at batch {BATCH}, {load / whole:.1%} of it loading"
        )
