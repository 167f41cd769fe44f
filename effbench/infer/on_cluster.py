"""Inference by the workers of a Ray cluster: groups of files stream through decoding and scoring.

Decoding runs in tasks, scoring in a pool of workers that keep their model; the groups are those of the run on
one machine (``in_groups``), so that every batch, and with it every score, is the same.
"""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar

from effbench.errors import DeviceError, EffbenchError, UsageError
from effbench.infer.backends.known import FASTEST
from effbench.infer.scorer import Inference
from effbench.machine.cluster import machines
from effbench.models.chosen import ChosenModel
from effbench.version import VERSION

Group = TypeVar("Group")
Decoded = TypeVar("Decoded")
Result = TypeVar("Result")
Row = Mapping[str, Any]

#: Decoded audio of a group beyond this does not travel: the scoring worker decodes it itself, block by block.
MOST_BYTES = 1 << 30
#: Of the store that machines share objects in: what each worker may have waiting before and behind it.
_WAITING_BYTES = 1 << 29
#: How often a group is tried again whose worker or task died.
_RETRIES = 3


@dataclass(frozen=True)
class Work(Generic[Group, Decoded, Result]):
    """What is done with a group; both functions are pickled, and errors that they raise end the run.

    Attributes:
        decode: gives the audio of a group, ``None`` where it is more than ``MOST_BYTES``.
        score: gives its results; called in a worker, which keeps the object.
    """

    decode: Callable[[Group], Decoded | None]
    score: Callable[[Group, Decoded | None], Result]


@dataclass(frozen=True)
class ClusterWorkers:
    """Scoring workers of a cluster.

    Args:
        ray: as ``connect`` gives it.
        threads: of torch in each worker; scores can differ by some 1e-6 where these do.
        count: of workers; by default as many as the cluster has room for.
    """

    ray: Any
    threads: int
    count: int | None = None

    def inference(self, device: str, *options: Any, **named: Any) -> Inference:
        """Options of inference, resolved by a machine of the cluster that has such a device.

        Raises:
            UsageError: a GPU by its number, which Ray assigns, the backend ``best``, which every machine
                would choose for itself, or an impossible option.
            DeviceError: the cluster has no GPU.
        """
        if FASTEST in (*options, *named.values()):
            raise UsageError(f"machines of a cluster may differ in the {FASTEST} backend: name one of them")
        gpus = sum(node["Resources"].get("GPU", 0) for node in machines(self.ray))
        name = device.strip().lower()
        if name == "auto":
            name = "cuda" if gpus else "cpu"
        if name == "cpu":
            return Inference(name, *options, **named)
        if ":" in name:
            raise UsageError(f"on a cluster, Ray chooses the GPU: the device is 'cuda', not '{device}'")
        if not gpus:
            raise DeviceError(f"no machine of the cluster has a GPU for '{device}'; they offer: cpu")
        resolve = self.ray.remote(_caught).options(num_gpus=1, num_cpus=0)
        inference: Inference = _checked(
            self.ray.get(resolve.remote(partial(Inference, name, *options, **named)))
        )
        return inference

    def check(self, path: Path | None) -> None:
        """Raise ``EffbenchError`` unless every machine has this program, this folder and this file."""
        strategy = self.ray.util.scheduling_strategies.NodeAffinitySchedulingStrategy
        look = self.ray.remote(_look)
        waiting = {
            node["NodeManagerAddress"]: look.options(
                num_cpus=0, scheduling_strategy=strategy(node["NodeID"], soft=False)
            ).remote(Path.cwd(), path, _versions())
            for node in machines(self.ray)
        }
        for machine, handle in waiting.items():
            try:
                problem = self.ray.get(handle)
            except self.ray.exceptions.RayError as error:
                problem = f"can't run effbench: {str(error).strip().splitlines()[-1]}"
            if problem:
                raise EffbenchError(f"machine {machine} of the cluster {problem}")

    def run(
        self, groups: Sequence[Group], work: Work[Group, Decoded, Result], inference: Inference
    ) -> Generator[Result, None, None]:
        """Results of all groups, in order; where they are taken slowly, decoding and scoring wait.

        Raises:
            EffbenchError: as ``work`` raises, or a group's worker died again and again.
        """
        if not groups:
            return
        ray, gpu = self.ray, inference.device != "cpu"
        workers = self._workers(gpu=gpu)
        data = ray.data
        context = data.DataContext.get_current()
        context.enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context.execution_options.preserve_order = True
        stored = ray.cluster_resources().get("object_store_memory", 0) // 2
        context.execution_options.resource_limits = data.ExecutionResources(
            object_store_memory=min(workers * _WAITING_BYTES, stored)
        )
        # On processors, one task decodes for each worker, as a thread does on one machine.
        decoding = {"num_cpus": 1} if gpu else {"num_cpus": 0, "compute": data.TaskPoolStrategy(workers)}
        device = {"num_gpus": 1, "num_cpus": 0} if gpu else {"num_cpus": self.threads}
        rows = [{"number": number, "content": pickle.dumps(group)} for number, group in enumerate(groups)]
        scored = (
            data.from_items(rows, override_num_blocks=len(rows))
            .map_batches(
                partial(_decode, work.decode, Path.cwd()), batch_size=1, max_retries=_RETRIES, **decoding
            )
            .map_batches(
                _Worker,
                fn_constructor_args=(pickle.dumps(work.score), Path.cwd(), self.threads),
                batch_size=1,
                compute=data.ActorPoolStrategy(size=workers),
                max_restarts=-1,
                max_task_retries=_RETRIES,
                **device,
            )
        )
        try:
            for batch in scored.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
                for content in batch["content"]:
                    yield _checked(pickle.loads(content.as_py()))
        except ray.exceptions.RayError as error:
            lines = str(error).strip().splitlines()
            raise EffbenchError(f"the cluster gave up, after {_RETRIES} retries: {lines[-1]}") from error

    def _workers(self, *, gpu: bool) -> int:
        """Number of workers; raises ``EffbenchError`` where the cluster has no room for them."""
        kind, each = ("GPU", 1) if gpu else ("CPU", self.threads)
        room = sum(int(node["Resources"].get(kind, 0) // each) for node in machines(self.ray))
        if room < (self.count or 1):
            raise EffbenchError(
                f"the cluster has room for {room} workers of {each} {kind} each, not for {self.count or 1}"
            )
        return self.count or room


def check_travels(models: Sequence[ChosenModel]) -> None:
    """Raise ``UsageError`` for a model whose code the machines of a cluster do not have."""
    for chosen in models:
        if chosen.code:
            raise UsageError(
                f"'{chosen.spec}' is built by code of your own, which runs on this machine alone"
            )


class _Worker:
    """Scores groups, in a process of its own."""

    def __init__(self, score: bytes, folder: Path, threads: int) -> None:
        import torch

        os.chdir(folder)
        torch.set_num_threads(threads)
        self._score = pickle.loads(score)

    def __call__(self, row: Row) -> Iterator[Row]:
        group, decoded = pickle.loads(row["content"][0])
        decoded = _checked(decoded)
        yield _row(row, _caught(partial(self._score, group, decoded)))


def _decode(decode: Callable[[Group], Decoded | None], folder: Path, row: Row) -> Iterator[Row]:
    os.chdir(folder)
    group = pickle.loads(row["content"][0])
    yield _row(row, (group, _caught(partial(decode, group))))


def _row(before: Row, content: object) -> Row:
    import numpy as np

    payload = np.empty(1, object)
    payload[0] = pickle.dumps(content, pickle.HIGHEST_PROTOCOL)
    return {"number": before["number"], "content": payload}


def _caught(call: Callable[[], Result]) -> Result | EffbenchError:
    """The result, or the error in words, which travels as a value: trying again would not help."""
    try:
        return call()
    except EffbenchError as error:
        return error


def _checked(result: Any) -> Any:
    if isinstance(result, EffbenchError):
        raise result
    return result


def _versions() -> dict[str, str]:
    """What the last bits of scores depend on."""
    import torch

    return {"effbench": VERSION, "torch": str(torch.__version__)}


def _look(folder: Path, path: Path | None, versions: Mapping[str, str]) -> str | None:
    """What a machine lacks, if anything."""
    for name, version in _versions().items():
        if version != versions[name]:
            return f"has {name} {version}, this one {versions[name]}: all need the same"
    if not folder.is_dir():
        return f"has no folder '{folder}': all need to see the folder that this is run in"
    if path is not None and not (folder / path).exists():
        return f"can't see '{path}': audio must lie where every machine sees it, under the same path"
    return None
