"""Checkpoints: published files in either key layout, and our own."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from effbench.errors import CheckpointError, EffbenchWarning
from effbench.files import replacing
from effbench.models.checkpoint_keys import OPTIONAL, SequencePart, backbone_names, own_key, sequence_part
from effbench.models.detector import SoundEventDetector
from effbench.models.own_model import find_model
from effbench.spec import BACKBONES, SEQUENCES, ModelSpec

HEADS = ("strong_head", "weak_head")


@dataclass(frozen=True)
class Checkpoint:
    """The contents of a checkpoint file in our key layout.

    Attributes:
        path: where it was read from.
        state: tensors by our key.
        spec: the spec that the file states (our own files only).
        classes: names of the strong head's outputs, where the file states them (our own files only).
    """

    path: Path
    state: Mapping[str, Tensor]
    spec: ModelSpec | None = None
    classes: tuple[str, ...] = ()

    def outputs(self, head: str) -> int | None:
        """Number of classes of a head; ``None`` if the file has no such head."""
        bias = self.state.get(f"{head}.bias")
        return None if bias is None else len(bias)

    @cached_property
    def sequence(self) -> SequencePart | None:
        """The sequence model inside, if it is a known one."""
        return sequence_part(self.state)

    @property
    def has_sequence(self) -> bool:
        """Whether the file has any tensor of a sequence model."""
        return any(key.startswith("sequence.") for key in self.state)

    @property
    def description(self) -> str:
        """What is inside, e.g. ``an fmn10 backbone with tf-256``."""
        parts = [
            f"{'a' if backbone == 'BEATs' else 'an'} {backbone} backbone"
            for backbone in backbone_names(self.state)[:1]
        ]
        if self.sequence is not None:
            parts.append(f"{self.sequence.name}-{self.sequence.dim}")
        elif parts:
            parts.append("no known sequence model" if self.has_sequence else "no sequence model")
        return " with ".join(parts) or "no part of a detector that effbench knows"

    def check_fits(self, spec: ModelSpec) -> None:
        """Raise ``CheckpointError`` if the file plainly belongs to another architecture than ``spec``."""
        problems = []
        if spec.family in ("fmn", *BACKBONES) and spec.backbone not in backbone_names(self.state):
            problems.append(f"a {spec.backbone} backbone is needed")
        found = (self.sequence.name, self.sequence.dim) if self.sequence else (None, None)
        known = spec.sequence is None or spec.sequence in SEQUENCES
        if known and self.has_sequence and found != (spec.sequence, spec.dim):
            wanted = f"{spec.sequence}-{spec.dim}" if spec.sequence else "no sequence model"
            problems.append(f"{wanted} is needed")
        if problems:
            raise CheckpointError(
                f"{self.path} does not fit {spec}: {' and '.join(problems)}; the file has {self.description}"
            )


@dataclass(frozen=True)
class LoadReport:
    """What ``load_checkpoint`` did.

    Attributes:
        path: the file.
        loaded: number of tensors taken from it.
        dropped: heads left out because their class counts differ.
        fresh: parts of the detector that keep their own weights.
    """

    path: Path
    loaded: int
    dropped: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()


def read_checkpoint(path: str | Path, *, rename: bool = True) -> Checkpoint:
    """Contents of a published or of our own file; ``CheckpointError`` if it does not hold tensors by name.

    ``rename`` makes our keys of published ones; a model of one's own has its own.
    """
    path = Path(path)
    content = read_content(path)
    spec, state, classes = content.get("spec"), content.get("state_dict", content), content.get("classes", ())
    if not isinstance(state, Mapping) or not state or not all(isinstance(t, Tensor) for t in state.values()):
        raise CheckpointError(f"{path} is not a checkpoint: it does not hold tensors by name")
    own = {own_key(str(key)) if rename else str(key): tensor for key, tensor in state.items()}
    return Checkpoint(
        path, own, find_model(spec) if isinstance(spec, str) else None, tuple(map(str, classes))
    )


def read_content(path: Path) -> Mapping[str, Any]:
    """Everything in a checkpoint file, nothing of it executed; ``CheckpointError`` if it can't be read."""
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except OSError as error:
        raise CheckpointError(f"can't read {path}: {error.strerror or error}") from None
    except pickle.UnpicklingError:
        raise CheckpointError(
            f"{path} is not a checkpoint: it is damaged, or holds more than tensors by name and is refused"
        ) from None
    except (RuntimeError, EOFError, ValueError, KeyError, IndexError, UnicodeDecodeError) as error:
        reason = str(error).partition("\n")[0] or type(error).__name__
        raise CheckpointError(f"{path} is not a checkpoint, or it is damaged: {reason}") from None
    if not isinstance(content, Mapping):
        raise CheckpointError(f"{path} is not a checkpoint: it does not hold tensors by name")
    return content


def load_checkpoint(detector: nn.Module, path: str | Path) -> LoadReport:
    """Load a published file (raw or renamed layout) or one of ours into a detector.

    A head whose class count differs from the file's, or that the file lacks, is left as it is, and a
    warning says so; so is a sequence model that a file of a backbone alone does not have.

    Raises:
        CheckpointError: the file can't be read or does not fit; names every missing and unexpected key.
    """
    return load_state(detector, read_checkpoint(path))


def load_state(detector: nn.Module, checkpoint: Checkpoint) -> LoadReport:
    """``load_checkpoint`` for a file that has been read already."""
    own = detector.state_dict()
    state = dict(checkpoint.state)
    new_sequence = not checkpoint.has_sequence and any(key.startswith("sequence.") for key in own)
    fresh = ["sequence"] if new_sequence else []
    dropped = []
    for head in HEADS:
        stored, wanted = state.get(f"{head}.bias"), own.get(f"{head}.bias")
        if wanted is None or (not new_sequence and stored is not None and stored.shape == wanted.shape):
            continue
        fresh.append(head)
        if stored is not None:
            dropped.append(head)
            state = {key: tensor for key, tensor in state.items() if not key.startswith(f"{head}.")}
    missing = [
        key
        for key in own
        if key not in state and not OPTIONAL.search(key) and key.partition(".")[0] not in fresh
    ]
    unexpected = [key for key in state if key not in own and not OPTIONAL.search(key)]
    state = {key: tensor for key, tensor in state.items() if key in own}
    shapes = [
        f"{key} {tuple(tensor.shape)}, not {tuple(own[key].shape)}"
        for key, tensor in state.items()
        if tensor.shape != own[key].shape
    ]
    if missing or unexpected or shapes:
        raise CheckpointError(_misfit(checkpoint, missing, unexpected, shapes))
    detector.load_state_dict(state, strict=False)
    if checkpoint.classes and HEADS[0] not in fresh and isinstance(detector, SoundEventDetector):
        detector.classes = checkpoint.classes
    if fresh:
        warnings.warn(_describe_fresh(checkpoint, fresh, dropped), EffbenchWarning, stacklevel=3)
    return LoadReport(checkpoint.path, len(state), tuple(dropped), tuple(fresh))


def _misfit(checkpoint: Checkpoint, missing: list[str], unexpected: list[str], shapes: list[str]) -> str:
    lines = [f"{checkpoint.path} does not fit this detector; the file has {checkpoint.description}"]
    for label, keys in (("missing", missing), ("unexpected", unexpected), ("other shape", shapes)):
        lines += [f"{label} ({len(keys)}): {key}" for key in keys]
    if any("to_gates" in line or "out_norm" in line or "A_log" in line for line in shapes):
        lines.append("build_model(spec, checkpoint=path) reads the number of heads from the file")
    return "\n".join(lines)


def _describe_fresh(checkpoint: Checkpoint, fresh: Iterable[str], dropped: list[str]) -> str:
    text = f"{checkpoint.path.name}: {', '.join(fresh)} not loaded (own weights kept)"
    if dropped:
        counts = ", ".join(f"{head} {len(checkpoint.state[f'{head}.bias'])}" for head in dropped)
        text += f"; the file's class counts: {counts}"
    return text


def save_checkpoint(
    weights: nn.Module | Mapping[str, Tensor],
    path: str | Path,
    spec: str | ModelSpec,
    *,
    classes: Sequence[str] = (),
    training: Mapping[str, object] | None = None,
) -> None:
    """Write weights, their spec and the names of their classes in our own format, atomically.

    ``training`` is what an interrupted training needs to be resumed.

    Raises:
        CheckpointError: the file can't be written; an earlier one stays as it was.
    """
    content = {
        "effbench": 1,  # version of the format
        "spec": find_model(spec).reference,
        "classes": list(classes),
        "state_dict": weights.state_dict() if isinstance(weights, nn.Module) else dict(weights),
        **({} if training is None else {"training": dict(training)}),
    }
    with replacing(Path(path), CheckpointError) as temporary:
        try:
            torch.save(content, temporary)
        except RuntimeError as error:
            raise CheckpointError(f"'{path}' can't be written: {error}") from None
