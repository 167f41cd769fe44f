"""Options of commands that run on a Ray cluster, and the workers that they ask for."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from effbench.errors import UsageError

if TYPE_CHECKING:
    from effbench.infer.on_cluster import ClusterWorkers


class Where(StrEnum):
    """What runs jobs."""

    local = "local"
    ray = "ray"


Executor = Annotated[
    Where, typer.Option(help="Where the model runs: this machine, or a Ray cluster (a local one by default).")
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, help="Workers of the cluster; by default as many as it has room for."),
]
Address = Annotated[
    str | None, typer.Option(help="Of a Ray cluster; 'auto' for the one that this machine belongs to.")
]


@contextmanager
def cluster_workers(
    executor: Where, address: str | None, workers: int | None, threads: int | None
) -> Iterator[ClusterWorkers | None]:
    """The workers that options ask for, none for this machine; torch here takes ``threads``, if given."""
    if executor is Where.local and (address is not None or workers is not None):
        raise UsageError("--address and --workers are of a Ray cluster: give --executor ray")
    import torch

    if threads is not None:
        torch.set_num_threads(threads)
    if executor is Where.local:
        yield None
        return
    from effbench.infer.on_cluster import ClusterWorkers
    from effbench.machine.cluster import connect

    ray = connect(address)
    try:
        yield ClusterWorkers(ray, torch.get_num_threads(), workers)
    finally:
        ray.shutdown()
