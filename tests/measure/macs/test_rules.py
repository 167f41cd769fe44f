"""Rules beside the common ones, each against its closed form."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from effbench.measure.macs import count_macs
from effbench.measure.macs.rules import OPERATORS, aten
from tests.measure.macs.calls import Call, exact

zeros = torch.zeros


def bf16(*shape):
    return zeros(*shape, dtype=torch.bfloat16)


def int8(*shape):
    return zeros(*shape, dtype=torch.int8)


def back_and_forth(x):
    return torch.istft(torch.stft(x, 64, return_complex=True), 64)


STARTS = torch.tensor([4, 8, 12], dtype=torch.int32)


@pytest.mark.parametrize(
    ("call", "arguments", "macs"),
    [
        (lambda a, b, c: c.addmm_(a, b), (zeros(2, 3), zeros(3, 4), zeros(2, 4)), 24),
        (lambda a, b, c: c.addmv_(a, b), (zeros(2, 3), zeros(3), zeros(2)), 6),
        (lambda a, b, c: c.baddbmm_(a, b), (zeros(5, 2, 3), zeros(5, 3, 4), zeros(5, 2, 4)), 120),
        (lambda a, b, c: c.addr_(a, b), (zeros(3), zeros(4), zeros(3, 4)), 12),
        (torch.conv_tbc, (zeros(10, 2, 4), zeros(3, 4, 5), zeros(5)), 8 * 2 * 5 * 3 * 4),
        (torch._int_mm, (int8(17, 8), int8(8, 16)), 17 * 8 * 16),
        (lambda x, w: torch._grouped_mm(x, w, offs=STARTS), (bf16(12, 16), bf16(3, 16, 8)), 12 * 16 * 8),
        (lambda x, w: torch._grouped_mm(x, w), (bf16(3, 4, 16), bf16(3, 16, 8)), 3 * 4 * 16 * 8),
        (torch.cdist, (zeros(2, 30, 7), zeros(2, 40, 7)), 2 * 30 * 40 * 7),
        (lambda a, b: torch.cdist(a, b, p=1), (zeros(2, 30, 7), zeros(2, 40, 7)), 0),
        (F.pdist, (zeros(10, 7),), 45 * 7),
        (lambda t: F.affine_grid(t, [2, 1, 4, 5], align_corners=False), (zeros(2, 2, 3),), 2 * 4 * 5 * 2 * 3),
        (
            lambda w, i, p: F.embedding_bag(i, w, per_sample_weights=p, mode="sum"),
            (zeros(10, 7), zeros(2, 3, dtype=torch.long), zeros(2, 3)),
            6 * 7,
        ),
        (F.embedding_bag, (zeros(2, 3, dtype=torch.long), zeros(10, 7)), 0),
        (
            lambda x: torch.istft(torch.stft(x, 64, return_complex=True), 64),
            (zeros(1, 640),),
            2 * 41 * 64 * 6,
        ),
        (
            lambda a, b: torch.linalg.solve_triangular(a, b, upper=False),
            (zeros(5, 5), zeros(2, 5, 3)),
            2 * 3 * 10,
        ),
        (
            lambda a, b: torch.linalg.solve_triangular(a, b, upper=True, left=False),
            (zeros(5, 5), zeros(3, 5)),
            30,
        ),
        (lambda a, b: torch.triangular_solve(b, a), (zeros(5, 5), zeros(5, 3)), 30),
        (nn.Bilinear(3, 5, 2), (zeros(4, 3), zeros(4, 5)), 4 * 2 * 3 * 5),
        (nn.LogSigmoid(), (zeros(3),), 0),
    ],
)
@pytest.mark.filterwarnings("ignore:stft with return_complex|A window was not provided")
def test_closed_forms(call, arguments, macs):
    assert exact(call, *arguments) == macs


def test_multihead_attention_with_a_mask_has_no_unknown_operator():
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    mask = zeros(1, 5, dtype=torch.bool)
    call = Call(lambda s, x: s.a(x, x, x, key_padding_mask=mask)[0], a=attention)
    assert exact(call, zeros(1, 5, 8)) == 5 * 4 * 64 + 2 * 25 * 8


@pytest.mark.parametrize("layout", [torch.strided, torch.jagged])
@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")
def test_nested_tensors_count_their_components(layout):
    nested = torch.nested.nested_tensor([zeros(2, 3), zeros(5, 3)], layout=layout)
    assert exact(nn.Linear(3, 4), nested) == 7 * 12

    def attend(x):
        x = x.transpose(1, 2) if layout == torch.jagged else x
        return F.scaled_dot_product_attention(x, x, x)

    parts = [zeros(2, 2, 4), zeros(5, 2, 4)] if layout == torch.jagged else [zeros(2, 2, 4), zeros(2, 5, 4)]
    x = torch.nested.nested_tensor(parts, layout=layout)
    assert exact(attend, x) == 2 * (2 * 2 + 5 * 5) * (4 + 4)


def test_control_flow_counts_what_runs():
    from torch._higher_order_ops.scan import scan
    from torch._higher_order_ops.while_loop import while_loop

    x = torch.ones(3, 3)
    branch = lambda x: torch.cond(x.sum() > 0, lambda a: a @ a @ a, lambda a: a @ a, (x,))  # noqa: E731
    assert exact(branch, x) == 54
    assert exact(branch, -x) == 27
    loop = lambda x: while_loop(lambda i, a: i < 5, lambda i, a: (i + 1, a @ a), (torch.tensor(0), x))  # noqa: E731
    assert exact(loop, x) == 5 * 27
    steps = lambda x: scan(lambda c, y: (c @ y, c.clone()), torch.eye(3), x)  # noqa: E731
    assert exact(steps, torch.ones(6, 3, 3)) == 6 * 27


@pytest.mark.filterwarnings("ignore:flex_attention called without")
def test_flexible_attention_counts_every_pair():
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    q = zeros(2, 2, 128, 8)
    mask = create_block_mask(lambda b, h, i, j: i >= j, 2, 2, 128, 128, device="cpu")
    for options in ({}, {"block_mask": mask}):
        assert exact(lambda q, o=options: flex_attention(q, q, q, **o), q) == 2 * 2 * 128 * 128 * 16


@pytest.mark.filterwarnings("ignore")
def test_quantised_modules():
    import torch.ao.quantization as quantization

    dynamic = quantization.quantize_dynamic
    assert exact(dynamic(nn.Sequential(nn.Linear(8, 4)), dtype=torch.qint8), zeros(2, 8)) == 64
    for kind, gates in ((nn.LSTM, 4), (nn.GRU, 3)):
        net = dynamic(nn.Sequential(kind(6, 5, bidirectional=True)), {kind}, dtype=torch.qint8)
        assert exact(net, zeros(7, 1, 6)) == 7 * 2 * gates * (6 * 5 + 5 * 5)
    net = nn.Sequential(
        quantization.QuantStub(), nn.Conv2d(4, 6, 3, groups=2), nn.ReLU(), quantization.DeQuantStub()
    )
    net.eval().qconfig = quantization.get_default_qconfig("x86")
    prepared = quantization.prepare(net)
    prepared(zeros(1, 4, 8, 8))
    assert exact(quantization.convert(prepared), zeros(1, 4, 8, 8)) == 6 * 36 * 2 * 9


def test_kernels_of_other_devices_by_their_rules_alone():
    q, k, v = zeros(3, 10, 4, 16), zeros(3, 20, 4, 16), zeros(3, 20, 4, 8)
    pairs, products = 3 * 4 * 10 * 20, 16 + 8
    flash, efficient = OPERATORS[aten._flash_attention_forward], OPERATORS[aten._efficient_attention_forward]
    assert flash.macs(None, q, k, v, None, None, 10, 20) == pairs * products
    assert efficient.macs(None, q, k, v, None, None, None) == pairs * products
    ends = torch.tensor([0, 4, 10], dtype=torch.int32), torch.tensor([0, 7, 20], dtype=torch.int32)
    packed = (q[0], k[0], v[0], *ends, 6, 13)
    assert flash.macs(None, *packed) == 4 * (4 * 7 + 6 * 13) * products
    assert (
        OPERATORS[aten._flash_attention_backward].macs(None, q, q, k, v, None, None, None, None)
        == 2 * pairs * products
    )
    assert flash.macs(None, *packed[:3], *(e.to("meta") for e in ends), 6, 13) is None
    scaled = OPERATORS[aten._scaled_mm]
    assert scaled.macs(zeros(4, 6), zeros(4, 8), zeros(8, 6)) == 4 * 8 * 6
    assert OPERATORS[aten._weight_int8pack_mm].macs(zeros(4, 6), zeros(4, 8), zeros(6, 8)) == 4 * 8 * 6


def test_backward_counts_a_product_for_each_gradient():
    net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 5))
    report = count_macs(net, zeros(2, 3), training=True, strict=True)
    assert (report.exact, report.training) == (64, 2 * 24 + 3 * 40)
    net[0].weight.requires_grad_(False)
    assert count_macs(net, zeros(2, 3), training=True).training == 24 + 8 * 0 + 3 * 40
    x = zeros(2, 3, requires_grad=True)
    assert count_macs(nn.Linear(3, 4), x, training=True).training == 3 * 24
    net = nn.Sequential(nn.Conv1d(3, 4, 3), nn.ConvTranspose1d(4, 6, 3, groups=2))
    first, second = 4 * 18 * 9, 4 * 18 * 3 * 3
    assert count_macs(net, zeros(1, 3, 20), training=True, strict=True).training == 2 * first + 3 * second


@pytest.mark.parametrize("device", ["meta", "cpu"])
@pytest.mark.parametrize(("kind", "gates"), [(nn.GRU, 3), (nn.LSTM, 4), (nn.RNN, 1)])
def test_backward_through_time(kind, gates, device):
    steps, d, h = 7, 6, 5
    x = zeros(steps, 1, d, requires_grad=True)
    net = kind(d, h)
    call = (
        net
        if device == "meta"
        else Call(lambda s, x: s.net(x) if float(x.detach().sum()) < 1 else x, net=net)
    )
    report = count_macs(call, x, training=True, strict=True)
    forward = steps * gates * (d * h + h * h)
    assert (report.exact, report.device) == (forward, device)
    initial = gates * h * h  # no gradient of the state before the first step
    assert report.training in (3 * forward, 3 * forward - initial)


def test_backward_of_attention_and_of_what_can_be_trained():
    q = zeros(2, 4, 10, 16, requires_grad=True)
    report = count_macs(lambda q: F.scaled_dot_product_attention(q, q, q), q, training=True, strict=True)
    assert report.training == 3 * report.exact == 3 * 2 * 4 * 100 * 32
    on_cpu = lambda q: F.scaled_dot_product_attention(q, q, q) if float(q.detach().sum()) < 1 else q  # noqa: E731
    assert count_macs(on_cpu, q, training=True, strict=True).training == report.training


def test_backward_of_weighted_bags():
    indices, weights = zeros(2, 3, dtype=torch.long), zeros(2, 3, requires_grad=True)
    bag = nn.EmbeddingBag(10, 7, mode="sum")
    report = count_macs(lambda i, w: bag(i, per_sample_weights=w), (indices, weights), training=True)
    assert (report.complete, report.exact, report.training) == (True, 42, 3 * 42)
    assert count_macs(bag, indices, training=True, strict=True).training == 0


def test_traffic_counts_what_operators_read_and_write():
    report = count_macs(nn.Sequential(nn.Linear(3, 4), nn.ReLU()), zeros(2, 3))
    assert report.traffic.floats == {"linear": 6 + 12 + 4 + 8, "element-wise": 8 + 8}
    assert (report.traffic.bytes(), report.traffic.bytes(2)) == (4 * 46, 2 * 46)
    assert report.intensity() == 24 / (4 * 46)
    conv = count_macs(nn.Conv1d(3, 4, 3, bias=False), zeros(1, 3, 20))
    assert conv.traffic.floats == {"convolution": 60 + 36 + 72}
    broadcast = count_macs(torch.add, (zeros(1, 5).expand(9, 5), zeros(9, 5)))
    assert broadcast.traffic.floats == {"element-wise": 5 + 45 + 45}
    made = count_macs(lambda x: torch.zeros_like(x) + torch.empty_like(x), zeros(5))
    assert made.traffic.floats == {"data movement": 5, "element-wise": 15}
    embedding = count_macs(nn.Embedding(10, 4), zeros(3, dtype=torch.long))
    assert embedding.traffic.other_bytes == 3 * 8
