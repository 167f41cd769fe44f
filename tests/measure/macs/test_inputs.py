"""What may be counted, and with what."""

import dataclasses
import functools
from collections import namedtuple

import pytest
import torch
from torch import nn

from effbench.errors import EffbenchWarning, UncountedOperator
from effbench.measure.macs import count_macs
from tests.measure.macs.calls import Call, exact

zeros = torch.zeros
linear = nn.Linear(3, 4)


@dataclasses.dataclass
class Batch:
    x: torch.Tensor
    extra: dict


Pair = namedtuple("Pair", "x y")


@pytest.mark.parametrize(
    ("args", "kwargs", "forward"),
    [
        (zeros(2, 3), None, lambda s, x: s.a(x)),
        ((zeros(2, 3),), {}, lambda s, x: s.a(x)),
        ([zeros(2, 3)], None, lambda s, x: s.a(x)),
        ((), {"x": zeros(2, 3)}, lambda s, x: s.a(x)),
        ({"x": zeros(2, 3)}, None, lambda s, d: s.a(d["x"])),
        (Batch(zeros(2, 3), {"n": (zeros(3), 2)}), None, lambda s, b: s.a(b.x + b.extra["n"][0])),
        (Pair(zeros(2, 3), [zeros(3)]), None, lambda s, p: s.a(p.x + p.y[0])),
        (
            (zeros(2, 3), ((zeros(3),), "text")),
            {"scale": 2.0},
            lambda s, x, t, scale: s.a(scale * x + t[0][0]),
        ),
    ],
)
def test_arguments_of_any_kind(args, kwargs, forward):
    report = count_macs(Call(forward, a=nn.Linear(3, 4)), args, kwargs, strict=True)
    assert (report.exact, report.device) == (24, "meta")


@pytest.mark.parametrize(("kind", "gates"), [(nn.GRU, 3), (nn.LSTM, 4)])
def test_a_packed_sequence_counts_its_own_steps(kind, gates):
    packed = nn.utils.rnn.pack_sequence([zeros(4, 6), zeros(2, 6)])
    for args in (packed, (packed,)):
        assert count_macs(kind(6, 5), args, strict=True).exact == 6 * gates * (6 * 5 + 5 * 5)


class Generator(nn.Module):
    def __init__(self):
        super().__init__()
        self.step = nn.Linear(3, 3)

    def forward(self, x):
        return self.step(x)

    def generate(self, x, steps=4):
        for _ in range(steps):
            x = self(x)
        return x


class Pipeline:
    """No module, but it has one."""

    def __init__(self):
        self.model = Generator()

    def __call__(self, x):
        return self.model.generate(x, 2)


def test_methods_functions_and_what_holds_modules():
    model, x = Generator().train(), zeros(2, 3)
    report = count_macs(model.generate, x, {"steps": 3}, strict=True)
    assert report.by_module == {"": 54, "step": 54}
    assert model.training
    assert count_macs(functools.partial(model.generate, steps=2), x).by_module["step"] == 36
    assert count_macs(lambda x: model(x), x).by_module == {"": 18, "model": 18, "model.step": 18}
    assert count_macs(lambda x: linear(x), x).by_module == {"": 24, "linear": 24}
    assert count_macs(Pipeline(), x).by_module["model.step"] == 36
    assert count_macs(torch.matmul, (zeros(2, 3), zeros(3, 4))).exact == 24


def test_own_rules_count_modules_operators_and_functions():
    class Mine(nn.Linear):
        pass

    net = nn.Sequential(Mine(3, 4), nn.ReLU(), nn.Linear(4, 5))
    x = zeros(2, 3)
    rules = {Mine: lambda module, args, out: 1000 * args[0].shape[0]}
    report = count_macs(net, x, rules=rules, strict=True)
    assert report.by_module == {"": 2040, "0": 2000, "1": 0, "2": 40}
    assert report.by_operator == {"Mine": 2000, "linear": 40}
    rules = {torch.ops.aten.relu: lambda out, x: out.numel()}
    assert count_macs(net, x, rules=rules, strict=True).exact == 24 + 8 + 40
    rules = {torch.ops.aten.linalg_matrix_exp.default: lambda out, x: 7}
    assert count_macs(torch.linalg.matrix_exp, zeros(3, 3), rules=rules, strict=True).exact == 7
    rules = {nn.functional.linear: lambda out, x, weight, bias=None: 1}
    assert count_macs(net, x, rules=rules, strict=True).exact == 2


def test_own_rules_that_never_apply_or_give_nonsense_are_said():
    with pytest.warns(EffbenchWarning, match="never ran: aten.bmm, Conv1d"):
        report = count_macs(
            linear, zeros(2, 3), rules={torch.ops.aten.bmm: lambda *_: 1, nn.Conv1d: lambda *_: 1}
        )
    assert report.unused_rules == ("aten.bmm", "Conv1d")
    for nonsense in (-1, 0.5, None):
        with pytest.raises(UncountedOperator, match="whole number"):
            count_macs(linear, zeros(2, 3), rules={nn.Linear: lambda *_, n=nonsense: n})


def test_programs_scripts_and_traces():
    net, x = nn.Sequential(nn.Linear(3, 4), nn.ReLU()), zeros(2, 3)
    assert count_macs(torch.export.export(net, (x,)), x, strict=True).exact == 24
    assert count_macs(torch.export.export(net, (x,)).module(), x, strict=True).exact == 24
    assert exact(nn.DataParallel(net), x) == 24


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_torchscript_is_counted_as_it_runs():
    conv = nn.Conv1d(3, 4, 2)
    assert exact(torch.jit.trace(conv, zeros(1, 3, 5)), zeros(1, 3, 5)) == 4 * 4 * 6
    net = nn.Sequential(conv, nn.ReLU())
    assert exact(torch.jit.script(net), zeros(1, 3, 5)) == 4 * 4 * 6
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    expected = 5 * (4 * 64 + 2 * 8 * 16) + 2 * 25 * 8
    assert exact(torch.jit.script(layer), zeros(1, 5, 8)) == expected
    assert exact(Call(lambda s, x: s.script(x), script=torch.jit.script(net)), zeros(1, 3, 5)) == 4 * 4 * 6
