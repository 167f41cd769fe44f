"""Never silently wrong: what can't be counted says so, and what hides from a counter is found."""

import io
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from effbench.errors import EffbenchWarning, UncountedOperator
from effbench.measure.macs import count_macs
from effbench.shown import show
from tests.measure.macs.calls import Call, exact

zeros = torch.zeros
BATCH_HEADS = 2 * 4


def test_vmap_counts_the_batch_that_it_hides():
    assert exact(Call(lambda s, x: torch.vmap(s.a)(x), a=nn.Linear(3, 4)), zeros(6, 3)) == 72
    assert exact(lambda x: torch.vmap(lambda v: v @ zeros(3, 4))(x), zeros(3, 2, 3)) == 72
    attend = torch.vmap(lambda v: F.scaled_dot_product_attention(v, v, v))
    assert exact(attend, zeros(3, 2, 4, 5, 8)) == 3 * 2 * 4 * 5 * 5 * 16


@pytest.mark.parametrize("heads", [(1, 1), (2, 1), (1, 4)])
@pytest.mark.parametrize("expanded", [True, False])
def test_attention_counts_queries_that_are_broadcast(heads, expanded):
    q, k = zeros(*heads, 30, 16), zeros(2, 4, 50, 16)
    q = q.expand(2, 4, 30, 16) if expanded else q
    assert exact(F.scaled_dot_product_attention, q, k, k) == BATCH_HEADS * 30 * 50 * 32


def test_attention_with_fewer_keys_than_queries_counts_every_query():
    def attend(q, k):
        return F.scaled_dot_product_attention(q, k, k, enable_gqa=True)

    assert exact(attend, zeros(2, 4, 30, 16), zeros(2, 2, 50, 16)) == BATCH_HEADS * 30 * 50 * 32


def test_linear_with_a_vector_for_its_weight():
    assert exact(F.linear, zeros(2, 4, 3), zeros(3)) == 24


def in_a_thread(function, *arguments):
    results = []
    thread = threading.Thread(target=lambda: results.append(function(*arguments)))
    thread.start()
    thread.join()
    return results[0] if results else None


def in_a_pool(function, x):
    with ThreadPoolExecutor(2) as pool:
        results = list(pool.map(function, [x, x]))
    return results[0]


@pytest.mark.parametrize(
    ("forward", "macs"),
    [
        (lambda s, x: in_a_thread(s.a, x), 24),
        (lambda s, x: in_a_thread(torch.mm, x, x.T), 12),
        (lambda s, x: in_a_pool(s.a, x), 48),
    ],
)
def test_work_in_other_threads_counts(forward, macs):
    report = count_macs(Call(forward, a=nn.Linear(3, 4)), zeros(2, 3), strict=True)
    assert report.exact == macs
    assert sum(layer.exact for layer in report.layers()) == macs


def test_work_in_a_pool_that_was_there_before_counts_and_leaves_its_threads_alone():
    with ThreadPoolExecutor(1) as pool, ThreadPool(1) as other:
        pool.submit(abs, 1).result()
        assert exact(Call(lambda s, x: pool.submit(torch.mm, x, x.T).result()), zeros(2, 3)) == 12
        assert exact(Call(lambda s, x: other.apply(s.a, (x,)), a=nn.Linear(3, 4)), zeros(2, 3)) == 24
        assert pool.submit(torch.is_grad_enabled).result()
        assert pool.submit(lambda: torch.overrides._len_torch_function_stack()).result() == 0


@pytest.mark.parametrize("layout", [torch.sparse_coo, torch.sparse_csr, torch.sparse_csc])
@pytest.mark.filterwarnings("ignore:Sparse")
def test_sparse_operands_count_what_they_store(layout):
    sparse = torch.eye(4).to_sparse(layout=layout)
    assert exact(torch.mm, sparse, zeros(4, 5)) == 4 * 5
    assert exact(lambda a, b: torch.mm(a.to_sparse(layout=layout), b), torch.eye(4), zeros(4, 5)) == 4 * 5
    assert exact(lambda a, b: torch.addmm(zeros(5), a, b), sparse, zeros(4, 5)) == 4 * 5


@pytest.mark.filterwarnings("ignore:Sparse")
def test_sparse_weights_count_what_they_store():
    linear = nn.Linear(4, 4)
    linear.weight = nn.Parameter(torch.eye(4).to_sparse_csr(), requires_grad=False)
    assert exact(linear, zeros(5, 4)) == 5 * 4


def test_a_product_of_two_sparse_operands_is_unknown():
    sparse = torch.eye(4).to_sparse()
    with pytest.raises(UncountedOperator, match=r"aten\.mm"):
        exact(torch.mm, sparse, sparse)


def test_a_module_of_two_parents_counts_where_it_runs():
    shared = nn.Linear(4, 4)
    a, b = Call(lambda s, x: s.m(x), m=shared), Call(lambda s, x: s.m(s.m(x)), m=shared)
    report = count_macs(Call(lambda s, x: s.b(s.a(x)), a=a, b=b), zeros(2, 4), strict=True)
    assert (report.by_module[""], report.by_module["a"], report.by_module["b"]) == (96, 32, 64)
    layers = {layer.name: layer for layer in report.layers()}
    assert {name: layer.exact for name, layer in layers.items()} == {"a.m": 96}
    assert sum(layer.parameters for layer in layers.values()) == report.modules[0].parameters == 20


def test_a_parameter_of_two_modules_counts_once():
    net = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    net[1].weight = net[0].weight
    report = count_macs(net, zeros(1, 4))
    assert [layer.parameters for layer in report.layers()] == [20, 4]
    assert report.modules[0].parameters == 24


def test_a_child_whose_exception_is_caught_counts_what_it_did():
    def boom(self, x):
        self.a(x)
        raise ValueError

    def forward(self, x):
        try:
            self.boom(x)
        except ValueError:
            return self.b(x)

    net = Call(forward, boom=Call(boom, a=nn.Linear(3, 4)), b=nn.Linear(3, 5))
    report = count_macs(net, zeros(2, 3), strict=True)
    assert report.by_module == {"": 54, "boom": 24, "boom.a": 24, "b": 30}
    assert {layer.name: layer.exact for layer in report.layers()} == {"boom.a": 24, "b": 30}


@pytest.mark.parametrize(
    ("module", "x"),
    [
        (nn.Sequential(nn.Conv1d(3, 4, 1), nn.BatchNorm1d(5)), zeros(1, 3, 8)),
        (nn.BatchNorm1d(3), zeros(2, 3, 5, dtype=torch.float64)),
        (nn.LayerNorm(3), zeros(2, 3, dtype=torch.float64)),
        (nn.Linear(3, 4), zeros(2, 3, dtype=torch.float64)),
        (nn.Linear(3, 4), zeros(2, 3, dtype=torch.int64)),
        (nn.Conv1d(3, 4, 1), zeros(2, 3, 5, dtype=torch.float64)),
        (nn.GRU(3, 4), zeros(5, 1, 4)),
        (nn.GRU(3, 4), zeros(5, 1, 3, dtype=torch.float64)),
        (nn.Hardswish(), zeros(3, dtype=torch.int64)),
        (nn.Softmax(0), zeros(3, dtype=torch.int64)),
        (nn.Linear(3, 4, device="meta"), zeros(2, 3, dtype=torch.float64)),
        (nn.Sequential(nn.BatchNorm1d(3, device="meta")), zeros(2, 3, 4, dtype=torch.float64)),
    ],
)
def test_a_module_that_cant_run_gets_no_count(module, x):
    with pytest.raises((RuntimeError, ValueError)):
        count_macs(module, x)


def test_a_histogram_of_integers_runs_on_some_devices():
    with torch.device("meta"):
        router = Call(lambda s, x: torch.histc(s.a(x).argmax(-1).int(), 4, 0, 3), a=nn.Linear(3, 4))
        assert exact(router, zeros(6, 3)) == 72


def test_half_precision_with_normalisation_in_float32_runs():
    norm = nn.BatchNorm1d(3, device="meta")
    assert count_macs(norm, zeros(2, 3, 4, dtype=torch.float16), strict=True).exact == 0


def unknown():
    return Call(
        lambda s, x: s.a(s.inner(x)),
        a=nn.Linear(3, 4),
        inner=Call(lambda s, x: torch.linalg.matrix_exp(torch.linalg.matrix_exp(x))),
    )


def test_an_unknown_operator_makes_every_form_incomplete_every_time():
    for _ in range(2):
        with pytest.warns(EffbenchWarning, match="linalg_matrix_exp"):
            report = count_macs(unknown(), zeros(3, 3))
    assert not report.complete
    assert report.unknown == {"aten.linalg_matrix_exp.default": 2}
    printed = io.StringIO()
    show(report.sections(), printed)
    forms = (
        str(report),
        printed.getvalue(),
        report._repr_html_(),
        report.to_frame().to_csv(),
        json.dumps(report.to_dict()),
    )
    assert all("linalg_matrix_exp" in form for form in forms)
    assert "at least" in str(report)
    assert "≥" in printed.getvalue()
    assert report.to_dict()["complete"] is False
    where = {module.name: dict(module.unknown) for module in report.modules if module.unknown}
    assert where == {"inner": {"aten.linalg_matrix_exp.default": 2}}
    rows = {row["name"]: row["unknown"] for row in report.rows()}
    assert rows["a"] is None
    assert rows[""] == rows["inner"] == "aten.linalg_matrix_exp.default (x2)"


def test_an_unknown_operator_is_an_error_in_strict_mode():
    with pytest.raises(UncountedOperator, match="linalg_matrix_exp"):
        count_macs(unknown(), zeros(3, 3), strict=True)


def looks_in_a_thread(self, x):
    in_a_thread(lambda: self.a(x) if float(x.sum()) < 1 else x)
    return x


def catches_what_shapes_raise(self, x):
    try:
        return self.a(x) if float(x.sum()) < 1 else x
    except RuntimeError:
        return x


def catches_what_functions_raise(self, x):
    try:
        return self.a(x) if x.numpy().sum() < 1 else x
    except TypeError:
        return x


@pytest.mark.parametrize(
    "forward", [looks_in_a_thread, catches_what_shapes_raise, catches_what_functions_raise]
)
def test_what_only_shapes_raise_is_never_the_way_that_is_counted(forward, capfd):
    report = count_macs(Call(forward, a=nn.Linear(3, 4)), zeros(2, 3), strict=True)
    assert (report.exact, report.device) == (24, "cpu")
    assert capfd.readouterr() == ("", "")


def test_an_operator_of_somebody_is_unknown_whatever_its_name():
    with torch.library._scoped_library("effbenchtests", "DEF") as library:
        library.define("sum(Tensor x) -> Tensor")
        library.impl("sum", lambda x: x @ x, "CompositeExplicitAutograd")
        with pytest.warns(EffbenchWarning, match=r"effbenchtests\.sum"):
            report = count_macs(lambda x: torch.ops.effbenchtests.sum(x), zeros(3, 3))
        assert not report.complete


def test_a_generator_is_run_to_its_end_and_a_coroutine_is_refused():
    linear = nn.Linear(3, 3)

    def stream(x):
        for _ in range(4):
            x = linear(x)
            yield x

    async def later(x):
        return linear(x)

    assert exact(stream, zeros(2, 3)) == 4 * 18
    with pytest.raises(UncountedOperator, match="coroutine"):
        exact(later, zeros(2, 3))


def test_gradients_inside_of_a_call_count_whatever_they_pass():
    def forces(self, x):
        with torch.enable_grad():
            x = x.detach().requires_grad_()
            return torch.autograd.grad((x.sum() + self.net(x)[0].sum()), x)[0]

    gru = Call(forces, net=nn.GRU(3, 4))
    forward = 5 * 3 * (3 * 4 + 4 * 4)
    initial = 3 * 4 * 4  # no gradient of the state before the first step
    assert exact(gru, zeros(5, 1, 3)) in (2 * forward, 2 * forward - initial)
    parts = nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Hardswish(), nn.Linear(4, 5)
    assert exact(Call(forces, net=nn.Sequential(*parts)), zeros(2, 3)) == 2 * (24 + 40)


def test_shapes_that_a_call_finds_out_itself_count_nothing():
    from torch._subclasses.fake_tensor import FakeTensorMode

    def finds_out(x):
        with FakeTensorMode(allow_non_fake_inputs=True):
            zeros(2, 3) @ zeros(3, 4)
        return x @ x.T

    assert exact(finds_out, zeros(2, 3)) == 12


def test_complex_outputs_can_be_trained():
    report = count_macs(nn.Linear(3, 4, dtype=torch.cfloat), zeros(2, 3, dtype=torch.cfloat), training=True)
    assert (report.exact, report.training) == (24, 48)
