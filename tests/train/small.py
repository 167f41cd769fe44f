"""Trainings that take seconds, without the command line."""

import os
import signal

from effbench import build_model
from effbench.models.checkpoints import save_checkpoint
from effbench.spec import ModelSpec
from effbench.train.feed.training_data import open_data
from effbench.train.plan import Hardware, Plan, Sources
from effbench.train.progress import Progress
from effbench.train.recipe.library import load_recipe
from effbench.train.runs import Origin, Run
from effbench.train.start import build_training, fit_run, make_fabric

MODEL = "fmn01"
CPU = Hardware(device="cpu", loggers=())

#: What makes a recipe for GPUs and large sets one for a test.
TINY = (
    "initialise=scratch",
    "precision=fp32",
    "epochs=1",
    "batch.size=4",
    "batch.effective=4",
    "data.epoch_items=null",
    "schedule.warmup_steps=0",
)

#: The same of the command line: two epochs of a few steps.
COMMAND = (
    *("--model", MODEL, "--recipe", "synthetic-cpu", "--device", "cpu", "--threads", "1"),
    *("--set", "data.crop_seconds=1", "--set", "batch.size=4", "--set", "batch.effective=8"),
    *("--set", "validation.every=1", "--set", "epochs=2"),
)

#: A script: the command, which tells of its steps every second.
TALKATIVE = """
from effbench.cli import main, progress

progress.LINE_EVERY = 1.0
main()
"""


class InterruptAt(Progress):
    """Interrupts this process at a step, and notes what it is told."""

    def __init__(self, step=None):
        self.at, self.told = step, []

    def began(self, run, position, total):
        self.told.append(("began", position.step, total))

    def stopping(self):
        self.told.append(("stopping",))

    def step(self, position, loss, clips_per_second, total):
        self.told.append(("step", position.step, total))
        if position.step == self.at:
            os.kill(os.getpid(), signal.SIGINT)

    def validated(self, position, scored, *, best):
        self.told.append(("validated", position.epoch))


def planned(recipe, data, *overrides, model=MODEL, **sources):
    """Plan of a recipe, made tiny."""
    spec = ModelSpec.parse(model)
    places = Sources(str(data), **{name: str(path) for name, path in sources.items()})
    return Plan(str(spec), recipe, load_recipe(recipe, spec, [*TINY, *overrides]), places)


def trained(folder, recipe, place, *overrides, **options):
    """Fit of a training that is done, whose run is ``fit.run``."""
    plan = planned(recipe, place, *overrides, **options)
    return finished(Run.create(folder, plan, Origin(None, {})))


def finished(run):
    """Fit of a run that was begun, from where it stands to its end."""
    data = open_data(run.plan)
    fabric = make_fabric(CPU, run.plan, None)
    fabric.launch()
    return fit_run(run, data, build_training(run.plan, data), fabric, Progress())


def save_model(path, classes, *, model=MODEL, seed=1):
    """A detector's checkpoint, as a training leaves it."""
    detector = build_model(model, n_classes=len(classes), seed=seed)
    save_checkpoint(detector, path, model, classes=classes)
    return path
