"""Validation: every process scores its share of the pieces, one of them computes the values."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

import numpy as np
import torch
from lightning.fabric import Fabric
from numpy.typing import NDArray

from effbench.data.labels import FRAME_SECONDS
from effbench.evaluate.clip_scores import mean_average_precision
from effbench.evaluate.evaluation import Evaluation
from effbench.evaluate.protocol import evaluate_scores
from effbench.measure.statistics import Estimate
from effbench.models.detector import SoundEventDetector
from effbench.train.data import TrainingData
from effbench.train.items import ValidationItems
from effbench.train.loader import Batch, Loader
from effbench.train.losses import bce


@dataclass(frozen=True)
class Scored:
    """What one validation found.

    Attributes:
        loss: mean binary cross-entropy of the logits and the labels.
        evaluation: by the recipe's protocol.
    """

    loss: float
    evaluation: Evaluation

    def value(self, metric: str) -> float:
        """A score as a percentage."""
        return 100 * self.evaluation.values[metric].value

    def row(self) -> dict[str, float | None]:
        """For the run's metrics: fractions as percentages, with their intervals."""
        row: dict[str, float | None] = {"validation_loss": self.loss}
        for name, estimate in self.evaluation.values.items():
            row |= {
                name: 100 * estimate.value,
                f"{name}_low": 100 * estimate.low,
                f"{name}_high": 100 * estimate.high,
            }
        return row


class Validator:
    """Scores a detector on the validation clips.

    All processes write their logits into one file of a folder that all can see, so that nothing is sent
    and nothing is held in memory.

    Args:
        data: of the training.
        fabric: the processes.
        folder: for the file, which is deleted after every validation.
        loader: of this process's share of the pieces.
    """

    def __init__(self, data: TrainingData, fabric: Fabric, folder: Path, loader: Loader) -> None:
        self.data, self.fabric, self.loader = data, fabric, loader
        self.weak = data.recipe.task == "weak"
        items = data.validation_items
        self.rows = {
            (items.dataset.ids[position], int(start)): row
            for row, (position, start) in enumerate(zip(items.clips, _starts(items), strict=True))
        }
        self.folder = folder
        outputs = len(data.weak_classes if self.weak else data.classes)
        self.shape = (len(items), outputs) if self.weak else (len(items), items.piece_frames, outputs)

    def __call__(self, model: torch.nn.Module, detector: SoundEventDetector) -> Scored:
        """Validate; every process has to call this and gets the same result.

        Args:
            model: what the processes share, called with features in the precision of the training.
            detector: inside it; left in eval mode.
        """
        detector.eval()
        with self._scores() as path:
            loss = self._infer(model, detector, path)
            self.fabric.barrier()
            # Curves and counts of every class stay here.
            found = replace(self._evaluate(path), results={}) if self.fabric.is_global_zero else None
            evaluation = cast(Evaluation, self.fabric.broadcast(found))
        return Scored(loss, evaluation)

    @contextmanager
    def _scores(self) -> Iterator[Path]:
        """The file of all logits, which process 0 makes and deletes."""
        with TemporaryDirectory(prefix=".validation-", dir=self.folder) as own:
            path = Path(self.fabric.broadcast(own)) / "logits.npy"
            if self.fabric.is_global_zero:
                np.lib.format.open_memmap(path, "w+", np.float32, self.shape)
            self.fabric.barrier()
            yield path
            self.fabric.barrier()

    @torch.inference_mode()
    def _infer(self, model: torch.nn.Module, detector: SoundEventDetector, path: Path) -> float:
        scores = np.lib.format.open_memmap(path, "r+")
        total = torch.zeros(2, dtype=torch.float64)
        for packed in self.loader:
            batch = packed.to(self.fabric.device)
            logits = model(detector.frontend(batch.waveform))
            logits = (logits.weak if self.weak else logits.strong).float()
            labels = self._labels(batch)
            total += torch.tensor([float(bce(logits, labels)) * len(batch), len(batch)])
            rows = [self.rows[key] for key in zip(batch.clips, batch.starts, strict=True)]
            scores[rows] = (logits if self.weak else logits.transpose(1, 2)).cpu().numpy()
        scores.flush()
        summed = self.fabric.all_reduce(total.to(self.fabric.device), reduce_op="sum")
        assert isinstance(summed, torch.Tensor)
        return float(summed[0] / summed[1])

    def _labels(self, batch: Batch) -> torch.Tensor:
        return cast(torch.Tensor, batch.weak if self.weak else batch.labels)

    def _evaluate(self, path: Path) -> Evaluation:
        scores = np.load(path, mmap_mode="r")
        if self.weak:
            return self._clip_scores(scores)
        dataset = self.data.validation
        return evaluate_scores(
            _Clips(scores, self.data.validation_items),
            dataset.ground_truth(),
            dict(zip(dataset.ids, self.data.validation_items.seconds.tolist(), strict=True)),
            classes=self.data.classes,
            protocol=self.data.recipe.validation.protocol,
        )

    def _clip_scores(self, scores: NDArray[np.float32]) -> Evaluation:
        """Mean average precision; a clip's score is the highest of its pieces'."""
        items, dataset = self.data.validation_items, self.data.validation
        clips = np.full((len(dataset), self.shape[-1]), -np.inf, np.float32)
        np.maximum.at(clips, items.clips, scores)
        index = {name: column for column, name in enumerate(self.data.weak_classes)}
        labels = np.zeros(clips.shape, bool)
        for row, clip in enumerate(dataset):
            for name in clip.weak or {event.label for event in clip.events}:
                if name in index:
                    labels[row, index[name]] = True
        value = Estimate(mean_average_precision(clips, labels), math.nan, math.nan)
        found, count = int(labels.any(0).sum()), len(dataset)
        conditions = {"protocol": "weak", "clips": count, "classes": found}
        return Evaluation("weak", "effbench", count, found, 0, {"map": value}, {}, conditions)


class _Clips(Mapping[str, NDArray[np.float32]]):
    """Logits (frames, classes) of each clip, joined from those of its pieces."""

    def __init__(self, scores: NDArray[np.float32], pieces: ValidationItems) -> None:
        self.scores, self.pieces = scores, pieces
        self.bounds = np.searchsorted(pieces.clips, np.arange(len(pieces.dataset) + 1))
        self.positions = {name: position for position, name in enumerate(pieces.dataset.ids)}

    def __getitem__(self, clip: str) -> NDArray[np.float32]:
        position = self.positions[clip]
        parts = self.scores[self.bounds[position] : self.bounds[position + 1]]
        if len(parts) == 1:
            return cast(NDArray[np.float32], parts[0])
        # The silence behind a long clip is no part of it.
        frames = math.ceil(self.pieces.seconds[position] / FRAME_SECONDS - 1e-6)
        return np.concatenate(list(parts))[:frames]

    def __iter__(self) -> Iterator[str]:
        return iter(self.positions)

    def __len__(self) -> int:
        return len(self.positions)


def _starts(items: ValidationItems) -> NDArray[Any]:
    """First frame of every piece."""
    firsts = np.searchsorted(items.clips, items.clips)
    return (np.arange(len(items)) - firsts) * items.piece_frames
