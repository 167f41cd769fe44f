"""The data of a training: which clips, which classes, and the loaders that bring them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

import numpy as np

from effbench.data.clips import DataSet, joined
from effbench.data.datasets import open_dataset, recognise
from effbench.data.vocabulary import some_of, strong_classes
from effbench.errors import DataError, UsageError
from effbench.evaluate.given_times import check_events
from effbench.evaluate.protocol_files import Protocol
from effbench.train.feed.loader import Loader, PackedBatch, make_loader
from effbench.train.feed.pieces import TrainingItems, ValidationItems
from effbench.train.feed.samplers import EpochBatches, balanced_weights
from effbench.train.feed.targets import END_TOLERANCE, require_audioset_classes
from effbench.train.plan import Plan
from effbench.train.recipe.recipe import Recipe

#: Weak batches have draws of their own.
_WEAK_SEED = 1_000_003
_NEEDS = {
    "pseudo_labels": "pseudo labels (made by 'effbench pseudo-labels') unless its distillation is 0",
    "weak_data": "clips for its weak batches",
}


@dataclass(frozen=True)
class TrainingData:
    """Everything that a plan reads, opened and checked; ``weak`` are the clips of the weak batches, if any.

    ``classes`` and ``weak_classes`` name the outputs of the strong and the weak head.
    """

    recipe: Recipe
    training: DataSet
    validation: DataSet
    weak: DataSet | None
    classes: tuple[str, ...]
    weak_classes: tuple[str, ...]

    @cached_property
    def items(self) -> TrainingItems:
        """Pieces to train on."""
        data = self.recipe.data
        return TrainingItems(
            self.training,
            classes=self.classes,
            seconds=data.crop_seconds,
            weak_classes=self._weak(),
            rule=data.labels,
            float32_times=data.float32_times,
        )

    @cached_property
    def weak_items(self) -> TrainingItems | None:
        """Pieces of the weak batches: their audio is all that is used of them."""
        if self.weak is None:
            return None
        return TrainingItems(self.weak, classes=(), weak_classes=(), seconds=self.recipe.data.crop_seconds)

    @cached_property
    def validation_items(self) -> ValidationItems:
        """The clips to score on."""
        # Clip labels are scored by no protocol of evaluations: their windows follow each other.
        plan = self.recipe.validation.plan
        return ValidationItems(
            self.validation,
            classes=self.classes,
            weak_classes=self._weak(),
            rule=self.recipe.data.labels,
            overlap=plan is not None and plan.overlap,
            tail_seconds=END_TOLERANCE if plan is None else 0.0,
        )

    @cached_property
    def validation_durations(self) -> dict[str, float]:
        """Seconds of the clips to score on, as evaluations take them.

        Of clip labels, which need none, as far as tables say: packs of AudioSet would all be decoded.
        """
        dataset = self.validation
        if self.recipe.task == "weak":
            return {name: dataset.known_durations.get(name, 0.0) for name in dataset.ids}
        return dataset.durations()

    def _weak(self) -> tuple[str, ...]:
        return self.weak_classes if self.recipe.task == "weak" else ()

    def sampler(self, *, weak: bool = False, rank: int = 0, world: int = 1) -> EpochBatches:
        """Batches of the training items, or the weak ones beside them, of which there are as many."""
        data, items = self.recipe.data, self.weak_items if weak else self.items
        assert items is not None
        sampling = data.weak_sampling if weak else data.sampling
        of_clips = weak or self.recipe.task == "weak"
        return EpochBatches(
            len(items),
            batch_size=self.recipe.batch.size,
            seed=self.recipe.seed + _WEAK_SEED * weak,
            epoch_items=len(self.items) if weak and data.epoch_items is None else data.epoch_items,
            weights=_item_weights(items, of_clips) if sampling == "balanced" else None,
            rank=rank,
            world=world,
        )

    def validation_loader(self, *, rank: int, world: int, workers: int, pinned: bool) -> Loader:
        """Loader of this process's share of the validation clips, each once, in order.

        A batch has about as many windows as the recipe says. More processes than clips score some twice.
        """
        items = self.validation_items
        sampler = EpochBatches(
            len(items),
            batch_size=max(1, int(self.recipe.validation.batch_size / items.mean_windows)),
            seed=0,
            epoch_items=max(len(items), world),
            shuffle=False,
            rank=rank,
            world=world,
        )
        return make_loader(items, sampler, workers=workers, pin_memory=pinned)


def open_data(plan: Plan) -> TrainingData:
    """Data sets of a plan.

    Raises:
        UsageError: a path or split that does not exist, or a missing source that the recipe needs.
        DataError: clips, labels or pseudo labels that can't be used, or do not fit the classes.
    """
    recipe, sources = plan.recipe, plan.sources
    data = recipe.data
    if plan.missing_sources:
        lacking = " and ".join(_NEEDS[name] for name in plan.missing_sources)
        raise UsageError(f"recipe {plan.recipe_name} needs {lacking}")
    recognise(sources.data, sources.layout)
    training = _open(
        "train_split", recipe, sources.data, sources.layout, sources.audio, sources.pseudo_labels
    )
    training = _limit(training, recipe)
    validation = _open("validation_split", recipe, sources.data, sources.layout, sources.audio)
    weak = None
    if recipe.task == "advanced" and sources.weak_data is not None:
        weak = _open("weak_split", recipe, sources.weak_data)
    for dataset in () if recipe.task == "weak" else (training, validation):
        if not len(dataset.events):
            raise DataError(f"{sources.data}: '{dataset.split}' has no events to train or score frames with")
        if data.classes == "audioset":
            require_audioset_classes(dataset)
    own = _own_classes(training)
    classes = strong_classes().names if data.classes == "audioset" else own
    if recipe.validation.plan is not None:
        _check_classes(validation, classes, recipe.validation.plan)
    opened = TrainingData(
        recipe, training, validation, weak, classes, own if recipe.task == "weak" else classes
    )
    # Labels or pseudo labels that do not fit are errors now, before there is a run.
    _ = opened.weak_items
    for items in (opened.items, opened.validation_items):
        seconds = dict(zip(items.dataset.ids, items.seconds.tolist(), strict=True))
        check_events(items.dataset.ground_truth(), seconds, {}, items.dataset.path)
    return opened


def _open(
    key: str,
    recipe: Recipe,
    path: str,
    layout: str | None = None,
    audio: str | None = None,
    pseudo: str | None = None,
) -> DataSet:
    """The splits that a key of the recipe's data names, as one."""
    names = str(getattr(recipe.data, key)).split("+")
    try:
        return joined(
            [open_dataset(path, layout, split=name, audio=audio, pseudo_labels=pseudo) for name in names]
        )
    except UsageError as error:
        cure = f"Name one of them: data.{key}=NAME; 'effbench data split' makes train and eval of one table."
        raise UsageError(f"{error}\n{cure}") from None


def _check_classes(dataset: DataSet, classes: tuple[str, ...], protocol: Protocol) -> None:
    """Raise ``EffbenchError`` where scores of these classes could not be validated: now, not after epochs."""
    protocol.windows(classes)
    protocol.decoding(classes, range(len(classes)))
    unknown = sorted(set(dataset.events.labels).difference(classes))
    if unknown and not protocol.scored_only:
        raise DataError(
            f"{dataset.path}: '{dataset.split}' has events of {some_of(unknown)}, "
            f"which no training clip has, and the protocol '{protocol.name}' leaves none out"
        )


def _own_classes(dataset: DataSet) -> tuple[str, ...]:
    """A data set's vocabulary; of AudioSet-strong's, which synthetic sets share, what occurs in it."""
    names = dataset.classes.names
    if names != strong_classes().names:
        return names
    present = set(dataset.events.labels)
    return tuple(name for name in names if name in present)


def _limit(dataset: DataSet, recipe: Recipe) -> DataSet:
    """The recipe's number of clips, drawn with its seed."""
    limit = recipe.data.limit
    if limit is None or limit >= len(dataset):
        return dataset
    chosen = np.random.default_rng(recipe.seed).permutation(len(dataset))[:limit]
    return replace(dataset, audio={dataset.ids[i]: dataset.audio[dataset.ids[i]] for i in chosen})


def _item_weights(items: TrainingItems, of_clips: bool) -> Sequence[float]:
    """A clip's weight, shared by its pieces: by the labels of clips or of frames, or those that there are."""
    dataset = items.dataset
    kind: Literal["weak", "strong"] = "weak"
    if len(dataset.events) and not (of_clips and dataset.weak):
        kind = "strong"
    weights = balanced_weights(dataset, kind)
    if not weights.any():
        raise DataError(
            f"{dataset.path}: '{dataset.split}' has no labels to draw rare classes more often by\n"
            "Draw all clips alike: data.sampling=uniform, or data.weak_sampling=uniform"
        )
    counts = np.bincount(items.clips, minlength=len(items.dataset))
    shares: list[float] = (weights / np.maximum(counts, 1))[items.clips].tolist()
    return shares


#: A batch, and for the task ``advanced`` the weak batch beside it.
Batches = tuple[PackedBatch, ...]


class StepBatches:
    """Batches of a training, several for each optimiser step, on process ``rank`` of ``world``."""

    def __init__(
        self, data: TrainingData, *, rank: int = 0, world: int = 1, workers: int = 0, pinned: bool = False
    ) -> None:
        kinds = [False] if data.weak is None else [False, True]
        self._samplers = [data.sampler(weak=weak, rank=rank, world=world) for weak in kinds]
        self._loaders = [
            make_loader(items, sampler, workers=workers, pin_memory=pinned)
            for items, sampler in zip((data.items, data.weak_items), self._samplers, strict=False)
            if items is not None
        ]
        self.epoch_batches = len(self._samplers[0])
        """Batches of an epoch, on each process."""
        batch = data.recipe.batch
        self.accumulate = max(1, batch.effective // (batch.size * world))
        """Batches of a step; the last step of an epoch may have fewer."""
        self.epoch_steps = -(-self.epoch_batches // self.accumulate)

    def epoch(self, number: int, start: int = 0) -> Iterator[list[Batches]]:
        """The batches of each optimiser step of an epoch, after the first ``start`` batches."""
        for sampler in self._samplers:
            sampler.set_epoch(number)
            sampler.start = start
        window: list[Batches] = []
        left = self.epoch_batches - start
        for batches in zip(*self._loaders, strict=True):
            window.append(batches)
            if len(window) == min(self.accumulate, left):
                left -= len(window)
                yield window
                window = []

    def close(self) -> None:
        """End the loading processes."""
        for loader in self._loaders:
            loader.close()
