"""effbench: performance-complexity trade-offs of sound event detection models.

The public names below are loaded when first used, so that ``import effbench`` stays fast.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from effbench.version import VERSION as __version__

_EXPORTS = {
    "ModelSpec": "effbench.spec",
    "SoundEventDetector": "effbench.models.detector",
    "Predictions": "effbench.models.detector",
    "build_model": "effbench.models.build",
    "load_checkpoint": "effbench.models.checkpoints",
    "profile": "effbench.measure.profile",
    "Profile": "effbench.measure.profile",
    "count_macs": "effbench.measure.macs",
    "MacReport": "effbench.measure.macs",
    "psds1": "effbench.evaluate.psds.score",
    "psds2": "effbench.evaluate.psds.score",
    "Psds1Result": "effbench.evaluate.psds.score",
    "pauroc": "effbench.evaluate.pauroc",
    "evaluate_scores": "effbench.evaluate.protocol",
}

__all__ = [*sorted(_EXPORTS), "__version__"]

if TYPE_CHECKING:
    from effbench.evaluate.pauroc import pauroc as pauroc
    from effbench.evaluate.protocol import evaluate_scores as evaluate_scores
    from effbench.evaluate.psds.score import Psds1Result as Psds1Result
    from effbench.evaluate.psds.score import psds1 as psds1
    from effbench.evaluate.psds.score import psds2 as psds2
    from effbench.measure.macs import MacReport as MacReport
    from effbench.measure.macs import count_macs as count_macs
    from effbench.measure.profile import Profile as Profile
    from effbench.measure.profile import profile as profile
    from effbench.models.build import build_model as build_model
    from effbench.models.checkpoints import load_checkpoint as load_checkpoint
    from effbench.models.detector import Predictions as Predictions
    from effbench.models.detector import SoundEventDetector as SoundEventDetector
    from effbench.spec import ModelSpec as ModelSpec


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'effbench' has no attribute '{name}'")
    return getattr(import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return __all__
