"""Rows of a results store as a complete study would leave them, for tests of what is made from them."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pandas as pd

from effbench.results.exchange import encode, to_frame
from effbench.results.measurement import Measurement
from effbench.results.shipped import published_measurements, published_scores

GRID = Path(__file__).parent / "fixtures" / "paper_grid.csv"
CREATED = "2026-01-02T03:04:05+00:00"
SOURCE = "effbench 0.1.0"
COMMIT = "0123456789abcdef"


def grid() -> list[dict[str, str]]:
    """Counts of all 41 models: spec, parameters, macs_exact and macs_paper."""
    with GRID.open(newline="") as file:
        return list(csv.DictReader(file))


def complexity() -> list[Measurement]:
    """Parameters, and MACs in both conventions, of all 41 models."""
    return [
        Measurement(
            spec=row["spec"],
            quantity=quantity,
            value=int(row[quantity]),
            provenance="measured",
            source=SOURCE,
            conditions={} if quantity == "parameters" else {"seconds": 10.0},
            commit=COMMIT,
            created=CREATED,
            environment={"software": {"effbench": "0.1.0", "torch": "2.13.0"}},
        )
        for row in grid()
        for quantity in ("parameters", "macs_exact", "macs_paper")
    ]


#: Parameters and exact MACs of the transformers.
TRANSFORMER_COUNTS = {
    "BEATs": (90_999_278, 49_385_361_152),
    "ATST-F": (86_106_750, 22_520_983_296),
    "fpasst": (89_109_118, 23_746_158_336),
    "M2D": (88_926_848, 28_689_224_448),
    "ASIT": (86_169_726, 46_949_078_784),
}


def transformer_counts() -> list[Measurement]:
    """Parameters and MACs of the five transformers."""
    return [
        replace(row, spec=spec, value=parameters if row.quantity == "parameters" else macs)
        for spec, (parameters, macs) in TRANSFORMER_COUNTS.items()
        for row in complexity()[:3]
    ]


def timings(
    device: str,
    *,
    specs: Iterable[str] | None = None,
    precision: str = "fp32",
    batch_sizes: Iterable[int] = (1, 32),
    rate: float = 1000.0,
    part: str = "network",
    created: str = CREATED,
) -> list[Measurement]:
    """Throughput that falls with MACs and rises with the batch size; ``rate`` is that of 1 G MACs."""
    return [
        Measurement(
            spec=row["spec"],
            quantity="throughput",
            value=value,
            low=value * 0.98,
            high=value * 1.01,
            provenance="measured",
            source=SOURCE,
            commit=COMMIT,
            created=created,
            device=device,
            conditions={
                "part": part,
                "precision": precision,
                "batch_size": size,
                "compiled": False,
                "threads": 2,
                "seconds": 10.0,
            },
            environment={"device_name": device, "gpu": None, "software": {"torch": "2.13.0"}},
        )
        for row in grid()
        if specs is None or row["spec"] in set(specs)
        for size in batch_sizes
        for value in [rate * 1e9 / int(row["macs_exact"]) * (1 + size / 100)]
    ]


def counters(spec: str, explanation: str) -> list[Measurement]:
    """What three third-party counters say of one model."""
    exact = next(int(row["macs_exact"]) for row in grid() if row["spec"] == spec)
    return [
        Measurement(
            spec=spec,
            quantity=f"macs_{name}",
            value=exact + difference,
            provenance="measured",
            source=SOURCE,
            commit=COMMIT,
            created=CREATED,
            conditions={"seconds": 10.0, "explanation": [explanation] if difference else []},
        )
        for name, difference in (("fvcore", -12_000_000), ("thop", 6_000_000), ("torch", 0))
    ]


def frame(*groups: Iterable[Measurement]) -> pd.DataFrame:
    """Published results and these measurements, as the store gives them."""
    measurements = [
        *published_measurements(),
        *published_scores(),
        *(row for group in groups for row in group),
    ]
    return to_frame(encode(measurement) for measurement in measurements)
