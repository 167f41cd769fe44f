"""The detector that was asked for, and how a record names it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

from effbench.data.vocabulary import strong_classes
from effbench.errors import UsageError
from effbench.models.build import build_model
from effbench.models.checkpoints import locate_checkpoint, read_checkpoint
from effbench.models.detector import SoundEventDetector
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
        classes: names of the strong head's outputs; empty where they are not known.
    """

    detector: SoundEventDetector
    spec: str
    checkpoint: str | None
    classes: tuple[str, ...] = ()

    @property
    def class_names(self) -> tuple[str, ...]:
        """A name for every output: ``classes``, or numbers."""
        return self.classes or tuple(f"class {i}" for i in range(self.detector.strong_head.out_features))

    def record(self) -> dict[str, str | int | None]:
        """What identifies the model in a record."""
        record: dict[str, str | int | None] = {"model": self.spec, "checkpoint": self.checkpoint}
        return record if self.checkpoint else record | {"seed": SEED}


def choose_model(
    model: str | ModelSpec | SoundEventDetector, checkpoint: str | os.PathLike[str] | None = None
) -> ChosenModel:
    """Detector of a spec with a checkpoint's weights, or with untrained ones that are the same every time.

    A detector that was built elsewhere is taken as it is.

    Raises:
        UnknownModel, CheckpointError: as ``build_model``.
        UsageError: a checkpoint for a detector.
    """
    if isinstance(model, SoundEventDetector):
        if checkpoint is not None:
            raise UsageError("a detector has its weights already: a checkpoint is for a spec")
        return ChosenModel(model, type(model).__name__, "in memory", _published_classes(model))
    parsed = ModelSpec.parse(str(model))
    if checkpoint is None:
        return ChosenModel(build_model(parsed, seed=SEED), str(parsed), None, strong_classes().names)
    checkpoint = os.fspath(checkpoint)
    path = locate_checkpoint(parsed, checkpoint)
    stored = read_checkpoint(path)
    detector = build_model(parsed, checkpoint=stored)
    classes = stored.classes or _published_classes(detector)
    name = path.name if Path(checkpoint).name == path.name else checkpoint
    return ChosenModel(detector, str(parsed), stamped(path, name), classes)


def _published_classes(detector: SoundEventDetector) -> tuple[str, ...]:
    """The AudioSet-strong classes, where there are as many outputs."""
    published = strong_classes().names
    return published if len(published) == detector.strong_head.out_features else ()


def stamped(path: Path, name: str | None = None) -> str:
    """How records name a file of weights: its name, or another, and the first 16 digits of its SHA-256."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()[:16]
    return f"{name or path.name} (sha256 {digest})"
