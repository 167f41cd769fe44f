"""The fastest backend for a model on this machine, found by measuring once."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from effbench.errors import EffbenchError
from effbench.files import replacing
from effbench.identity import digest
from effbench.infer.backends.backend import BackendUnavailable, Network, Placement
from effbench.infer.backends.known import BACKENDS
from effbench.infer.backends.verify import Reference
from effbench.machine.environment import device_name, installed_version
from effbench.models.detector import SoundEventDetector
from effbench.models.download import cache_folder
from effbench.version import VERSION

_ROUNDS = 5
_TURN_SECONDS = 0.3
_WARM_UPS = 2


@dataclass(frozen=True)
class BestBackend:
    """What was found.

    Attributes:
        name: of the fastest backend.
        rates: clips per second of every backend that keeps the tolerance, in the median turn.
        refused: why others are not among them.
    """

    name: str
    rates: Mapping[str, float]
    refused: Mapping[str, str]

    def __str__(self) -> str:
        rates = sorted(self.rates.items(), key=lambda rate: -rate[1])
        return ", ".join(f"{name} {rate:.1f} clips/s" for name, rate in rates)


def best_backend(
    detector: SoundEventDetector, place: Placement, batch_size: int = 2, tolerance: float | None = None
) -> BestBackend:
    """The backend with the most clips per second among those that keep the precision and the tolerance.

    Candidates take turns, so that what else the machine does hits all of them. What was found is kept in the
    cache folder and returned when the same network is asked for again, with the same versions, device,
    precision, threads, batch size and tolerance. ``onnx-int8`` is a candidate only within a tolerance that is
    given.

    Raises:
        BackendUnavailable: no backend keeps the tolerance.
    """
    path = _place_of(detector, place, batch_size, tolerance)
    if (found := _read(path)) is not None:
        return found
    reference = Reference(detector, place)
    networks, refused = _candidates(detector, reference, tolerance)
    if not networks:
        raise BackendUnavailable(f"no backend is exact enough: {'; '.join(refused.values())}")
    rates = _rates(networks, reference.features, place, batch_size)
    found = BestBackend(max(rates, key=lambda name: rates[name]), rates, refused)
    with suppress(EffbenchError), replacing(path, make_folder=True) as temporary:  # it is only a memory
        temporary.write_text(json.dumps(asdict(found)), encoding="utf-8")
    return found


def _candidates(
    detector: SoundEventDetector, reference: Reference, tolerance: float | None
) -> tuple[dict[str, Network], dict[str, str]]:
    networks, refused, limit = dict[str, Network](), dict[str, str](), reference.limit(tolerance)
    for backend in BACKENDS.values():
        if not backend.exact and tolerance is None:
            continue
        try:
            network = backend.make(detector, reference.place)
            reference.check(network, backend.name, limit)
        except BackendUnavailable as unavailable:
            refused[backend.name] = str(unavailable)
        else:
            networks[backend.name] = network
    return networks, refused


def _rates(
    networks: Mapping[str, Network], features: Tensor, place: Placement, batch_size: int
) -> dict[str, float]:
    """Clips per second in the median of rounds in which each network runs for a while."""
    batch = features[:1].repeat(batch_size, *([1] * (features.dim() - 1)))
    seconds: dict[str, list[float]] = {name: [] for name in networks}
    with torch.inference_mode():
        for network in networks.values():
            for _ in range(_WARM_UPS):
                network(batch)
        for _ in range(_ROUNDS):
            for name, network in networks.items():
                seconds[name].append(_seconds_per_call(network, batch, place))
    return {name: batch_size / statistics.median(times) for name, times in seconds.items()}


def _seconds_per_call(network: Network, batch: Tensor, place: Placement) -> float:
    calls, start = 0, time.perf_counter()
    while True:
        network(batch)
        if not place.on_cpu:
            torch.cuda.synchronize(place.device)
        calls, elapsed = calls + 1, time.perf_counter() - start
        if elapsed >= _TURN_SECONDS:
            return elapsed / calls


def _place_of(
    detector: SoundEventDetector, place: Placement, batch_size: int, tolerance: float | None
) -> Path:
    """The file of what was found for this network, whatever its weights."""
    shapes = {name: list(tensor.shape) for name, tensor in detector.state_dict().items()}
    key = digest(
        {
            "network": [type(module).__name__ for module in detector.modules()],
            "shapes": shapes,
            "candidates": list(BACKENDS),
            "effbench": VERSION,
            "torch": str(torch.__version__),
            "runtimes": [installed_version(name) for name in ("onnxruntime", "openvino")],
            "device": device_name(place.device),
            "precision": place.precision.value,
            "threads": torch.get_num_threads(),
            "batch_size": batch_size,
            "tolerance": tolerance,
        }
    )
    return cache_folder() / "backends" / f"{key}.json"


def _read(path: Path) -> BestBackend | None:
    try:
        found = BestBackend(**json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    return found if found.name in BACKENDS else None
