"""Counts that other counters have published: equal, or different by causes that add up.

That the networks of ``classics`` have the published numbers of parameters says that they are the same.
"""

from collections import Counter
from math import prod

import pytest
import torch
from torch import nn

from effbench.measure.complexity import count_parameters
from effbench.measure.macs import count_macs
from tests.measure.macs import classics
from tests.measure.macs.calls import Call, exact

#: Parameters and MACs in torchvision's tables of weights, and MACs in thop's of recent models (1e9).
NETWORKS = {
    "alexnet": (classics.alexnet, 61_100_840, 0.714, 0.77),
    "vgg11": (lambda: classics.vgg(1, 1, 2, 2, 2), 132_863_336, 7.609, 7.74),
    "vgg16": (lambda: classics.vgg(2, 2, 3, 3, 3), 138_357_544, 15.470, 15.61),
    "resnet18": (lambda: classics.resnet(2, 2, 2, 2, bottleneck=False), 11_689_512, 1.814, 1.82),
    "resnet50": (lambda: classics.resnet(3, 4, 6, 3), 25_557_032, 4.089, 4.14),
    "resnext50": (lambda: classics.resnet(3, 4, 6, 3, groups=32, group_width=4), 25_028_904, 4.230, 4.29),
    "wide_resnet50": (lambda: classics.resnet(3, 4, 6, 3, group_width=128), 68_883_240, 11.398, 11.46),
    "densenet121": (lambda: classics.densenet(6, 12, 24, 16), 7_978_856, 2.834, 2.90),
    "squeezenet1_0": (classics.squeezenet, 1_248_424, 0.819, 0.82),
    "mobilenet_v2": (classics.mobilenet_v2, 3_504_872, 0.301, 0.33),
    "vit_b_16": (classics.VisionTransformer, 86_567_656, 17.564, None),
}


def counted_on_top(network, inputs):
    """What thop's published table has beside multiply-accumulates, by cause.

    Its linear layers count multiplications and additions apart; normalisation counts four operations an
    element, as it does in training.
    """
    causes = Counter()

    def add(module, args, out):
        if isinstance(module, nn.Conv2d) and module.bias is not None:
            causes["bias of convolutions"] += out.numel()
        elif isinstance(module, nn.Linear):
            causes["additions of linear layers"] += out.numel() * (module.in_features - 1)
        elif isinstance(module, nn.BatchNorm2d):
            causes["batch normalisation"] += 4 * out.numel()
        elif isinstance(module, nn.AdaptiveAvgPool2d | nn.AvgPool2d):
            taps = prod(a // b for a, b in zip(args[0].shape, out.shape, strict=True))
            causes["average pooling"] += out.numel() * (taps + 1)

    for module in network.modules():
        module.register_forward_hook(add)
    network.eval()(inputs)
    return causes


@pytest.mark.parametrize("name", NETWORKS)
def test_published_networks(name):
    build, parameters, torchvision, thop = NETWORKS[name]
    with torch.device("meta"):
        network, pixels = build(), torch.zeros(1, 3, 224, 224)
    macs = exact(network, pixels)
    assert count_parameters(network).total == parameters
    assert round(macs / 1e9, 3) == torchvision
    if thop:
        assert round((macs + sum(counted_on_top(network, pixels).values())) / 1e9, 2) == thop


def test_fvcores_published_examples():
    network = classics.convolutions_and_three_linears()
    report = count_macs(network, torch.zeros(1, 1, 32, 32), strict=True)
    assert (report.exact, report.by_operator) == (274_656, {"convolution": 194_616, "linear": 80_040})
    assert [layer.exact for layer in report.layers()] == [48_600, 146_016, 69_120, 10_080, 840]

    pointwise = nn.Sequential(nn.Conv2d(3, 10, 1), nn.ReLU(), nn.Flatten(), nn.Linear(1000, 10))
    report = count_macs(pointwise, torch.zeros(1, 3, 10, 10), strict=True)
    assert report.by_module == {"": 13_000, "0": 3_000, "1": 0, "2": 0, "3": 10_000}

    shared_shape = nn.Sequential(*(nn.Linear(10, 10) for _ in range(4)))
    assert exact(shared_shape, torch.zeros(1, 10)) == 400


#: Published by torch with its own counter: floating-point operations, two for each MAC.
TORCH = {
    "mm": (240, torch.mm, [(4, 5), (5, 6)]),
    "bmm": (720, torch.bmm, [(3, 4, 5), (3, 5, 6)]),
    "addmm": (240, torch.addmm, [(4, 6), (4, 5), (5, 6)]),
    "baddbmm": (720, torch.baddbmm, [(3, 4, 6), (3, 4, 5), (3, 5, 6)]),
    "conv1d": (1_440, lambda x, w: torch.conv1d(x, w, padding=1), [(2, 3, 6), (6, 3, 4)]),
    "conv2d": (28_800, lambda x, w: torch.conv2d(x, w, padding=1), [(2, 3, 6, 6), (6, 3, 4, 4)]),
}


@pytest.mark.parametrize("name", TORCH)
def test_torchs_published_operators(name):
    flops, function, shapes = TORCH[name]
    operator = Call(lambda _, *inputs: function(*inputs))
    assert 2 * exact(operator, *(torch.zeros(shape) for shape in shapes)) == flops


def test_torchs_published_examples():
    def variety(self, a, b, c, d):
        torch.addmm(a @ b, a, b)
        self.linear(torch.zeros(8, 9))
        return torch.mm(b, c), torch.einsum("ab,bc->ac", c, d)

    shapes = [(4, 5), (5, 6), (6, 7), (7, 8)]
    module = Call(variety, linear=nn.Linear(9, 10))
    assert 2 * exact(module, *(torch.zeros(shape) for shape in shapes)) == 3_012


def test_torchs_published_counts_of_backward_passes():
    def products(_, a, b, c):
        return torch.bmm(torch.mm(a, b).expand(7, 4, 6), c)

    a, b, c = torch.zeros(4, 5, requires_grad=True), torch.zeros(5, 6), torch.zeros(7, 6, 7)
    report = count_macs(Call(products), (a, b, c), strict=True, training=True)
    assert 2 * report.training == 5_184

    with torch.device("meta"):
        network, pixels = NETWORKS["resnet18"][0](), torch.zeros(1, 3, 224, 224, requires_grad=True)
    report = count_macs(network, pixels, strict=True, training=True)
    assert 2 * report.training == 10_884_440_064
