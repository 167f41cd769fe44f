"""The kernels of the backends ``triton`` and ``triton-blocks``, run by Triton's interpreter on a CPU."""

import sys
from copy import deepcopy
from importlib import import_module

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval

import effbench
from effbench.infer.backends.backend import BackendUnavailable, Placement
from effbench.infer.backends.eager import arranged
from effbench.infer.backends.triton_kernels import check_triton, triton_blocks, triton_kernels
from effbench.machine.devices import Precision
from effbench.measure.logit_error import as_if_trained
from effbench.models.backbones.fmn import BlockShape, InvertedResidual
from tests.infer.backends.test_optimize import CPU, features, small

triton = pytest.importorskip("triton", reason="needs triton, which torch's builds for NVIDIA GPUs bring")

MODULES = tuple(f"effbench.infer.backends.{name}" for name in ("depthwise", "pointwise", "with_kernels"))
REFERENCES = {"": lambda x: x, "relu": F.relu, "hardswish": F.hardswish}


@pytest.fixture(scope="module")
def kernels():
    """The module of networks with kernels, made for the interpreter."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRITON_INTERPRET", "1")
        for name in MODULES:
            sys.modules.pop(name, None)
        yield import_module(MODULES[-1])
        for name in MODULES:
            sys.modules.pop(name)


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
    kernels, batch, channels, size, kernel, stride, bias, activation, precision, channels_last
):
    torch.manual_seed(channels)
    layer = nn.Conv2d(channels, channels, kernel, stride, kernel // 2, groups=channels, bias=bias)
    x = torch.randn(batch, channels, *size, dtype=precision) * 3
    expected = REFERENCES[activation](layer.to(precision).double()(x.double()))
    if channels_last:
        x = x.to(memory_format=torch.channels_last)
    found = kernels.DepthwiseConvolution(layer, activation, precision)(x)
    assert found.dtype == precision
    assert found.is_contiguous(memory_format=torch.channels_last)
    one_rounding = torch.finfo(precision).eps
    torch.testing.assert_close(found.double(), expected, rtol=one_rounding, atol=3e-6)


@settings(max_examples=20, deadline=None)
@given(
    batch=st.integers(1, 3),
    inputs=st.sampled_from([1, 3, 72, 130]),
    outputs=st.sampled_from([1, 24, 130]),
    size=st.tuples(st.integers(1, 4), st.integers(1, 25)),
    bias=st.booleans(),
    scaled=st.booleans(),
    skipped=st.booleans(),
    activation=st.sampled_from(sorted(REFERENCES)),
    precision=st.sampled_from([torch.float32, torch.float16]),  # the interpreter's products can't bf16
    channels_last=st.booleans(),
)
def test_pointwise_convolution_is_that_of_float64(
    kernels, batch, inputs, outputs, size, bias, scaled, skipped, activation, precision, channels_last
):
    torch.manual_seed(inputs)
    layer = nn.Conv2d(inputs, outputs, 1, bias=bias)
    x = torch.randn(batch, inputs, *size, dtype=precision) * 3
    scale = torch.rand(batch, inputs, dtype=precision) if scaled else None
    skip = torch.randn(batch, outputs, *size, dtype=precision) if skipped else None
    # Scaled channels are rounded, as they would be in memory.
    y = x if scale is None else x * scale[:, :, None, None]
    expected = REFERENCES[activation](layer.to(precision).double()(y.double()))
    expected += 0 if skip is None else skip.double()
    if channels_last:
        x = x.to(memory_format=torch.channels_last)
    found = kernels.PointwiseConvolution(layer, activation, precision)(x, scale, skip)
    assert found.dtype == precision
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found.double(), expected, rtol=torch.finfo(precision).eps, atol=1e-5)


def test_whole_blocks_on_kernels_have_the_same_logits(kernels):
    detector = as_if_trained(small())
    network = arranged(detector, CPU)
    assert kernels.use_kernels(network, kernels.Kernels(pointwise=True))
    (block,) = (module for module in network.modules() if isinstance(module, kernels.FusedResidual))
    assert block.gate is not None
    assert not [layer for layer in block.modules() if isinstance(layer, nn.Conv2d)]
    with torch.inference_mode():
        for found, wanted in zip(network(features((2, 37))), detector(features((2, 37))), strict=True):
            torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)


def test_a_block_with_a_skip_and_one_whose_norms_stay(kernels):
    torch.manual_seed(0)
    block = InvertedResidual(16, BlockShape(3, 64, 16, True, nn.Hardswish, (1, 1)), 1.0).eval()
    x = torch.randn(2, 16, 5, 7)
    unfolded = nn.Sequential(deepcopy(block))
    with torch.inference_mode():
        expected = block(x)
        assert kernels.use_kernels(unfolded, kernels.Kernels(pointwise=True))
        torch.testing.assert_close(unfolded(x), expected, atol=1e-5, rtol=1e-5)
        assert type(unfolded[0]) is InvertedResidual
        for layers in (*block.block[:2], block.block[3]):
            layers[0], layers[1] = fuse_conv_bn_eval(layers[0], layers[1]), nn.Identity()
        fused = nn.Sequential(block)
        assert kernels.use_kernels(fused, kernels.Kernels(pointwise=True))
        assert type(fused[0]) is kernels.FusedResidual
        torch.testing.assert_close(fused(x), expected, atol=1e-5, rtol=1e-5)


def test_what_is_no_number_stays_so(kernels):
    layer = nn.Conv2d(2, 2, 3, padding=1, groups=2)
    x = torch.zeros(1, 2, 3, 3)
    x[0, 1, 1, 1] = torch.nan
    for activation in REFERENCES:
        found = kernels.DepthwiseConvolution(layer, activation)(x)
        assert found[0, 1].isnan().all()
        assert found[0, 0].isfinite().all()


def test_a_detector_on_the_kernel_has_the_same_logits(kernels):
    detector = as_if_trained(small())
    network = arranged(detector, CPU)
    assert kernels.use_kernels(network, kernels.Kernels())
    made = [module for module in network.modules() if isinstance(module, kernels.DepthwiseConvolution)]
    assert [kernel.activation for kernel in made] == ["relu"]
    with torch.inference_mode():
        for found, wanted in zip(network(features((2, 37))), detector(features((2, 37))), strict=True):
            torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)


class Skipping(nn.Sequential):
    def forward(self, x):
        for layer in self:
            x = layer(x) + x
        return x


@pytest.mark.parametrize("container", [nn.Sequential, Skipping])
def test_layers_that_no_kernel_computes_stay(kernels, container):
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
        assert kernels.use_kernels(network, kernels.Kernels())
        torch.testing.assert_close(network(x), expected, atol=1e-5, rtol=1e-5)
    assert [type(layer) for layer in network].count(kernels.DepthwiseConvolution) == 2
    assert not kernels.use_kernels(nn.Sequential(*list(network)[-3:]), kernels.Kernels())


@pytest.mark.usefixtures("kernels")
@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_the_kernel_is_tried_out_before_it_is_used(monkeypatch, precision):
    place = Placement(torch.device("cpu"), Precision(precision))
    random = torch.get_rng_state()
    check_triton(place)
    if precision != "bf16":  # whose products the interpreter gets wrong
        check_triton(place, pointwise=True)
    assert torch.equal(torch.get_rng_state(), random)
    monkeypatch.setattr(F, "hardswish", F.relu)
    with pytest.raises(BackendUnavailable, match=r"on cpu are up to .* from torch's"):
        check_triton(place)


@pytest.fixture
def compile_for(monkeypatch, tmp_path):
    """Compiles a kernel for a GPU: arguments are so many tensors, whole numbers, and constants."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)

    def compiled(target, module, name, floats, tensors, constants, **options):
        kernel = getattr(import_module(module), name)
        names = kernel.arg_names
        first = len(names) - len(constants)
        types = dict.fromkeys(names[:tensors], f"*{floats}") | dict.fromkeys(names[tensors:first], "i32")
        types |= dict.fromkeys(names[first:], "constexpr")
        aligned = {(index,): [["tt.divisibility", 16]] for index in range(tensors)}
        source = ASTSource(kernel, types, dict(zip(names[first:], constants, strict=True)), aligned)
        return triton.compile(source, GPUTarget("cuda", target, 32), options)

    return compiled


@pytest.mark.parametrize("target", [80, 90])
def test_depthwise_convolution_compiles_for_gpus(compile_for, target):
    constants = (72, 3, 3, 2, 1, 1, 1, "hardswish", 1024)
    compiled = compile_for(target, MODULES[0], "_depthwise", "fp16", 4, constants)
    assert "ld.global.v4" in compiled.asm["ptx"], "neighbours must be loaded eight at once"


@pytest.mark.parametrize("target", [80, 90])
@pytest.mark.parametrize(("floats", "block_inputs"), [("bf16", 64), ("fp16", 64), ("fp32", 32)])
def test_pointwise_convolution_compiles_for_gpus(compile_for, target, floats, block_inputs):
    constants = (960, 160, True, True, "hardswish", "tf32", 128, 128, block_inputs)
    compiled = compile_for(target, MODULES[1], "_pointwise", floats, 6, constants, num_warps=8)
    assert "mma" in compiled.asm["ptx"], "products must run on the matrix units"
    assert compiled.metadata.shared < 160 * 1024, "a multiprocessor of an A100 has no more shared memory"


@pytest.mark.skipif(torch.cuda.is_available(), reason="Triton finds the GPU")
def test_what_can_t_be_compiled_is_said_in_words(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    for name in MODULES:
        monkeypatch.delitem(sys.modules, name, raising=False)
    with pytest.raises(BackendUnavailable, match=r"Triton can't compile for cpu: .*driver"):
        check_triton(CPU)


def test_without_triton_or_a_gpu_the_backend_says_so(monkeypatch):
    for make, name in ((triton_kernels, "triton"), (triton_blocks, "triton-blocks")):
        with pytest.raises(BackendUnavailable, match=f"the backend {name} needs an NVIDIA GPU"):
            make(effbench.build_model("fmn01", seed=0).eval(), CPU)
    monkeypatch.setitem(sys.modules, "triton", None)
    monkeypatch.setitem(sys.modules, "triton.errors", None)
    with pytest.raises(BackendUnavailable, match="need the package triton"):
        check_triton(CPU)
