"""Validation: every process scores its share of the pieces, one of them computes the values."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal, cast

import numpy as np
import torch
from lightning.fabric import Fabric
from lightning.fabric.strategies.fsdp import FSDPStrategy
from numpy.typing import NDArray

from effbench.evaluate.clip_scores import mean_average_precision
from effbench.evaluate.evaluation import Evaluation
from effbench.evaluate.protocol import evaluate_scores
from effbench.grid import FRAME_SECONDS
from effbench.infer.scorer import FrameScorer, Inference
from effbench.models.detector import SoundEventDetector
from effbench.results.intervals import Estimate
from effbench.results.measurement import in_unit
from effbench.train.feed.loader import Loader
from effbench.train.feed.pieces import ValidationItems
from effbench.train.feed.training_data import TrainingData
from effbench.train.health import raise_together
from effbench.train.losses import bce
from effbench.train.runs import LOGITS


@dataclass(frozen=True)
class Scored:
    """One validation: mean binary cross-entropy, and the evaluation by the recipe's protocol."""

    loss: float
    evaluation: Evaluation

    def value(self, metric: str) -> float:
        """A score in its unit."""
        return in_unit(metric, self.evaluation.values[metric]).value

    def row(self) -> dict[str, float | None]:
        """For the run's metrics: every score in its unit, with its interval."""
        row: dict[str, float | None] = {"validation_loss": self.loss}
        for name, score in self.evaluation.values.items():
            estimate = in_unit(name, score)
            row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        return row


class Validator:
    """Scores a detector on the validation clips, of which ``loader`` brings this process's share.

    All processes write their logits into one file in ``folder``, which all can see, so that nothing is sent
    and nothing is held in memory. The file is deleted after every validation.
    """

    def __init__(self, data: TrainingData, fabric: Fabric, folder: Path, loader: Loader) -> None:
        self.data, self.fabric, self.loader = data, fabric, loader
        self.weak = data.recipe.task == "weak"
        self.head: Literal["strong", "weak"] = "weak" if self.weak else "strong"
        items = data.validation_items
        starts = (np.arange(len(items)) - items.firsts[items.clips]) * items.piece_frames
        ids = (items.dataset.ids[position] for position in items.clips)
        self.rows = {key: row for row, key in enumerate(zip(ids, starts.tolist(), strict=True))}
        self.folder = folder
        outputs = len(data.weak_classes if self.weak else data.classes)
        self.shape = (len(items), outputs) if self.weak else (len(items), items.piece_frames, outputs)

    def __call__(self, model: torch.nn.Module, detector: SoundEventDetector) -> Scored:
        """Validate; every process has to call this and gets the same result.

        ``model`` is what the processes share, called with features in the precision of the training; the
        ``detector`` inside it is left in eval mode.
        """
        detector.eval()
        with self._scores() as path:
            loss = self._infer(model, detector, path)
            self.fabric.barrier()
            # Curves and counts of every class stay here.
            own = replace(self._evaluate(path), results={}) if self.fabric.is_global_zero else None
            evaluation = cast(Evaluation, self.fabric.broadcast(own))
        return Scored(loss, evaluation)

    @contextmanager
    def _scores(self) -> Iterator[Path]:
        """The file of all logits, which process 0 makes and deletes."""
        with ExitStack() as made:
            path, problem = None, None
            if self.fabric.is_global_zero:
                try:
                    own = TemporaryDirectory(prefix=LOGITS, dir=self.folder)
                    path = Path(made.enter_context(own)) / "logits.npy"
                    _reserve(path, self.shape)
                except OSError as error:
                    problem = (
                        f"{self.folder}: no room for the validation's logits ({error.strerror or error})"
                    )
            raise_together(self.fabric, problem)
            yield cast(Path, self.fabric.broadcast(path))
            self.fabric.barrier()

    @torch.inference_mode()
    def _infer(self, model: torch.nn.Module, detector: SoundEventDetector, path: Path) -> float:
        logits_of = self._network(model, detector)
        scores = np.lib.format.open_memmap(path, "r+")
        total, broken = torch.zeros(2, dtype=torch.float64), ""
        for packed in self.loader:
            batch = packed.to(self.fabric.device)
            logits = logits_of(batch.waveform)
            labels = batch.weak if self.weak else batch.labels
            loss = float(bce(logits, cast(torch.Tensor, labels)))
            broken = broken or ("" if math.isfinite(loss) else ", ".join(batch.clips))
            total += torch.tensor([loss * len(batch), len(batch)])
            rows = [self.rows[key] for key in zip(batch.clips, batch.starts, strict=True)]
            scores[rows] = (logits if self.weak else logits.transpose(1, 2)).cpu().numpy()
        scores.flush()
        problem = f"the logits of validation clips are not finite; these are among them: {broken}"
        raise_together(self.fabric, problem if broken else None)
        summed = self.fabric.all_reduce(total.to(self.fabric.device), reduce_op="sum")
        assert isinstance(summed, torch.Tensor)
        return float(summed[0] / summed[1])

    def _network(
        self, model: torch.nn.Module, detector: SoundEventDetector
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        """Waveforms to logits: by a faster copy of the weights or, where they are sharded, as they are."""
        if isinstance(self.fabric.strategy, FSDPStrategy):
            return lambda waveform: getattr(model(detector.frontend(waveform)), self.head).float()
        if self.fabric.world_size > 1:
            # Statistics of batch norms are each process's own until the first one's are taken.
            for buffer in detector.buffers():
                first = buffer.contiguous()
                torch.distributed.broadcast(first, src=0)
                buffer.copy_(first)
        inference = Inference(str(self.fabric.device), self.data.recipe.precision)
        scorer = FrameScorer(detector, inference)
        return lambda waveform: scorer.logits(waveform, self.head)

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
        present, count = int(labels.any(0).sum()), len(dataset)
        conditions = {"protocol": "weak", "clips": count, "classes": present}
        return Evaluation("weak", "effbench", count, present, 0, {"map": value}, {}, conditions)


class _Clips(Mapping[str, NDArray[np.float32]]):
    """Logits (frames, classes) of each clip, joined from those of its pieces."""

    def __init__(self, scores: NDArray[np.float32], pieces: ValidationItems) -> None:
        self.scores, self.pieces = scores, pieces
        self.bounds = np.append(pieces.firsts, len(pieces))
        self.positions = {name: position for position, name in enumerate(pieces.dataset.ids)}

    def __getitem__(self, clip: str) -> NDArray[np.float32]:
        position = self.positions[clip]
        parts = self.scores[self.bounds[position] : self.bounds[position + 1]]
        if len(parts) == 1:
            return cast(NDArray[np.float32], parts[0])
        # The silence that pads a long clip's last piece is not part of the clip.
        frames = math.ceil(self.pieces.seconds[position] / FRAME_SECONDS - 1e-6)
        return np.concatenate(list(parts))[:frames]

    def __iter__(self) -> Iterator[str]:
        return iter(self.positions)

    def __len__(self) -> int:
        return len(self.positions)


def _reserve(path: Path, shape: tuple[int, ...]) -> None:
    """An array file whose bytes exist: a disk that fills up later would kill a process that writes to it."""
    np.lib.format.open_memmap(path, "w+", np.float32, shape)
    if hasattr(os, "posix_fallocate"):
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
