"""The convention behind the published figures, as inferred from their 46 points.

It is that of a module-hooking profiler: recurrent cells and state-space scans count as zero, and the
convolutions of a TCN count twice, because each was registered twice, and with the frames that the published
TCN computes only to discard. Two convolutions of transformers count with the one frame that is
discarded. Everything else counts as it should.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import nn

from effbench.models.backbones.beats import PositionalConvolution
from effbench.models.backbones.fpasst import NextFrameConv2d
from effbench.models.sequence.tcn import CausalConv1d

UNSEEN_KINDS = frozenset({"recurrent", "scan"})
_REGISTERED_TIMES = 2


def _published_tcn(module: nn.Module, exact: int, frames: int) -> int:
    """Padded on both sides, and visited twice."""
    assert isinstance(module, CausalConv1d)
    return _REGISTERED_TIMES * exact * (frames + module.padding) // frames


def _one_frame_more(_: nn.Module, exact: int, frames: int) -> int:
    """Padded on both sides; the published implementation computes a frame that it discards."""
    return exact * (frames + 1) // frames


#: Modules whose published implementation spends, or was counted as spending, another number of MACs.
MODULES: Mapping[type[nn.Module], Callable[[nn.Module, int, int], int]] = {
    CausalConv1d: _published_tcn,
    PositionalConvolution: _one_frame_more,
    NextFrameConv2d: _one_frame_more,
}


def paper_macs(kind: str, exact: int, module: nn.Module | None, frames: int) -> int:
    """MACs of an operator in the published convention.

    It was called by ``module``, and its output has so many ``frames`` (the last axis).
    """
    if kind in UNSEEN_KINDS:
        return 0
    rule = None if module is None else MODULES.get(type(module))
    return exact if rule is None or module is None else rule(module, exact, frames)
