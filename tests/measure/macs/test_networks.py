"""Random small networks, counted by hand as they are put together."""

import threading

import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from effbench.measure.macs import count_macs

FRAMES, BATCH = 6, 2
CHANNELS = st.sampled_from([2, 4, 6])


class Threaded(nn.Module):
    """Runs a module in a thread of its own."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        results = []
        thread = threading.Thread(target=lambda: results.append(self.inner(x)))
        thread.start()
        thread.join()
        return results[0]


class Twice(nn.Module):
    """Two names for one module, each called."""

    def __init__(self, inner):
        super().__init__()
        self.a = inner
        self.others = nn.ModuleList([inner])

    def forward(self, x):
        return self.others[0](self.a(x))


class Attend(nn.Module):
    def __init__(self, d, state):
        super().__init__()
        self.attention = nn.MultiheadAttention(d, 2, batch_first=True)
        self.seen = [] if state else None

    def forward(self, x):
        if self.seen is not None:
            self.seen.append(x)
        return self.attention(x, x, x)[0]


class Last(nn.Module):
    """A recurrent network's outputs alone."""

    def __init__(self, net):
        super().__init__()
        self.net = net

    def forward(self, x):
        return self.net(x)[0]


class OverFrames(nn.Module):
    """A convolution over the frames of (batch, frames, channels), which may look at values."""

    def __init__(self, conv, looks):
        super().__init__()
        self.conv, self.looks = conv, looks

    def forward(self, x):
        if self.looks and float(x.abs().sum()) < 0:
            return x
        return self.conv(x.transpose(1, 2)).transpose(1, 2)


@st.composite
def blocks(draw, d, depth=0):
    """A module from (batch, frames, d) to (batch, frames, new d), the new d, and its MACs."""
    rows = BATCH * FRAMES
    kinds = ["linear", "conv", "attention", "recurrent", "norm"] + ["nested", "threaded", "twice"] * (
        depth < 2
    )
    kind = draw(st.sampled_from(kinds))
    new = draw(CHANNELS)
    if kind == "linear":
        return nn.Linear(d, new, bias=draw(st.booleans())), new, rows * d * new
    if kind == "conv":
        taps, groups = draw(st.sampled_from([1, 3, 5])), draw(st.sampled_from([1, 2]))
        conv = nn.Conv1d(d, new, taps, padding=taps // 2, groups=groups)
        return OverFrames(conv, draw(st.booleans())), new, rows * new * d // groups * taps
    if kind == "attention":
        macs = rows * 4 * d * d + 2 * BATCH * FRAMES * FRAMES * d
        return Attend(d, draw(st.booleans())), d, macs
    if kind == "recurrent":
        cls, gates = draw(st.sampled_from([(nn.GRU, 3), (nn.LSTM, 4), (nn.RNN, 1)]))
        both = draw(st.booleans())
        net = cls(d, new, batch_first=True, bidirectional=both)
        return Last(net), new * (1 + both), rows * (1 + both) * gates * (d * new + new * new)
    if kind == "norm":
        return nn.Sequential(nn.LayerNorm(d), nn.GELU(), nn.Dropout(0.5)), d, 0
    if kind == "twice":
        inner, out, macs = draw(blocks(d, depth + 1).filter(lambda block: block[1] == d))
        return Twice(inner), out, 2 * macs
    if kind == "threaded":
        inner, out, macs = draw(blocks(d, depth + 1))
        return Threaded(inner), out, macs
    first, middle, macs = draw(blocks(d, depth + 1))
    second, out, more = draw(blocks(middle, depth + 1))
    return nn.Sequential(first, second), out, macs + more


@st.composite
def networks(draw):
    d, total, modules = draw(CHANNELS), 0, []
    start = d
    for _ in range(draw(st.integers(1, 4))):
        module, d, macs = draw(blocks(d))
        modules.append(module)
        total += macs
    return nn.Sequential(*modules), start, total


def kept(net):
    """Everything of a network that a call could change, bit by bit."""
    tensors = {name: t.numpy(force=True).tobytes() for name, t in net.state_dict().items()}
    others = [
        (type(m).__name__, m.training, len(m._forward_hooks), len(m._forward_pre_hooks), sorted(vars(m)))
        for m in net.modules()
    ]
    seen = [len(m.seen) for m in net.modules() if getattr(m, "seen", None) is not None]
    return tensors, others, seen, torch.get_rng_state().tolist()


@given(networks(), st.booleans())
@settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
def test_networks_count_what_they_were_put_together_of(network, training):
    net, d, macs = network
    net.train(training)
    before = kept(net)
    report = count_macs(net, torch.zeros(BATCH, FRAMES, d), strict=True)
    assert report.exact == macs
    layers = report.layers()
    assert sum(layer.exact for layer in layers) == macs
    assert sum(layer.parameters for layer in layers) == sum(p.numel() for p in net.parameters())
    assert all(0 <= module.own_exact <= module.exact <= macs for module in report.modules)
    assert kept(net) == before


class DecoderLayer(nn.Module):
    """A layer of a large language model: grouped queries, and a gated feed-forward network."""

    def __init__(self, d, heads, key_heads, hidden):
        super().__init__()
        self.heads, self.key_heads, size = heads, key_heads, d // heads
        self.q = nn.Linear(d, d, bias=False)
        self.k, self.v = (nn.Linear(d, key_heads * size, bias=False) for _ in range(2))
        self.out = nn.Linear(d, d, bias=False)
        self.gate, self.up = (nn.Linear(d, hidden, bias=False) for _ in range(2))
        self.down = nn.Linear(hidden, d, bias=False)
        self.norm, self.norm_2 = nn.RMSNorm(d), nn.RMSNorm(d)

    def forward(self, x):
        y = self.norm(x)
        q, k, v = (
            part(y).unflatten(-1, (heads, -1)).transpose(1, 2)
            for part, heads in ((self.q, self.heads), (self.k, self.key_heads), (self.v, self.key_heads))
        )
        y = nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=True)
        x = x + self.out(y.transpose(1, 2).flatten(-2))
        y = self.norm_2(x)
        return x + self.down(nn.functional.silu(self.gate(y)) * self.up(y))


def test_a_decoder_of_70_billion_parameters_is_exact():
    d, heads, key_heads, hidden, layers, words, n = 8192, 64, 8, 28672, 80, 128_256, 1024
    with torch.device("meta"):
        stack = (DecoderLayer(d, heads, key_heads, hidden) for _ in range(layers))
        net = nn.Sequential(nn.Embedding(words, d), *stack, nn.RMSNorm(d), nn.Linear(d, words, bias=False))
    report = count_macs(net, torch.zeros(1, n, dtype=torch.long), strict=True)
    weights = 2 * d * d + 2 * d * (d // heads * key_heads) + 3 * d * hidden
    assert report.exact == layers * (n * weights + 2 * n * n * d) + n * d * words
    assert report.modules[0].parameters == layers * (weights + 2 * d) + 2 * words * d + d > 70e9
