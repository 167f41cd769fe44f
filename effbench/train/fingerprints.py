"""What a run's data were when it began, so that a run that is resumed goes on with the same."""

from __future__ import annotations

from collections.abc import Mapping

from effbench.data.clips import DataSet, FileAudio
from effbench.errors import AudioError, UsageError
from effbench.train.feed.training_data import TrainingData

#: Of the data that scores are of, in full.
VALIDATION = "validation"


def fingerprints(data: TrainingData) -> dict[str, str]:
    """Digests of the data sets, by their part in the training.

    The clips that are scored are read, those to learn from are not: of these count tables and sizes of files.
    """
    return {
        part: data.validation.fingerprint(durations=data.validation_durations)
        if part == VALIDATION
        else _without_reading(dataset)
        for part, dataset in _parts(data).items()
    }


def _parts(data: TrainingData) -> dict[str, DataSet]:
    parts = {"training": data.training, VALIDATION: data.validation}
    return parts if data.weak is None else parts | {"weak": data.weak}


def _without_reading(dataset: DataSet) -> str:
    sizes = {}
    for name, audio in dataset.audio.items():
        try:
            sizes[name] = str(audio.path.stat().st_size) if isinstance(audio, FileAudio) else ""
        except OSError as error:
            raise AudioError(f"{audio.name}: {error.strerror or error}") from error
    durations = {name: dataset.known_durations.get(name, 0.0) for name in dataset.ids}
    return dataset.fingerprint(sizes, durations)


def require_same_data(before: Mapping[str, str], data: TrainingData) -> None:
    """Raise ``UsageError`` if data differ from those that a run began with.

    ``before`` is what ``fingerprints`` was then; nothing for runs of versions that took none.
    """
    now = fingerprints(data) if before else {}
    changed = [
        f"{part} ('{dataset.split}' of {dataset.path})"
        for part, dataset in _parts(data).items()
        if before.get(part) != now.get(part)
    ]
    if changed:
        raise UsageError(
            f"the data have changed since the run began: {', '.join(changed)}\n"
            "Put back their clips, events, labels, durations and audio as they were, or train a new run."
        )
