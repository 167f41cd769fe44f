"""What the tests of counting count."""

from torch import nn

from effbench.measure.macs import count_macs


class Call(nn.Module):
    """Any function as a module."""

    def __init__(self, function, **modules):
        super().__init__()
        self.function = function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, *inputs, **named):
        return self.function(self, *inputs, **named)


def exact(target, *arguments, **options):
    """Exact MACs of a call without unknown operators, whose layers add up to them."""
    report = count_macs(target, arguments, strict=True, **options)
    layers = report.layers()
    assert sum(layer.exact for layer in layers) == report.exact
    assert all(layer.exact >= 0 for layer in layers)
    return report.exact
