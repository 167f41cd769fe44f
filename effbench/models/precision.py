"""Parts that must not run in reduced precision."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch


def no_autocast(device: torch.device) -> AbstractContextManager[object]:
    """Switches autocast off inside; does nothing on the ``meta`` device, which has none."""
    return nullcontext() if device.type == "meta" else torch.autocast(device.type, enabled=False)
