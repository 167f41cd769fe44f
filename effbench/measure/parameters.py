"""Parameter counts and the size of the weights."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from torch import nn

BYTES_FLOAT32 = 4


@dataclass(frozen=True)
class Parameters:
    """Number of parameters, whole and by part; buffers (statistics, windows) do not count.

    Attributes:
        total: all parameters, weak head and constant ones included, as published figures count.
        trainable: without constant ones (rotary frequencies).
        backbone, sequence, strong_head, weak_head: the parts; zero where a module has no such part.
        without_weak_head: what frame-wise detection needs.
        file_bytes: size of all weights and persistent buffers in float32, bytes.
    """

    total: int
    trainable: int
    backbone: int
    sequence: int
    strong_head: int
    weak_head: int
    without_weak_head: int
    file_bytes: int

    def to_dict(self) -> dict[str, int]:
        """All figures by name."""
        return asdict(self)


def count_parameters(module: nn.Module) -> Parameters:
    """Parameters of a detector or of any other module; a tensor that is used twice counts once."""
    parts = {name: _count(child) for name, child in module.named_children()}
    total, weak = _count(module), parts.get("weak_head", 0)
    state = {tensor.data_ptr() or id(tensor): tensor for tensor in module.state_dict(keep_vars=True).values()}
    return Parameters(
        total=total,
        trainable=sum(p.numel() for p in module.parameters() if p.requires_grad),
        backbone=parts.get("backbone", 0),
        sequence=parts.get("sequence", 0),
        strong_head=parts.get("strong_head", 0),
        weak_head=weak,
        without_weak_head=total - weak,
        file_bytes=sum(
            t.numel() * (BYTES_FLOAT32 if t.is_floating_point() else t.element_size()) for t in state.values()
        ),
    )


def _count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
