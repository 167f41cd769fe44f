"""What a results store knows of models of one's own, as the cards know theirs."""

from __future__ import annotations

from pathlib import Path

from effbench.results.store import Store
from effbench.shown import Row
from effbench.spec import ModelSpec, is_spec

#: Of measured scores that can stand beside published ones: means over AudioSet-strong's 407 classes.
BESIDE_PUBLISHED = {"protocol": "paper", "classes": 407}


def own_summaries(store: Path | str) -> dict[ModelSpec, Row]:
    """Counts and PSDS1 of the models in a store that are no specs, with the keys of ``zoo.summaries``.

    PSDS1 is as it was declared, or else as it was measured on AudioSet-strong.

    Raises:
        StoreError: no such store, or one that can't be read.
    """
    with Store(store) as results:
        rows = results.latest(quantities=["parameters", "macs_exact", "psds1"])
    found: dict[str, dict[str, object]] = {}
    for row in rows.sort_values("created", kind="stable").to_dict("records"):
        name, quantity, conditions = str(row["spec"]), str(row["quantity"]), row["conditions"]
        measured = row["provenance"] == "measured"
        if is_spec(name) or conditions.get("seconds", 10.0) != 10.0:
            continue
        summary = found.setdefault(name, dict.fromkeys(("parameters", "macs_exact", "psds1", "lr")))
        if quantity != "psds1":
            summary |= {quantity: int(row["value"])} if measured else {}
        elif not measured or BESIDE_PUBLISHED.items() <= conditions.items():
            declared_before = summary.get("declared") and measured
            summary |= {} if declared_before else {quantity: row["value"], "declared": not measured}
    extra = {"sequence_lr": None, "checkpoints": None}
    return {ModelSpec(name): {**summary, **extra} for name, summary in found.items()}
