"""The kernel of the backend ``triton``, run by Triton's interpreter on a CPU."""

import sys
from importlib import import_module

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F

import effbench
from effbench.infer.backends.backend import BackendUnavailable, Placement
from effbench.infer.backends.eager import arranged
from effbench.infer.backends.triton_kernels import check_triton, triton_kernels
from effbench.machine.devices import Precision
from effbench.measure.logit_error import as_if_trained
from tests.infer.backends.test_optimize import CPU, features, small

triton = pytest.importorskip("triton", reason="needs triton, which torch's builds for NVIDIA GPUs bring")

MODULE = "effbench.infer.backends.depthwise"
REFERENCES = {"": lambda x: x, "relu": F.relu, "hardswish": F.hardswish}


@pytest.fixture(scope="module")
def depthwise():
    """The module of the kernel, made for the interpreter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        sys.modules.pop(MODULE, None)
        yield import_module(MODULE)
        sys.modules.pop(MODULE)


@settings(max_examples=20, deadline=None)
@given(
    batch=st.integers(1, 3),
    channels=st.sampled_from([1, 3, 72, 130]),
    size=st.tuples(st.integers(1, 12), st.integers(1, 25)),
    kernel=st.sampled_from([3, 5]),
    stride=st.sampled_from([(1, 1), (2, 1), (2, 2)]),
    bias=st.booleans(),
    activation=st.sampled_from(sorted(REFERENCES)),
    precision=st.sampled_from([torch.float32, torch.float16, torch.bfloat16]),
    channels_last=st.booleans(),
)
def test_depthwise_convolution_is_that_of_float64(
    depthwise, batch, channels, size, kernel, stride, bias, activation, precision, channels_last
):
    torch.manual_seed(channels)
    layer = nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=bias)
    x = torch.randn(batch, channels, *size, dtype=precision) * 3
    expected = REFERENCES[activation](layer.to(precision).double()(x.double()))
    if channels_last:
        x = x.to(memory_format=torch.channels_last)
    found = depthwise.DepthwiseConvolution(layer, activation, precision)(x)
    assert found.dtype == precision
    assert found.is_contiguous(memory_format=torch.channels_last)
    one_rounding = torch.finfo(precision).eps
    torch.testing.assert_close(found.double(), expected, rtol=one_rounding, atol=3e-6)


def test_what_is_no_number_stays_so(depthwise):
    layer = nn.Conv2d(2, 2, 3, padding=1, groups=2)
    x = torch.zeros(1, 2, 3, 3)
    x[0, 1, 1, 1] = torch.nan
    for activation in REFERENCES:
        found = depthwise.DepthwiseConvolution(layer, activation)(x)
        assert found[0, 1].isnan().all()
        assert found[0, 0].isfinite().all()


def test_a_detector_on_the_kernel_has_the_same_logits(depthwise):
    detector = as_if_trained(small())
    network = arranged(detector, CPU)
    assert depthwise.use_kernels(network)
    kernels = [module for module in network.modules() if isinstance(module, depthwise.DepthwiseConvolution)]
    assert [kernel.activation for kernel in kernels] == ["relu"]
    with torch.inference_mode():
        for found, wanted in zip(network(features((2, 37))), detector(features((2, 37))), strict=True):
            torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)


class Skipping(nn.Sequential):
    def forward(self, x):
        for layer in self:
            x = layer(x) + x
        return x


@pytest.mark.parametrize("container", [nn.Sequential, Skipping])
def test_layers_that_no_kernel_computes_stay(depthwise, container):
    torch.manual_seed(0)
    act = nn.ReLU()
    network = container(
        *(act, nn.Conv2d(4, 4, 3, padding=1, groups=4), act, nn.Hardswish()),
        *(nn.Conv2d(4, 4, 3, padding=1, groups=4), nn.GELU(), nn.Conv2d(4, 4, 3, padding=1, groups=2)),
        *(nn.Conv2d(4, 4, 3, padding=2, dilation=2, groups=4), nn.Conv2d(4, 4, 3, padding="same", groups=4)),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="circular", groups=4),
    )
    x = torch.randn(2, 4, 6, 7)
    with torch.inference_mode():
        expected = network(x)
        assert depthwise.use_kernels(network)
        torch.testing.assert_close(network(x), expected, atol=1e-5, rtol=1e-5)
    assert [type(layer) for layer in network].count(depthwise.DepthwiseConvolution) == 2
    assert not depthwise.use_kernels(nn.Sequential(*list(network)[-3:]))


@pytest.mark.usefixtures("depthwise")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_kernel_is_tried_out_before_it_is_used(monkeypatch, precision):
    place = Placement(torch.device("cpu"), Precision(precision))
    random = torch.get_rng_state()
    check_triton(place)
    assert torch.equal(torch.get_rng_state(), random)
    monkeypatch.setattr(F, "hardswish", F.relu)
    with pytest.raises(BackendUnavailable, match=r"on cpu are up to .* from torch's"):
        check_triton(place)


@pytest.mark.parametrize("target", [80, 90])
def test_the_kernel_compiles_for_gpus(monkeypatch, tmp_path, target):
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    kernel = import_module(MODULE)._depthwise
    types = dict.fromkeys(kernel.arg_names, "constexpr")
    types |= dict.fromkeys(kernel.arg_names[:4], "*fp16") | dict.fromkeys(kernel.arg_names[4:8], "i32")
    constants = dict(zip(kernel.arg_names[8:], (72, 3, 3, 2, 1, 1, 1, "hardswish", 1024), strict=True))
    aligned = {(index,): [["tt.divisibility", 16]] for index in range(4)}
    compiled = triton.compile(ASTSource(kernel, types, constants, aligned), GPUTarget("cuda", target, 32))
    assert "ld.global.v4" in compiled.asm["ptx"], "neighbours must be loaded eight at once"


@pytest.mark.skipif(torch.cuda.is_available(), reason="Triton finds the GPU")
def test_what_can_t_be_compiled_is_said_in_words(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    monkeypatch.delitem(sys.modules, MODULE, raising=False)
    with pytest.raises(BackendUnavailable, match=r"Triton can't compile for cpu: .*driver"):
        check_triton(CPU)


def test_without_triton_or_a_gpu_the_backend_says_so(monkeypatch):
    with pytest.raises(BackendUnavailable, match="needs an NVIDIA GPU"):
        triton_kernels(effbench.build_model("fmn01", seed=0).eval(), CPU)
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.setitem(sys.modules, "triton.errors", None)
    with pytest.raises(BackendUnavailable, match="needs the package triton"):
        check_triton(CPU)
