"""Validation: every process runs its share of the clips, one of them computes the values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import groupby
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
from effbench.grid import FRAME_SAMPLES
from effbench.infer.score_folder import Packed, pack
from effbench.infer.scorer import FrameScorer, Inference
from effbench.infer.windows import Window, join_windows
from effbench.models.detector import SoundEventDetector
from effbench.results.intervals import Estimate
from effbench.results.measurement import in_unit
from effbench.train.feed.loader import Loader, PackedBatch
from effbench.train.feed.training_data import TrainingData
from effbench.train.health import raise_together
from effbench.train.losses import bce
from effbench.train.runs import LOGITS
from effbench.train.validation_logits import reading_logits, writing_logits


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

    Clips run in the windows of ``effbench.evaluate``, and their logits are rounded as it keeps them, so that
    both have the same values. Every process writes its logits into a file of its own in ``folder``, which all
    can see, so that nothing is sent and nothing is held in memory. They are deleted after every validation.
    """

    def __init__(self, data: TrainingData, fabric: Fabric, folder: Path, loader: Loader) -> None:
        self.data, self.fabric, self.loader = data, fabric, loader
        self.weak = data.recipe.task == "weak"
        self.head: Literal["strong", "weak"] = "weak" if self.weak else "strong"
        self.sharded = isinstance(fabric.strategy, FSDPStrategy)
        self.folder = folder

    def __call__(self, model: torch.nn.Module, detector: SoundEventDetector) -> Scored:
        """Validate; every process has to call this and gets the same result.

        ``model`` is what the processes share, called with features in the precision of the training; the
        ``detector`` inside it is left in eval mode.
        """
        detector.eval()
        with self._shared_folder() as folder:
            loss = self._infer(model, detector, folder)
            self.fabric.barrier()
            # Curves and counts of every class stay here.
            own = replace(self._evaluate(folder), results={}) if self.fabric.is_global_zero else None
            evaluation = cast(Evaluation, self.fabric.broadcast(own))
        return Scored(loss, evaluation)

    @contextmanager
    def _shared_folder(self) -> Iterator[Path]:
        """A folder for all logits, which process 0 makes and deletes."""
        with ExitStack() as made:
            path, problem = None, None
            if self.fabric.is_global_zero:
                try:
                    own = TemporaryDirectory(prefix=LOGITS, dir=self.folder)
                    path = Path(made.enter_context(own))
                except OSError as error:
                    problem = f"'{self.folder}' can't be written: {error.strerror or error}"
            raise_together(self.fabric, problem)
            yield cast(Path, self.fabric.broadcast(path))
            self.fabric.barrier()

    @torch.inference_mode()
    def _infer(self, model: torch.nn.Module, detector: SoundEventDetector, folder: Path) -> float:
        """Keep the logits of this process's clips; the mean loss of all processes' windows."""
        network = self._network(model, detector)
        numbers = {clip: number for number, clip in enumerate(self.data.validation.ids)}
        total, broken = torch.zeros(2, dtype=torch.float64), ""
        with writing_logits(folder, self.fabric.global_rank) as writer:
            for packed in self.loader:
                batch = packed.to(self.fabric.device)
                logits = self._in_calls(network, batch.waveform)
                labels = batch.weak if self.weak else batch.labels
                loss = float(bce(logits, cast(torch.Tensor, labels)))
                broken = broken or ("" if math.isfinite(loss) else ", ".join(dict.fromkeys(batch.clips)))
                total += torch.tensor([loss * len(batch), len(batch)])
                for clip, arrays in self._of_clips(packed, logits.cpu().numpy()):
                    writer.add(numbers[clip], arrays)
        problem = f"the logits of validation clips are not finite; these are among them: {broken}"
        raise_together(self.fabric, problem if broken else None)
        summed = self.fabric.all_reduce(total.to(self.fabric.device), reduce_op="sum")
        assert isinstance(summed, torch.Tensor)
        return float(summed[0] / summed[1])

    def _network(
        self, model: torch.nn.Module, detector: SoundEventDetector
    ) -> Callable[[torch.Tensor], torch.Tensor]:
        """Waveforms to logits: by a faster copy of the weights or, where they are sharded, as they are."""
        if self.sharded:
            return lambda waveform: getattr(model(detector.frontend(waveform)), self.head).float()
        if self.fabric.world_size > 1:
            # Statistics of batch norms are each process's own until the first one's are taken.
            for buffer in detector.buffers():
                first = buffer.contiguous()
                torch.distributed.broadcast(first, src=0)
                buffer.copy_(first)
        scorer = FrameScorer(detector, Inference(str(self.fabric.device)))
        return lambda waveform: scorer.logits(waveform, self.head)

    def _in_calls(
        self, network: Callable[[torch.Tensor], torch.Tensor], waveform: torch.Tensor
    ) -> torch.Tensor:
        """Logits of windows (windows, samples), at most ``validation.batch_size`` in one call."""
        parts = list(waveform.split(self.data.recipe.validation.batch_size))
        if self.sharded:
            # Every call is one of all processes, whose batches may differ in windows.
            calls = self.fabric.all_reduce(torch.tensor(len(parts), device=waveform.device), reduce_op="max")
            parts += [waveform[:1]] * (int(calls) - len(parts))  # type: ignore[arg-type]
        return torch.cat([network(part) for part in parts])[: len(waveform)]

    def _of_clips(self, batch: PackedBatch, logits: NDArray[np.float32]) -> Iterator[tuple[str, Packed]]:
        """Each clip of a batch, with what is kept of its windows' logits: of clip labels, the highest."""
        for clip, group in groupby(range(len(batch)), key=batch.clips.__getitem__):
            rows = list(group)
            if self.weak:
                yield clip, {"logits": logits[rows].max(axis=0)}
                continue
            end = FRAME_SAMPLES * (batch.starts[rows[-1]] + batch.frames[rows[-1]])
            windows = [
                Window(batch.starts[row], batch.waveform[row].numpy(), end if row == rows[-1] else None)
                for row in rows
            ]
            yield clip, pack(join_windows(zip(windows, logits[rows].transpose(0, 2, 1), strict=True)))

    def _evaluate(self, folder: Path) -> Evaluation:
        dataset = self.data.validation
        with reading_logits(folder, self.fabric.world_size, dataset.ids) as scores:
            if self.weak:
                return self._clip_scores(np.stack([scores[clip] for clip in dataset.ids]))
            return evaluate_scores(
                scores,
                dataset.ground_truth(),
                self.data.validation_durations,
                classes=self.data.classes,
                protocol=self.data.recipe.validation.protocol,
                values="logits",
            )

    def _clip_scores(self, scores: NDArray[np.float32]) -> Evaluation:
        """Mean average precision of scores (clips, classes)."""
        dataset = self.data.validation
        index = {name: column for column, name in enumerate(self.data.weak_classes)}
        labels = np.zeros(scores.shape, bool)
        for row, clip in enumerate(dataset):
            for name in clip.weak or {event.label for event in clip.events}:
                if name in index:
                    labels[row, index[name]] = True
        value = Estimate(mean_average_precision(scores, labels), math.nan, math.nan)
        present, count = int(labels.any(0).sum()), len(dataset)
        conditions = {"protocol": "weak", "clips": count, "classes": present}
        return Evaluation("weak", "effbench", count, present, 0, {"map": value}, {}, conditions)
