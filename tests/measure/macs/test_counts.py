"""MAC counts against closed forms, to the unit."""

import csv
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import effbench
from effbench.measure.complexity import count_parameters
from effbench.measure.macs import count_macs
from effbench.models import zoo
from effbench.models.cards import CardCounts
from tests.measure.macs.calls import Call

FIGURES = list(csv.DictReader((Path(__file__).parents[2] / "fixtures" / "paper_figures.csv").open()))
FEATURES = (1, 1, 128, 1000)


def counted(spec, frames=1000):
    with torch.device("meta"):
        return count_macs(effbench.build_model(spec), torch.zeros(1, 1, 128, frames), strict=True)


@pytest.mark.parametrize("groups", [1, 4])
def test_convolution_counts_every_multiply_accumulate(groups):
    conv = nn.Conv2d(8, 12, (3, 5), stride=(2, 1), padding=(1, 2), groups=groups)
    assert count_macs(conv, torch.zeros(1, 8, 20, 30)).exact == 12 * 10 * 30 * (8 // groups) * 15


def test_transposed_convolution_counts_input_elements():
    conv = nn.ConvTranspose1d(8, 12, 5, stride=2, groups=4)
    assert count_macs(conv, torch.zeros(2, 8, 20)).exact == 2 * 8 * 20 * (12 // 4) * 5


def test_linear_counts_rows_and_no_bias():
    report = count_macs(nn.Linear(7, 5), torch.zeros(2, 3, 7))
    assert report.exact == report.paper == 2 * 3 * 7 * 5
    assert report.by_operator == {"linear": 210}


@pytest.mark.parametrize(
    ("function", "shapes", "macs"),
    [
        (torch.mm, [(2, 3), (3, 4)], 24),
        (torch.bmm, [(5, 2, 3), (5, 3, 4)], 120),
        (torch.matmul, [(5, 1, 2, 3), (7, 3, 4)], 5 * 7 * 24),
        (torch.mv, [(2, 3), (3,)], 6),
        (torch.dot, [(3,), (3,)], 3),
        (torch.addmm, [(2, 4), (2, 3), (3, 4)], 24),
        (torch.addmv, [(2,), (2, 3), (3,)], 6),
        (torch.baddbmm, [(5, 2, 4), (5, 2, 3), (5, 3, 4)], 120),
        (torch.addbmm, [(2, 4), (5, 2, 3), (5, 3, 4)], 120),
        (lambda a, b: torch.einsum("bij,bjk->bik", a, b), [(5, 2, 3), (5, 3, 4)], 120),
    ],
)
def test_matrix_products(function, shapes, macs):
    module = Call(lambda _, *inputs: function(*inputs))
    assert count_macs(module, [torch.zeros(shape) for shape in shapes], strict=True).exact == macs


@pytest.mark.parametrize("device", ["meta", "cpu"])
@pytest.mark.parametrize("causal", [False, True])
def test_attention_counts_both_products(device, causal):
    module = Call(lambda _, q, k, v: F.scaled_dot_product_attention(q, k, v, is_causal=causal))
    q, k, v = (torch.zeros(2, 4, n, e, device=device) for n, e in ((30, 16), (50, 16), (50, 8)))
    report = count_macs(module, (q, k, v), strict=True)
    assert report.exact == 2 * 4 * 30 * 50 * (16 + 8)
    assert report.by_operator == {"attention": report.exact}


def test_attention_inside_torchs_own_layers_is_counted_once():
    d, n, hidden = 32, 20, 64
    layer = nn.TransformerEncoderLayer(d, 4, hidden, batch_first=True)
    expected = n * (4 * d * d + 2 * d * hidden) + 2 * n * n * d
    assert count_macs(layer, torch.zeros(1, n, d), strict=True).exact == expected
    meta = nn.MultiheadAttention(d, 4, device="meta")
    assert count_macs(meta, [torch.zeros(n, 1, d)] * 3, strict=True).exact == n * 4 * d * d + 2 * n * n * d


@pytest.mark.parametrize(("kind", "gates"), [(nn.GRU, 3), (nn.LSTM, 4), (nn.RNN, 1)])
@pytest.mark.parametrize("device", ["meta", "cpu"])
def test_recurrent_networks_count_every_gate(kind, gates, device):
    net = kind(24, 16, num_layers=2, bidirectional=True, batch_first=True, device=device)
    report = count_macs(net, torch.zeros(3, 10, 24, device=device), strict=True)
    assert report.exact == 3 * 10 * 2 * gates * ((24 * 16 + 16 * 16) + (2 * 16 * 16 + 16 * 16))
    assert report.paper == 0


@pytest.mark.parametrize("kind", [nn.GRU, nn.LSTM])
def test_packed_sequences_count_their_own_steps(kind):
    net = kind(6, 5)
    packed = nn.utils.rnn.pack_sequence([torch.zeros(4, 6), torch.zeros(2, 6)])
    module = Call(lambda self, data: self.net(packed._replace(data=data)), net=net)
    gates = 3 if kind is nn.GRU else 4
    assert count_macs(module, packed.data, strict=True).exact == 6 * gates * (6 * 5 + 5 * 5)


def test_projected_lstm_counts_its_projection():
    report = count_macs(nn.LSTM(6, 5, proj_size=3), torch.zeros(7, 1, 6), strict=True)
    assert report.exact == 7 * (4 * (6 * 5 + 3 * 5) + 5 * 3)


@pytest.mark.parametrize(("kind", "gates"), [(nn.GRUCell, 3), (nn.LSTMCell, 4), (nn.RNNCell, 1)])
def test_recurrent_cells_count_one_step_and_nothing_in_the_paper(kind, gates):
    report = count_macs(kind(6, 5), torch.zeros(2, 6), strict=True)
    assert (report.exact, report.paper) == (2 * gates * (6 * 5 + 5 * 5), 0)


def test_fourier_transform_counts_butterflies():
    report = count_macs(Call(lambda _, x: torch.fft.rfft(x)), torch.zeros(3, 512), strict=True)
    assert report.exact == 3 * 512 * 9


def test_element_operations_are_no_macs():
    module = nn.Sequential(nn.BatchNorm1d(4), nn.Hardswish(), nn.Softmax(-1), nn.AvgPool1d(2))
    report = count_macs(module, torch.zeros(2, 4, 10), strict=True)
    assert (report.exact, report.paper) == (0, 0)
    assert report.element_operations == {
        "normalisation": 80,
        "element-wise": 80,
        "softmax": 80,
        "reduction and pooling": 80,
    }


def test_module_that_looks_at_values_is_counted_on_its_own_device():
    module = Call(lambda self, x: self.a(x) if x.sum() >= 0 else x, a=nn.Linear(3, 2))
    report = count_macs(module, torch.zeros(4, 3), strict=True)
    assert (report.exact, report.device) == (24, "cpu")


def test_modules_add_up_and_shared_ones_count_each_call():
    shared = nn.Linear(4, 4)
    module = Call(
        lambda self, x: self.b(self.list[0](self.a(x))), a=shared, list=nn.ModuleList([shared]), b=shared
    )
    report = count_macs(module, torch.zeros(2, 4))
    assert report.exact == 3 * 32
    assert report.by_module[""] == report.by_module["a"] == 96


def closed_form_fmn(width, frames=1000):
    """MACs of a frame-wise MobileNet from the published table alone."""
    from effbench.models.backbones.fmn import BLOCKS, round_channels

    def halve(n):
        return -(-n // 2)

    f, t, c = 64, halve(frames), round_channels(16 * width)
    total = f * t * c * 9
    for block in BLOCKS:
        e, out = round_channels(block.expanded * width), round_channels(block.out * width)
        total += f * t * c * e if e != c else 0
        f, t = (halve(f) if block.stride[0] == 2 else f), (halve(t) if block.stride[1] == 2 else t)
        total += f * t * e * block.kernel**2 + f * t * e * out
        total += 2 * e * round_channels(e // 4) if block.squeeze else 0
        c = out
    return total + t * c * 6 * c, 6 * c, t


def closed_form_sequence(name, c, d, n, heads):
    """MACs of a sequence model on n frames, exact and in the published convention."""
    project = n * c * d if c != d else 0
    attention = 2 * (n * (3 * d * d + d * heads + d * d) + 2 * n * n * d)
    if name == "tf":
        return (project + attention + 2 * n * 8 * d * d,) * 2
    if name == "attn":
        return (project + attention,) * 2
    if name == "gru":
        return 2 * 3 * n * ((c * d + d * d) + (2 * d * d + d * d)), 0
    if name == "tcn":
        published = 2 * 2 * 2 * sum((n + 2 * 2**b) * 3 * d * d for b in range(5))
        return project + 2 * 2 * 5 * n * 3 * d * d, project + published
    if name == "mamba":
        inner, state = 2 * d, 64
        width = inner + 2 * state
        head_count = inner // heads
        layer = n * d * (inner + width + head_count) + n * width * 3 + n * inner * d
        return project + 2 * (layer + 2 * n * inner * state), project + 2 * layer
    mixer = n * (3 * d * d + 2 * 2 * d * d + 2 * d * d + d * d) + 2 * n * n * d
    return (project + 2 * (mixer + n * 8 * d * d),) * 2


@pytest.mark.parametrize("row", FIGURES, ids=lambda row: f"{row['figure']}-{row['spec']}")
def test_published_points_and_closed_forms(row):
    spec = effbench.ModelSpec.parse(row["spec"])
    with torch.device("meta"):
        detector = effbench.build_model(spec)
    report = count_macs(detector, torch.zeros(FEATURES), strict=True)
    total = count_parameters(detector).total
    assert total == pytest.approx(float(row["params_millions"]) * 1e6, rel=3e-4)
    assert report.paper == pytest.approx(float(row["macs_billions"]) * 1e9, rel=7e-3)

    backbone, c, n = closed_form_fmn(spec.width_multiplier)
    exact = paper = 0
    width = c
    if spec.sequence:
        options = zoo.sequence_options(spec)
        heads = options.get("heads") or options.get("head_dim") or 0
        exact, paper = closed_form_sequence(spec.sequence, c, spec.dim, n, heads)
        width = spec.dim * (2 if spec.sequence == "gru" else 1)
    head = n * width * 447 + width * 447
    assert report.exact == backbone + exact + head
    assert report.paper == backbone + paper + head
    assert zoo.models()[spec].card.counts == CardCounts(parameters=total, macs=report.exact)


def test_figures_that_the_publication_understates_and_overstates():
    assert counted("fmn10+gru-256").exact == 1_766_672_064
    assert counted("fmn10+gru-256").paper == pytest.approx(1.00e9, rel=7e-3)
    assert counted("fmn10+tcn-1024").exact == pytest.approx(17.0e9, rel=5e-3)


@pytest.mark.parametrize(
    "spec", ["fmn04+tf-104", "fmn04+gru-104", "fmn04+mamba-104", "fmn04+hybrid-104", "fmn04+tcn-104"]
)
def test_count_does_not_depend_on_the_device(spec):
    detector = effbench.build_model(spec)
    on_cpu = Call(lambda self, x: self.d(x) if float(x.sum()) < 1 else x, d=detector)
    real = count_macs(on_cpu, torch.zeros(1, 1, 128, 100), strict=True)
    assert real.device == "cpu"
    meta = counted(spec, frames=100)
    assert (real.exact, real.paper, real.by_operator) == (meta.exact, meta.paper, meta.by_operator)


def test_macs_grow_with_the_clip_and_attention_quadratically():
    one, two = counted("fmn04+tf-104"), counted("fmn04+tf-104", frames=2000)
    assert two.by_operator["attention"] == 4 * one.by_operator["attention"]
    assert two.by_operator["convolution"] == 2 * one.by_operator["convolution"]


def test_scans_are_reported_apart():
    mamba, hybrid = counted("fmn10+mamba-256"), counted("fmn10+hybrid-256")
    assert mamba.by_operator["scan"] == 2 * 2 * 250 * 512 * 64
    assert mamba.element_operations["scan (StateSpaceScan)"] == 2 * 250 * 512 * 64
    assert hybrid.element_operations["scan (GatedScan)"] == 2 * 2 * 250 * 512
    assert "scan" not in hybrid.by_operator


def test_parts_of_a_detector_add_up():
    report = counted("fmn10+hybrid-512")
    parts = ("backbone", "sequence", "strong_head", "weak_head")
    assert sum(report.by_module[part] for part in parts) == report.exact


def test_frontend_can_be_counted_too():
    frontend = effbench.build_model("fmn04").frontend
    report = count_macs(frontend, torch.zeros(1, 160_000), strict=True)
    assert report.by_operator == {
        "matrix product": 128 * 257 * 1000,
        "fourier transform": 1000 * 512 * 9,
    }
