"""Which file a checkpoint is: a published one by its training, a path, or a run; checked against its card."""

from __future__ import annotations

from pathlib import Path
from typing import cast, get_args

from effbench.data.vocabulary import strong_classes
from effbench.errors import CheckpointError, UsageError
from effbench.models import zoo
from effbench.models.cards import Training
from effbench.models.checkpoints import HEADS, Checkpoint, read_checkpoint
from effbench.models.download import cached_file
from effbench.models.own_model import OwnModel
from effbench.spec import ModelSpec

#: Trainings that give weights of all parts, for the classes of AudioSet-strong.
_ON_EVENTS = ("strong", "advanced-kd")

#: The weights that a run's folder stands for.
BEST = "best.pt"


def locate_checkpoint(spec: ModelSpec, checkpoint: str | Path) -> Path:
    """Path of a file, of a run's best weights, or of a published file by its training (``strong``, …).

    ``weak`` and ``ssl`` are the backbone's own files: sequence models were trained on strong labels alone.

    Raises:
        CheckpointError: no such file, no such published file, or it can't be downloaded.
    """
    if str(checkpoint) not in get_args(Training):
        return _own_file(checkpoint)
    training = cast("Training", str(checkpoint))
    model = zoo.models().get(ModelSpec(spec.backbone) if training in ("weak", "ssl") else spec)
    if model is None or training not in model.card.checkpoint:
        raise CheckpointError(
            f"no '{training}' checkpoint of {spec} was published: see 'effbench models list'"
        )
    file = model.card.checkpoint[training]
    if "://" not in model.release:
        return _own_file(Path(model.release) / file)
    return cached_file(f"{model.release}/{file}", file, model.card.sha256.get(training))


def _own_file(checkpoint: str | Path) -> Path:
    path = Path(checkpoint).expanduser()
    path = path / BEST if (path / BEST).is_file() else path
    if not path.is_file():
        known = ", ".join(sorted(get_args(Training)))
        raise CheckpointError(f"no checkpoint file at '{checkpoint}' (nor a training of that name: {known})")
    return path


def open_checkpoint(spec: ModelSpec, checkpoint: str | Path) -> Checkpoint:
    """Contents of what ``locate_checkpoint`` finds.

    Raises:
        CheckpointError: as there; or it can't be read, or is not the published file that it is called.
    """
    path = locate_checkpoint(spec, checkpoint)
    stored = read_checkpoint(path, rename=not isinstance(spec, OwnModel))
    if str(checkpoint) in _ON_EVENTS:
        stored.check_fits(spec)
        problems = []
        outputs = stored.outputs(HEADS[0]) or 0
        if outputs != len(strong_classes()):
            problems.append(f"{outputs:,} classes of events instead of {len(strong_classes())}")
        if spec.sequence and not stored.has_sequence:
            problems.append("no sequence model")
        if problems:
            raise CheckpointError(
                f"{stored.path} is not the published '{checkpoint}' checkpoint of {spec}: it has "
                f"{' and '.join(problems)}; remove it, so that it is downloaded"
            )
    return stored


def stated_spec(checkpoint: str | Path) -> ModelSpec:
    """The model that a file of ours, or a run, is of.

    Raises:
        UsageError: the name of a training, which many models have; or a file of a model of one's own, whose
            code is not run unless it is asked for.
        CheckpointError: no such file, it can't be read, or it does not say.
    """
    if str(checkpoint) in get_args(Training):
        raise UsageError(f"'{checkpoint}' checkpoints are published for many models: say of which model")
    path = _own_file(checkpoint)
    spec = read_checkpoint(path).spec
    if spec is None:
        raise CheckpointError(f"{path} does not say which model it is of: name the model")
    if isinstance(spec, OwnModel):
        raise UsageError(
            f"{path} is of the model '{spec}', which is somebody's own code: name the model as well, so that "
            f"it may be run\nIt was trained as '{spec.reference}'."
        )
    return spec
