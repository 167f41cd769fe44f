"""Attention of the audio transformers against the obvious one, with the same weights, in turns.

Each figure is the ratio of two neighbouring runs, so that what else the machine does meanwhile cancels out.
"""

import copy
import time

import numpy as np
import pytest
import torch
from torch import nn
from torch.profiler import profile

from effbench.models.backbones.beats import Beats, BeatsLayer
from effbench.models.backbones.vit import TransformerBlock

TOKENS, DIM, HEADS = 497, 768, 12
ROUNDS = 15


class NaiveAttention(nn.Module):
    """softmax(q k' / sqrt(e)) v, one product after the other."""

    def __init__(self, attention):
        super().__init__()
        self.own = attention

    def forward(self, x):
        qkv = self.own.qkv(x).reshape(*x.shape[:2], 3, self.own.heads, -1).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        weights = (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5).softmax(-1)
        return self.own.proj((weights @ v).transpose(1, 2).reshape(x.shape))


class NaiveGatedBiasAttention(nn.Module):
    """The same with the gated position bias added to the logits."""

    def __init__(self, attention):
        super().__init__()
        self.own = attention

    def forward(self, x, bias):
        own = self.own
        q, k, v = (
            project(x).reshape(*x.shape[:2], own.heads, -1).transpose(1, 2)
            for project in (own.q_proj, own.k_proj, own.v_proj)
        )
        a, b = own.grep_linear(q).unflatten(-1, (2, 4)).sum(-1).sigmoid().chunk(2, -1)
        gated = (a * (b * own.grep_a - 1.0) + 2.0) * bias
        weights = (q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5 + gated).softmax(-1)
        return own.out_proj((weights @ v).transpose(1, 2).reshape(x.shape))


def naive(block):
    block = copy.deepcopy(block)
    if isinstance(block, TransformerBlock):
        block.attn = NaiveAttention(block.attn)
    else:
        block.self_attn = NaiveGatedBiasAttention(block.self_attn)
    return block


def vit_block():
    return TransformerBlock(DIM, HEADS)


def beats_layer():
    return BeatsLayer(DIM, HEADS, residual_scale=2.2, dropout=0.1)


def seconds(module, inputs):
    start = time.perf_counter()
    module(*inputs)
    return time.perf_counter() - start


def peak_bytes(module, inputs):
    """Most bytes that one call holds at a time, beyond its inputs and weights."""
    with profile(profile_memory=True) as recorded:
        module(*inputs)
    events = [e for e in recorded.profiler.kineto_results.events() if e.name() == "[memory]"]
    held = np.cumsum([e.nbytes() for e in sorted(events, key=lambda e: e.start_ns())])
    return int(held.max())


@pytest.mark.parametrize("make", [vit_block, beats_layer])
@pytest.mark.parametrize("batch", [1, 4])
def test_block_is_no_slower_and_no_larger_than_the_obvious_one(benchmark, make, batch):
    torch.manual_seed(0)
    ours = make().eval()
    obvious = naive(ours)
    inputs = (torch.randn(batch, TOKENS, DIM),)
    if make is beats_layer:
        inputs = (*inputs, torch.randn(HEADS, TOKENS, TOKENS))
    torch.testing.assert_close(ours(*inputs), obvious(*inputs), rtol=1e-4, atol=1e-5)
    ratios = [seconds(obvious, inputs) / seconds(ours, inputs) for _ in range(ROUNDS)]
    low, median, high = np.quantile(ratios, [0.25, 0.5, 0.75])
    memory = peak_bytes(ours, inputs) / peak_bytes(obvious, inputs)
    benchmark.extra_info.update(speedup=median, quartiles=[low, high], memory_ratio=memory)
    benchmark.pedantic(ours, inputs, rounds=3)
    print(
        f"\n{make.__name__}, batch {batch}: {median:.2f} [{low:.2f}, {high:.2f}] times as fast; "
        f"memory {memory:.2f} of the obvious one's"
    )
    assert median > 1.0
    assert memory <= 1.0


def test_bias_is_gathered_once_for_all_layers(benchmark):
    beats = Beats(DIM, 2, HEADS).eval()
    calls = []
    beats.encoder.relative_attention_bias.register_forward_pre_hook(lambda *_: calls.append(1))
    beats(torch.randn(1, 1, 128, 98))
    assert len(calls) == 1
    benchmark(beats.encoder.relative_attention_bias, 496)
