"""Every operator of the installed torch is known by name, and counts the same as shapes and with values.

Run by ``test_operators`` in a process of its own: torch's database freezes switches of whoever imports it.
"""

import pytest
import torch
from torch.testing._internal.common_methods_invocations import op_db
from torch.testing._internal.common_modules import module_db
from torch.utils._pytree import tree_leaves, tree_map_only

from effbench.measure.macs import count_macs
from effbench.measure.macs.operators import KINDS, OPEN, element_kind, variants
from effbench.measure.macs.quantized import QUANTISED
from effbench.measure.macs.rules import OPERATORS

pytestmark = pytest.mark.filterwarnings("ignore")
SAMPLES = 2
PARTS = 6

#: Of the samples of these, the types that were changed are not what fails on the CPU, or fail there alone.
NOT_OF_TYPES = {"as_strided", "histc"}


def dispatched():
    """Every overload of ATen that takes or gives tensors and has a kernel of its own."""
    for name in sorted({s.name for s in torch._C._jit_get_all_schemas() if s.name.startswith("aten::")}):
        packet = getattr(torch.ops.aten, name.removeprefix("aten::"), None)
        for overload in packet.overloads() if packet else ():
            try:
                operator = getattr(packet, overload)
                has_kernel = torch._C._dispatch_has_kernel(operator.name())
            except (AttributeError, RuntimeError):
                continue  # of TorchScript alone
            has = torch._C._dispatch_has_kernel_for_dispatch_key
            composite = not has_kernel or has(operator.name(), "CompositeImplicitAutograd")
            types = [str(a.type) for a in (*operator._schema.arguments, *operator._schema.returns)]
            if not composite and any("Tensor" in kind for kind in types):
                yield operator


def test_every_operator_has_a_rule_or_a_kind_or_is_named_as_open():
    ruled = {packet.__name__ for packet in OPERATORS}
    unclassified = {
        operator.overloadpacket.__name__
        for operator in dispatched()
        if element_kind(operator) is None
        and not {*variants(operator.overloadpacket.__name__)[:2]} & (ruled | OPEN)
        and operator.name().split(".")[0] not in QUANTISED
    }
    assert unclassified == set()


def test_no_name_stands_in_two_tables_or_for_nothing():
    ruled = {packet.__name__ for packet in OPERATORS}
    assert not ruled & OPEN
    assert not ruled & set(KINDS)
    assert not OPEN & set(KINDS)
    assert not [name for name in OPEN if not hasattr(torch.ops.aten, name)]


def samples(part):
    for info in op_db[part::PARTS]:
        if torch.float32 not in info.supported_dtypes("cpu"):
            continue
        given = info.sample_inputs_func(info, "cpu", torch.float32, False)
        for number, sample in zip(range(SAMPLES), given, strict=False):
            yield f"{info.name}-{info.variant_test_name}-{number}", info, sample


def with_values(function):
    """The same function, which looks at a value first."""

    def call(*args, **kwargs):
        torch.zeros(1).item()
        return function(*args, **kwargs)

    return call


def changed(sample, how):
    """A sample with other types of its floating-point tensors, or ``None``."""
    given = sample.input, sample.args, sample.kwargs
    floats = [t for t in tree_leaves(given) if isinstance(t, torch.Tensor) and t.is_floating_point()]
    if not floats or (how != "integers" and len(floats) < 2):
        return None
    chosen = {"integers": floats, "first": floats[:1], "last": floats[-1:]}[how]
    dtype = torch.int64 if how == "integers" else torch.float64
    ids = {id(t) for t in chosen}
    return tree_map_only(torch.Tensor, lambda t: t.detach().to(dtype) if id(t) in ids else t, given)


def runs(function, given):
    x, args, kwargs = tree_map_only(torch.Tensor, lambda t: t.detach().clone(), given)
    try:
        with torch.no_grad():
            function(x, *args, **kwargs)
    except Exception as error:
        return "ZeroDivision" in str(error)
    return True


@pytest.mark.parametrize("part", range(PARTS))
def test_operators_count_the_same_as_shapes_and_with_values_and_not_if_they_cant_run(part):
    different, unknown, counted = [], set(), 0
    for name, info, sample in samples(part):
        given = sample.input, sample.args, sample.kwargs
        if not runs(info.op, given):
            continue  # of another device
        shapes = count_macs(info.op, (sample.input, *sample.args), sample.kwargs)
        values = count_macs(with_values(info.op), (sample.input, *sample.args), sample.kwargs)
        counted += 1
        unknown |= {operator.split(".")[1] for operator in shapes.unknown if operator.startswith("aten.")}
        if (shapes.exact, shapes.unknown) != (values.exact, values.unknown):
            different.append((name, shapes.by_operator, values.by_operator))
        for how in ("integers", "first", "last"):
            other = changed(sample, how) if name.endswith("-0") and shapes.complete else None
            if other is None or info.name in NOT_OF_TYPES or runs(info.op, other):
                continue
            try:
                count_macs(info.op, (other[0], *other[1]), other[2])
            except Exception:
                continue
            different.append((name, how))
    assert counted > 100
    assert different == []
    assert unknown <= OPEN


def modules():
    for info in module_db:
        inputs = info.module_inputs_func(info, "cpu", torch.float32, requires_grad=False, training=False)
        for given in inputs[:SAMPLES]:
            made, call = given.constructor_input, given.forward_input
            yield info.name, info.module_cls(*made.args, **made.kwargs), call.args, call.kwargs


def test_modules_of_torch_have_no_unknown_operator_and_count_the_same():
    different = []
    for name, module, args, kwargs in modules():
        if "FractionalMaxPool" in name:
            continue  # its samples are of another type than its input
        shapes = count_macs(module, args, kwargs, strict=True)
        values = count_macs(with_values(module), args, kwargs, strict=True)
        layers = sum(layer.exact for layer in shapes.layers())
        if not shapes.exact == values.exact == layers:
            different.append((name, shapes.exact, values.exact, layers))
    assert different == []
