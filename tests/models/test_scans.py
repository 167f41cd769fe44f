"""The scans against the plain recurrences, frame by frame in double precision."""

from importlib.util import find_spec

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import effbench
from effbench.errors import UsageError
from effbench.models.sequence.mamba import FusedStateSpaceScan, Mamba2, use_kernels
from effbench.models.sequence.scans import (
    GatedScan,
    StateSpaceScan,
    by_doubling,
    frame_by_frame,
    segment_sums,
)


def gated_reference(decay, value):
    state, out = torch.zeros_like(value[:, 0], dtype=torch.float64), []
    for t in range(value.shape[1]):
        state = decay[:, t].double() * state + value[:, t].double()
        out.append(state)
    return torch.stack(out, 1)


def state_space_reference(x, dt, A, B, C):
    x, dt, A, B, C = (t.double() for t in (x, dt, A, B, C))
    state, out = torch.zeros(*x.shape[:1], *x.shape[2:], B.shape[-1], dtype=torch.float64), []
    for t in range(x.shape[1]):
        gain = (dt[:, t] * A).exp()[..., None, None]
        state = gain * state + (dt[:, t, :, None] * x[:, t])[..., None] * B[:, t, None, None]
        out.append((state * C[:, t, None, None]).sum(-1))
    return torch.stack(out, 1)


def state_space_inputs(frames, seed=0, heads=3, width=4, state=5):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(2, frames, heads, width, generator=generator)
    dt = torch.rand(2, frames, heads, generator=generator)
    A = -torch.rand(heads, generator=generator) * 4
    B, C = (torch.randn(2, frames, state, generator=generator) for _ in range(2))
    return x, dt, A, B, C


def gates(frames, dim=6, batch=2, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(2, batch, frames, dim, generator=generator).unbind()


gated = pytest.mark.parametrize("scan", [by_doubling, frame_by_frame], ids=["doubling", "frame by frame"])


@gated
@pytest.mark.parametrize("frames", [1, 2, 3, 7, 64, 65, 250])
def test_gated_scan_equals_the_recurrence(scan, frames):
    decay, value = gates(frames, seed=frames)
    torch.testing.assert_close(
        scan(decay, value).double(), gated_reference(decay, value), rtol=1e-5, atol=1e-6
    )


@gated
@pytest.mark.parametrize("level", [1e-6, 0.5, 0.999, 1.0])
def test_gated_scan_is_stable_over_10_000_frames(scan, level):
    decay, value = gates(10_000, dim=2, batch=1, seed=1)
    decay = level * decay**0.1
    out = scan(decay, value)
    assert torch.isfinite(out).all()
    torch.testing.assert_close(out.double(), gated_reference(decay, value), rtol=2e-5, atol=1e-6)


@gated
@pytest.mark.parametrize("frames", [1, 2, 33])
def test_gated_scan_passes_gradients_equal_to_the_recurrences(scan, frames):
    inputs = [t.requires_grad_() for t in gates(frames)]
    weights = torch.rand(2, frames, 6, generator=torch.Generator().manual_seed(2))
    ours = torch.autograd.grad((scan(*inputs) * weights).sum(), inputs, materialize_grads=True)
    theirs = torch.autograd.grad((gated_reference(*inputs) * weights).sum(), inputs, materialize_grads=True)
    for own, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, reference, rtol=1e-4, atol=1e-5, check_dtype=False)


def test_gated_scan_is_one_operator_that_a_compiler_can_take():
    torch.library.opcheck(frame_by_frame, tuple(t.requires_grad_() for t in gates(9)))


@pytest.mark.parametrize("scan", [GatedScan(), by_doubling, StateSpaceScan()])
def test_memory_of_scans_grows_as_the_frames(scan):
    def largest(frames):
        inputs = state_space_inputs(frames) if isinstance(scan, StateSpaceScan) else gates(frames)
        with LargestTensor() as found:
            scan(*inputs)
        return found.elements

    assert largest(25_000) <= 11 * largest(2_500)


class LargestTensor(TorchDispatchMode):
    """Elements of the largest tensor that any operator gives out."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        for tensor in tree_leaves(out):
            self.elements = max(self.elements, tensor.numel() if isinstance(tensor, torch.Tensor) else 0)
        return out


@pytest.mark.parametrize("frames", [1, 5, 8, 9, 16, 17, 250])
def test_state_space_scan_equals_the_recurrence_across_chunks(frames):
    inputs = state_space_inputs(frames)
    torch.testing.assert_close(
        StateSpaceScan(chunk=8)(*inputs).double(), state_space_reference(*inputs), rtol=1e-4, atol=1e-5
    )


def test_state_space_scan_is_stable_over_10_000_frames():
    inputs = state_space_inputs(10_000, heads=1, width=2, state=2)
    out = StateSpaceScan()(*inputs)
    torch.testing.assert_close(out.double(), state_space_reference(*inputs), rtol=1e-4, atol=1e-4)


def test_scans_pass_gradients_equal_to_the_recurrences():
    inputs = [t.requires_grad_() for t in state_space_inputs(20)]
    ours = torch.autograd.grad(StateSpaceScan(chunk=8)(*inputs).sum(), inputs)
    theirs = torch.autograd.grad(state_space_reference(*inputs).sum(), inputs)
    for own, reference in zip(ours, theirs, strict=True):
        torch.testing.assert_close(own, reference, rtol=1e-3, atol=1e-4, check_dtype=False)


def test_segment_sums_by_hand():
    inf = float("inf")
    expected = torch.tensor([[0.0, -inf, -inf], [2.0, 0.0, -inf], [5.0, 3.0, 0.0]])
    assert torch.equal(segment_sums(torch.tensor([1.0, 2.0, 3.0])), expected)


def test_unknown_kernels_are_refused_with_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'mamba-ssm'"):
        use_kernels(effbench.build_model("fmn01+mamba-16"), "mamba-smm")


def test_kernels_are_chosen_for_every_mamba2_layer_and_no_other_model():
    detector = effbench.build_model("fmn01+mamba-16")
    before = [layer.scan for layer in detector.modules() if isinstance(layer, Mamba2)]
    assert use_kernels(detector, "torch") == len(before) == 2
    after = [layer.scan for layer in detector.modules() if isinstance(layer, Mamba2)]
    assert all(
        isinstance(new, StateSpaceScan) and new is not old for new, old in zip(after, before, strict=True)
    )
    assert use_kernels(effbench.build_model("fmn01+gru-8"), "mamba-ssm") == 0


@pytest.mark.skipif(find_spec("mamba_ssm") is not None, reason="mamba_ssm is installed")
def test_fused_kernels_say_what_to_install():
    detector = effbench.build_model("fmn01+mamba-16")
    with pytest.raises(UsageError, match=r"mamba_ssm can't be imported .*pip install 'effbench\[mamba\]'"):
        use_kernels(detector, "mamba-ssm")
    assert all(
        isinstance(layer.scan, StateSpaceScan) for layer in detector.modules() if isinstance(layer, Mamba2)
    )


def test_fused_kernels_refuse_a_cpu():
    pytest.importorskip("mamba_ssm")
    with pytest.raises(UsageError, match="CUDA devices alone, not on 'cpu'"):
        FusedStateSpaceScan()(*state_space_inputs(5))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("frames", [1, 64, 65, 250])
def test_fused_kernels_equal_the_recurrence(frames):
    pytest.importorskip("mamba_ssm")
    inputs = state_space_inputs(frames, heads=4, width=16, state=16)
    out = FusedStateSpaceScan()(*(tensor.cuda() for tensor in inputs)).cpu()
    torch.testing.assert_close(out.double(), state_space_reference(*inputs), rtol=1e-2, atol=1e-2)
