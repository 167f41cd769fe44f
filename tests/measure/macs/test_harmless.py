"""A count changes nothing of what it counts."""

import copy
import functools
import random
import threading
import types
import weakref
from collections import OrderedDict, defaultdict, deque

import numpy as np
import pytest
import torch
from torch import nn

import effbench
from effbench.errors import EffbenchWarning
from effbench.measure.macs import count_macs
from effbench.measure.timing import Budget
from tests.measure.macs.calls import Call


class Keeper(nn.Module):
    """Keeps whatever a module can keep, and changes all of it in each call."""

    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(3, 3)
        self.norm = nn.BatchNorm1d(3)
        self.register_buffer("calls", torch.zeros(1))
        self.plain = torch.ones(3)
        self.listed, self.named = [torch.ones(3)], {"cache": torch.ones(3), "deep": [{"x": torch.ones(3)}]}
        self.queue, self.default = deque([torch.ones(3)], maxlen=4), defaultdict(list)
        self.generator = torch.Generator().manual_seed(3)
        self.lock = threading.Lock()
        self.count = 0
        self.held = Holder(torch.ones(3))
        self.bound = self.scaled
        self.closure = lambda x: self.linear(x) + self.plain
        self.settings, self.slotted = Settings(x=torch.ones(3)), Slotted(torch.ones(3))
        self.itself = weakref.ref(self)
        self.table = np.ones(3)

    def scaled(self, x):
        self.count += 1
        return x * self.plain

    def forward(self, x):
        with self.lock:
            x = self.closure(self.bound(self.norm(x)))
        for tensor in (
            self.calls,
            self.plain,
            self.listed[0],
            self.named["cache"],
            self.named["deep"][0]["x"],
            self.settings.x,
            self.slotted.x,
        ):
            tensor.add_(1)
        self.held.tensor.mul_(2)
        self.held.seen.append(tuple(x.shape))
        self.listed.append(x)
        self.named["new"] = x
        self.queue.append(x)
        self.default["x"].append(x)
        self.table += 1
        self.itself().count += 1
        torch.rand(1, generator=self.generator, device="cpu")
        self.linear.weight.mul_(2)
        return x + torch.rand(3).to(x.device) + random.random() + np.random.rand()


class Settings(dict):
    """Items that are attributes, too, and ``None`` where there is none."""

    __getattr__ = dict.get


class Slotted:
    __slots__ = ("x",)

    def __init__(self, x):
        self.x = x


class Holder:
    def __init__(self, tensor):
        self.tensor, self.seen = tensor, []


class LooksAtValues(Keeper):
    def forward(self, x):
        out = super().forward(x)
        return out if out.sum() < 1e9 else x


def state(keeper):
    """All that the keeper keeps, as values."""

    def plain(value):
        if isinstance(value, torch.Tensor):
            return value.tolist(), str(value.device), value.requires_grad, value._version
        if isinstance(value, nn.Module):
            hooks = [list(hook) for name, hook in vars(value).items() if name.endswith("hooks")]
            return type(value).__name__, hooks, {k: plain(v) for k, v in vars(value).items()}
        if isinstance(value, (dict, OrderedDict)):
            return {key: plain(item) for key, item in value.items()}
        if isinstance(value, (list, tuple, deque)):
            return [plain(item) for item in value]
        if isinstance(value, Holder):
            return plain(vars(value))
        if isinstance(value, Slotted):
            return plain(value.x)
        if isinstance(value, torch.Generator):
            return value.get_state().tolist()
        if isinstance(value, np.ndarray):
            return value.tolist()
        return value if isinstance(value, (int, float, str, type(None))) else id(value)

    return plain(keeper)


@pytest.mark.parametrize(("kind", "device"), [(Keeper, "meta"), (LooksAtValues, "cpu")])
def test_everything_that_a_module_keeps_is_as_before(kind, device):
    keeper, x = kind().train(), torch.ones(4, 3)
    keeper.norm.eval()
    before = state(keeper)
    randoms = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    report = count_macs(keeper, x, strict=True)
    assert report.exact == 36
    assert report.device == device
    assert state(keeper) == before
    assert torch.equal(x, torch.ones(4, 3))
    assert torch.equal(torch.get_rng_state(), randoms[0])
    assert random.getstate() == randoms[1]
    assert (np.random.get_state()[1] == randoms[2]).all()


def test_a_profile_leaves_everything_as_before_too():
    keeper, x = Keeper().train(), torch.ones(1, 3)
    before, randoms = state(keeper), torch.get_rng_state()
    budget = Budget(0.0, 2, 2, 1.0, 0.0, 0.0)
    effbench.profile(keeper, inputs=x, threads=1, budget=budget)
    assert state(keeper) == before
    assert torch.equal(torch.get_rng_state(), randoms)
    assert torch.equal(x, torch.ones(1, 3))


def test_inputs_are_as_before():
    x, cache = torch.ones(2, 3), {"keys": [torch.ones(2)]}

    def forward(self, x, cache):
        cache["keys"].append(x)
        cache["keys"][0].zero_()
        return x.add_(1) if x.sum() > 0 else x

    count_macs(Call(forward), (x, cache))
    assert torch.equal(x, torch.ones(2, 3))
    assert len(cache["keys"]) == 1
    assert torch.equal(cache["keys"][0], torch.ones(2))


def test_a_fallback_starts_from_an_untouched_module_whatever_was_raised():
    class Odd(Exception):
        pass

    def forward(self, x):
        self.seen.append(1)
        if x.is_meta:
            raise Odd
        assert len(self.seen) == 1
        return self.a(x)

    net = Call(forward, a=nn.Linear(3, 4))
    net.seen = []
    report = count_macs(net, torch.zeros(2, 3), strict=True)
    assert (report.exact, report.device, net.seen) == (24, "cpu", [])


def test_what_the_call_itself_raises_comes_through_and_leaves_the_module_alone():
    net = Call(lambda s, x: s.a(x)[7], a=nn.Linear(3, 4)).train()
    with pytest.raises(IndexError):
        count_macs(net, torch.zeros(2, 3))
    assert net.training
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in net.modules())


def test_hooks_run_on_the_copy_and_stay():
    net, seen = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 5)), []
    net[0].register_forward_hook(lambda m, args, out: seen.append(out) or out[:1])
    hooks = dict(net[0]._forward_hooks)
    assert count_macs(net, torch.zeros(2, 3)).by_module[""] == 2 * 12 + 20
    assert dict(net[0]._forward_hooks) == hooks
    assert not seen


def test_old_weight_norm_and_parametrisations_count():
    with pytest.warns(FutureWarning):
        old = nn.utils.weight_norm(nn.Linear(3, 4))
    new = nn.utils.parametrizations.weight_norm(nn.Linear(3, 4))
    for net in (old, new, nn.utils.parametrizations.spectral_norm(nn.Linear(3, 4))):
        assert count_macs(net, torch.zeros(2, 3)).by_module[""] >= 24
        net(torch.zeros(2, 3))


@pytest.mark.parametrize("kind", ["wrapped", "inside", "decorated"])
def test_a_compiled_module_is_counted_and_compiles_later(kind):
    compiled = []

    def backend(graph, _):
        compiled.append(graph)
        return graph.forward

    net = nn.Sequential(nn.Linear(3, 4))
    if kind == "wrapped":
        net = torch.compile(net, backend=backend)
    elif kind == "inside":
        net = nn.Sequential(torch.compile(nn.Linear(3, 4), backend=backend))
    else:
        run = torch.compile(lambda linear, x: linear(x), backend=backend)
        net = Call(lambda s, x: run(s.a, x), a=nn.Linear(3, 4))
    assert count_macs(net, torch.zeros(2, 3), strict=True).exact == 24
    assert not compiled
    net(torch.zeros(2, 3))
    assert compiled


def test_a_lazy_module_stays_lazy():
    lazy = nn.Sequential(nn.LazyLinear(4))
    report = count_macs(lazy, torch.zeros(2, 3), strict=True)
    assert (report.exact, report.modules[0].parameters) == (24, 16)
    assert isinstance(lazy[0], nn.LazyLinear)
    assert lazy[0].has_uninitialized_params()


def test_a_lazy_module_has_parameters_in_its_profile_and_stays_lazy():
    lazy, budget = nn.Sequential(nn.LazyLinear(4)), Budget(0.0, 2, 2, 1.0, 0.0, 0.0)
    profile = effbench.profile(lazy, inputs=torch.zeros(2, 3), threads=1, budget=budget)
    assert (profile.complexity.parameters.total, profile.complexity.macs.exact) == (16, 24)
    assert lazy[0].has_uninitialized_params()


def test_a_count_is_as_good_as_one_of_a_copy():
    keeper = Keeper()
    twin = copy.deepcopy(keeper.linear)
    count_macs(keeper, torch.ones(4, 3))
    assert torch.equal(keeper.linear.weight, twin.weight)


def normalised():
    return nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3)).train()


reached = normalised()
reached_in = types.SimpleNamespace(model=reached)


def reaches(x):
    return reached(x)


class Peer(nn.Module):
    def __init__(self, peer):
        super().__init__()
        self.peer = weakref.ref(peer)

    def forward(self, x):
        return self.peer()(x)


@pytest.mark.parametrize(
    "call",
    [
        lambda x: reaches(x),
        lambda x: reached_in.model(x),
        lambda x, model=reached: model(x),
        Call(lambda s, x: reaches(x)),
        Peer(reached),
        Call(lambda s, x: float(x.sum()) and reaches(x)),
    ],
)
def test_modules_that_a_call_reaches_by_other_ways_stay_as_they_are(call):
    before = copy.deepcopy(reached.state_dict())
    parts = dict(vars(reached[1]))
    report = count_macs(call, torch.ones(2, 3), strict=True)
    assert report.exact == sum(layer.exact for layer in report.layers()) == 18
    assert all(torch.equal(value, before[name]) for name, value in reached.state_dict().items())
    assert vars(reached[1]) == parts
    assert reached[1].training


def test_a_module_among_the_arguments_stays_as_it_is():
    model = normalised()
    assert count_macs(lambda m, x: m(x), (model, torch.ones(2, 3)), strict=True).exact == 18
    assert int(model[1].num_batches_tracked) == 0
    assert model.training


def test_a_wrapper_of_a_compiled_module_is_counted_whole():
    class Forwards(nn.Module):
        def __init__(self, model):
            super().__init__()
            self.model, self.head = model, nn.Linear(3, 4)

        def __getattr__(self, name):
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(self.model, name)

        def forward(self, x):
            return self.head(self.model(x))

    net = Forwards(torch.compile(nn.Linear(3, 3), backend="eager"))
    assert count_macs(net, torch.ones(2, 3), strict=True).exact == 18 + 24


def test_attributes_of_tensors_of_other_classes_are_copied():
    class Scaled(nn.Parameter):
        pass

    net = nn.Linear(3, 3)
    net.weight = Scaled(torch.ones(3, 3))
    net.weight.scale = torch.ones(1)
    call = Call(lambda s, x: s.net(x) * s.net.weight.scale.add_(1), net=net)
    report = count_macs(call, torch.ones(2, 3), strict=True)
    assert (report.exact, report.device, float(net.weight.scale)) == (18, "meta", 1.0)


@functools.lru_cache
def window(n):
    return torch.hann_window(n)


windows = {}


def from_windows(x):
    if 3 not in windows:
        windows[3] = torch.ones(3), torch.zeros(3)
    return x @ windows[3][0].to(x.device)


class OfItsClass(nn.Module):
    made, variable = {}, None

    def forward(self, x):
        return x @ self.made.setdefault(3, torch.ones(3)).to(x.device)


class Sets(OfItsClass):
    def forward(self, x):
        Sets.variable = torch.ones(3) if Sets.variable is None else Sets.variable
        return x @ Sets.variable.to(x.device)


@pytest.mark.parametrize("call", [lambda x: x @ window(3).to(x.device), from_windows, OfItsClass()])
def test_caches_outside_of_a_module_keep_nothing_without_values(call):
    assert count_macs(call, torch.ones(2, 3), strict=True).exact == 6
    assert call(torch.ones(2, 3)).device.type == "cpu"


class Unique:
    """Can't be copied."""

    def __init__(self):
        self.variable = None

    def __reduce__(self):
        raise TypeError

    def __call__(self, x):
        self.variable = torch.ones(3)
        return x @ self.variable


@pytest.mark.parametrize("call", [Sets(), Unique()])
def test_a_variable_that_a_call_leaves_without_values_is_named(call):
    with pytest.warns(EffbenchWarning, match="replaced variable by a tensor without values") as warned:
        count_macs(call, torch.ones(2, 3))
    assert warned[0].filename == __file__


def test_weak_dictionaries_lead_to_the_copies():
    linear = normalised()
    net = Call(lambda s, x: s.by_name["a"](x) * s.scales[s.linear], linear=linear)
    net.scales, net.by_name = weakref.WeakKeyDictionary(), weakref.WeakValueDictionary(a=linear)
    net.scales[linear] = 2
    assert count_macs(net, torch.ones(2, 3), strict=True).by_module == {
        "": 18,
        "linear": 18,
        "linear.0": 18,
        "linear.1": 0,
    }


def test_deeply_nested_modules_count():
    net = nn.Linear(3, 3)
    for _ in range(200):
        net = nn.Sequential(net)
    assert count_macs(net, torch.ones(2, 3), strict=True).exact == 18
