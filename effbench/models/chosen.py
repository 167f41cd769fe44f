"""The detector that was asked for, and how a record names it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from effbench.errors import CheckpointError, UsageError
from effbench.models import zoo
from effbench.models.build import build_model
from effbench.models.checkpoints import HEADS, Checkpoint
from effbench.models.detector import SoundEventDetector
from effbench.models.located import open_checkpoint, stated_spec
from effbench.models.own_model import OwnModel, find_model
from effbench.spec import ModelSpec

SEED = 0


@dataclass(frozen=True)
class ChosenModel:
    """A detector with its weights' origin.

    Attributes:
        detector: in eval mode.
        spec: its canonical name.
        checkpoint: ``strong`` or the file's name, with its SHA-256; ``None`` for untrained weights. Those
            of a detector that was built elsewhere are ``in memory``.
        code: of a model of one's own, where it comes from (``OwnModel.code``).
    """

    detector: SoundEventDetector
    spec: str
    checkpoint: str | None
    code: str | None = None

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the strong head's outputs; empty where they are not known."""
        names = self.detector.classes
        return names if len(names) == self.detector.strong_head.out_features else ()

    @property
    def class_names(self) -> tuple[str, ...]:
        """A name for every output: ``classes``, or numbers."""
        return self.classes or tuple(f"class {i}" for i in range(self.detector.strong_head.out_features))

    def record(self) -> dict[str, str | int | None]:
        """What identifies the model in a record."""
        record: dict[str, str | int | None] = {"model": self.spec, "checkpoint": self.checkpoint}
        record |= {"code": self.code} if self.code else {}
        return record if self.checkpoint else record | {"seed": SEED}


def choose_model(
    model: str | ModelSpec | SoundEventDetector | None, checkpoint: str | os.PathLike[str] | None = None
) -> ChosenModel:
    """Detector of a spec with a checkpoint's weights, or with untrained ones that are the same every time.

    The spec may be a reference to a model of one's own. A detector that was built elsewhere is taken as it
    is. Without a model, the checkpoint's own is built.

    Raises:
        UnknownModel, CheckpointError: as ``build_model``; or the checkpoint is of another model, or has no
            weights of the parts that events are detected by.
        UsageError: a checkpoint for a detector; or neither a model nor a checkpoint that knows its own.
    """
    if isinstance(model, SoundEventDetector):
        if checkpoint is not None:
            raise UsageError("a detector has its weights already: a checkpoint is for a spec")
        return ChosenModel(model, type(model).__name__, "in memory")
    if checkpoint is None:
        if model is None:
            raise UsageError("no model is named, nor a checkpoint of a run, which knows its model")
        parsed = find_model(model)
        return ChosenModel(build_model(parsed, seed=SEED), str(parsed), None, zoo.model_code(parsed))
    checkpoint = os.fspath(checkpoint)
    parsed = stated_spec(checkpoint) if model is None else find_model(model)
    stored = open_checkpoint(parsed, checkpoint)
    if stored.spec is not None and not _same_model(stored.spec, parsed):
        raise CheckpointError(
            f"{stored.path} is a checkpoint of {stored.spec.reference}, not of {parsed.reference}"
        )
    _require_trained(stored, parsed)
    detector = build_model(parsed, checkpoint=stored)
    name = stored.path.name if Path(checkpoint).name == stored.path.name else checkpoint
    return ChosenModel(detector, str(parsed), stamped(stored.path, name), zoo.model_code(parsed))


def _require_trained(stored: Checkpoint, spec: ModelSpec) -> None:
    """Raise ``CheckpointError`` where a part is lacking without which frame scores are those of chance."""
    if not isinstance(spec, OwnModel):
        stored.check_fits(spec)
    parts = {"frame-wise head": HEADS[0], **({"sequence model": "sequence"} if spec.sequence else {})}
    lacking = [
        f"no trained {part}"
        for part, name in parts.items()
        if not any(key.startswith(f"{name}.") for key in stored.state)
    ]
    if lacking:
        raise CheckpointError(
            f"{stored.path} has {' and '.join(lacking)}, so that it detects no events: it was "
            "trained without their times\nA training on events may begin with it (initialise, in its recipe)."
        )


def _same_model(one: ModelSpec, other: ModelSpec) -> bool:
    """Whether weights of one are of the other: a model of one's own may have moved, or got another name."""
    if isinstance(one, OwnModel) and isinstance(other, OwnModel):
        return (one.factory, one.options) == (other.factory, other.options)
    return one == other


def stamped(path: Path, name: str | None = None) -> str:
    """How records name a file of weights: its name, or another, and the first 16 digits of its SHA-256."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    return f"{name or path.name} (sha256 {digest})"
