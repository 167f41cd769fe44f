"""Random scoring jobs for the tests."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from effbench.data.datasets import open_dataset
from effbench.data.labels import encode_events


@dataclass
class Job:
    """Scores, events and durations that fit together."""

    scores: dict[str, np.ndarray]
    ground_truth: dict[str, list[tuple[float, float, str]]]
    durations: dict[str, float]
    classes: list[str]
    options: dict[str, object] = field(default_factory=dict)

    @property
    def parts(self):
        return self.scores, self.ground_truth, self.durations

    def score(self, function, **options):
        return function(*self.parts, classes=self.classes, **self.options, **options)


def random_job(
    seed: int,
    *,
    clips: int = 12,
    classes: int = 4,
    frames: int = 50,
    levels: int = 0,
    ragged: bool = False,
    strength: float = 1.5,
    density: float = 0.3,
    dtype: type = np.float32,
) -> Job:
    """Normal noise, raised where there are events.

    Args:
        seed: of the generator.
        clips: number of clips; every class has an event in at least one of them.
        classes: number of classes.
        frames: frames of a clip, at most if ``ragged``.
        levels: distinct scores per unit; 0: no rounding, hence no ties.
        ragged: clips of different lengths, their durations other than their frames'.
        strength: by how much events raise the scores.
        density: how likely a clip has a class.
        dtype: of the scores.
    """
    generator = np.random.default_rng(seed)
    names = [f"class {number}" for number in range(classes)]
    job = Job({}, {}, {}, names)
    for number in range(clips):
        length = int(generator.integers(1, frames + 1)) if ragged else frames
        scores = generator.normal(size=(length, classes))
        here = generator.random(classes) < density
        here[[cls for cls in range(classes) if cls % clips == number]] = True
        events = []
        for cls in np.flatnonzero(here):
            for onset, offset in random_events(generator, length * 0.04):
                events.append((onset, offset, names[cls]))
                scores[int(onset / 0.04) : int(np.ceil(offset / 0.04)), cls] += strength
        if levels:
            scores = np.round(scores * levels) / levels
        clip = f"clip{number:03d}"
        job.scores[clip] = scores.astype(dtype)
        job.ground_truth[clip] = events
        job.durations[clip] = float(generator.uniform(0.5, 1.5) if ragged else 1.0) * length * 0.04
    return job


def random_events(generator: np.random.Generator, seconds: float) -> list[tuple[float, float]]:
    """One to three events, apart, some at the clip's start, its end, or past it."""
    count = int(generator.integers(1, 4))
    edges = np.sort(generator.uniform(0, seconds, 2 * count)).round(4) + np.arange(2 * count) * 1e-3
    if generator.random() < 0.3:
        edges[0] = 0.0
    if generator.random() < 0.3:
        edges[-1] = max(round(seconds, 6), edges[-1])
    if generator.random() < 0.1:
        edges[-1] += seconds
    return [(float(edges[2 * k]), float(edges[2 * k + 1])) for k in range(count)]


def write_scores(dataset, folder, noise):
    """Tables of the ground truth, blurred by noise: what a good detector would say."""
    opened = open_dataset(dataset, split="eval")
    classes = sorted({event.label for clip in opened for event in clip.events})
    generator = np.random.default_rng(0)
    folder.mkdir()
    for clip in opened:
        active = encode_events(clip.events, classes).T
        values = np.clip(active * 0.8 + 0.1 + noise * generator.standard_normal(active.shape), 0, 1)
        bounds = np.round(np.arange(len(values) + 1) * 0.04, 6)
        table = pd.DataFrame(values, columns=classes)
        table.insert(0, "offset", bounds[1:])
        table.insert(0, "onset", bounds[:-1])
        table.to_csv(folder / f"{clip.id}.tsv", sep="\t", index=False)
