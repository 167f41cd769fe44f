"""What the cards say of published weights and scores, for those who choose a model."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from effbench.models import zoo
from effbench.reports.known_values import KnownValues


def published_weights(spec: str) -> str | None:
    """The trainings of which a model's weights are published: ``strong weak``."""
    found = {str(known): card["checkpoints"] for known, card in zoo.summaries().items()}.get(spec)
    return None if found is None else str(found)


def better_trainings(specs: Sequence[str], score: KnownValues) -> Iterator[str]:
    """In words, which of these models, best first, score better than the best after another training."""
    if not specs or score.quantity != "psds1" or score.known[specs[0]].origin != "published":
        return
    best = score.known[specs[0]].value.value
    for spec, model in zoo.models().items():
        for training, published in model.card.published.items() if str(spec) in specs else ():
            if training != "strong" and published.psds1 > best:
                yield f"After the training {training}, {spec} is published with psds1 {published.psds1:g} %."
