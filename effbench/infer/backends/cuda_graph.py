"""CUDA graphs: all kernels of a network started at once, which pays where batches are small."""

from __future__ import annotations

from threading import Lock

import torch
from torch import Tensor

from effbench.infer.backends.backend import BackendUnavailable, Network, Placement
from effbench.infer.backends.eager import folded
from effbench.models.detector import Predictions, SoundEventDetector

_WARM_UPS = 3  # cuDNN and cuBLAS choose kernels and allocate in the first calls, which no graph may hold
_MOST_GRAPHS = 8  # each keeps the memory of its batch


def cuda_graph(detector: SoundEventDetector, place: Placement) -> Network:
    """The folded network, one graph for each size of batch and clip; sizes beyond the eighth run without."""
    if place.on_cpu:
        raise BackendUnavailable("the backend cuda-graph needs an NVIDIA GPU")
    return _Graphs(folded(detector, place))


class _Graphs:
    def __init__(self, network: Network) -> None:
        self.network, self.lock = network, Lock()
        self.captured: dict[tuple[int, ...], _Captured] = {}

    def __call__(self, features: Tensor) -> Predictions:
        size = tuple(features.shape)
        with self.lock, torch.inference_mode():
            if size not in self.captured:
                if len(self.captured) == _MOST_GRAPHS:
                    return self.network(features)
                self.captured[size] = _Captured(self.network, features)
            return self.captured[size](features)


class _Captured:
    """One graph, with the memory of its input and output."""

    def __init__(self, network: Network, features: Tensor) -> None:
        self.features = features.clone()
        with torch.cuda.device(features.device):
            beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):
                for _ in range(_WARM_UPS):
                    network(self.features)
            torch.cuda.current_stream().wait_stream(beside)
            self.graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(self.graph):
                self.predictions = network(self.features)

    def __call__(self, features: Tensor) -> Predictions:
        self.features.copy_(features)
        self.graph.replay()
        return Predictions(*(logits.clone() for logits in self.predictions))
