"""Attention in the forms that kernels have it: its multiply-accumulates, from output and arguments."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from torch import Tensor


def attention(out: Any, q: Tensor, k: Tensor, v: Tensor, *_: object) -> int:
    """Every query-key pair once per channel of q (QK'), and once per channel of v (AV); no mask saves any."""
    first = out if isinstance(out, Tensor) else out[0]
    return math.prod(first.shape[:-1]) * k.shape[-2] * (q.shape[-1] + v.shape[-1])


def attention_backward(out: object, _: Tensor, q: Tensor, k: Tensor, v: Tensor, *__: object) -> int:
    """Four products, where forward has two; computing the weights again is not counted."""
    return 2 * math.prod(q.shape[:-1]) * k.shape[-2] * (q.shape[-1] + v.shape[-1])


def _pairs(q: Tensor, k: Tensor, starts_q: Tensor | None, starts_k: Tensor | None) -> int | None:
    """Query-key pairs of (batch, frames, heads, channels), or of (frames, heads, channels) cut at starts."""
    heads = q.shape[-2]
    if starts_q is None or starts_k is None:
        return math.prod(q.shape[:-3]) * q.shape[-3] * k.shape[-3] * heads
    if starts_q.is_meta or starts_k.is_meta:
        return None
    return heads * int((starts_q.diff().long() * starts_k.diff().long()).sum())


def frames_first(starts_at: int, products: int = 1, first: int = 0) -> Callable[..., int | None]:
    """Attention over (batch, frames, heads, channels); clips start at what that argument and the next say."""

    def macs(_: object, *arguments: Any) -> int | None:
        q, k, v = arguments[first : first + 3]
        pairs = _pairs(q, k, *arguments[starts_at : starts_at + 2])
        return None if pairs is None else products * pairs * (q.shape[-1] + v.shape[-1])

    return macs


def native_attention(_: object, q: Tensor, k: Tensor, v: Tensor, dim: int, *__: object) -> int:
    """Three projections, the attention and its output's projection, of (batch, frames, dim)."""
    batch, n, m = math.prod(q.shape[:-2]), q.shape[-2], k.shape[-2]
    return batch * (2 * n * dim * dim + 2 * m * dim * dim + 2 * n * m * dim)


def native_encoder_layer(_: object, x: Tensor, dim: int, *arguments: Any) -> int:
    """A whole layer of torch's transformer: attention, and a feed-forward network of two matrices."""
    feed_forward = arguments[12].numel() + arguments[14].numel()
    return native_attention(None, x, x, x, dim) + math.prod(x.shape[:-1]) * feed_forward
