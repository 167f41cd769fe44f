"""What is timed: one part of a detector, or any module, as a call without arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map_only, tree_unflatten

from effbench.errors import EffbenchError, UsageError
from effbench.infer.backends.backend import Placement
from effbench.infer.backends.compiled import is_compiler_error
from effbench.infer.backends.known import COMPILED, EAGER, find_backend
from effbench.machine.arithmetic import float32_arithmetic
from effbench.machine.devices import Precision
from effbench.machine.resident import settle_allocator
from effbench.measure.conditions import TORCH_KERNELS, Conditions
from effbench.measure.timing import Call, timed
from effbench.models.detector import SoundEventDetector
from effbench.models.own_code import OwnModule
from effbench.models.own_inputs import Inputs
from effbench.models.sequence.mamba import Mamba2, use_kernels

Runnable = Callable[..., object]

_DISTINCT_CLIPS = 8
_NOISE_LEVEL = 0.1


class InPrecision(nn.Module):
    """A module that computes in one precision, by autocast on a kind of device, whatever is set around it.

    Casts of weights to a lower precision belong to every call, as with ``torch.autocast`` around a single
    forward pass.
    """

    def __init__(self, module: nn.Module, kind: str, dtype: torch.dtype) -> None:
        super().__init__()
        self.module, self.kind, self.dtype = module, kind, dtype

    def forward(self, *inputs: object) -> object:
        with torch.autocast(self.kind, dtype=self.dtype, enabled=self.dtype != torch.float32):
            return self.module(*inputs)


class InFloat32(nn.Module):
    """A module that computes in float32 where what is around it computes in TF32."""

    def __init__(self, module: Runnable) -> None:
        super().__init__()
        self.run = module

    def forward(self, *inputs: object) -> object:
        with float32_arithmetic():
            return self.run(*inputs)


class OnInputs(nn.Module):
    """A module with the inputs of one clip, to be timed as a detector's network is.

    Whatever the inputs are, their leaves are the positional arguments.
    """

    def __init__(self, module: nn.Module, inputs: Inputs) -> None:
        super().__init__()
        self.module = module
        self.leaves, self.structure = tree_flatten(inputs)

    def forward(self, *leaves: object) -> object:
        inputs = tree_unflatten(leaves, self.structure)
        if isinstance(inputs, Mapping):
            return self.module(**inputs)
        return self.module(inputs) if isinstance(inputs, Tensor) else self.module(*inputs)

    def batch(self, size: int) -> list[object]:
        """Leaves of a batch: tensors whose first dimension is 1 are repeated along it."""
        return [
            leaf.repeat(size, *([1] * (leaf.dim() - 1)))
            if isinstance(leaf, Tensor) and leaf.dim() and len(leaf) == 1
            else leaf
            for leaf in self.leaves
        ]


#: What is timed: any module with the contract of a detector, or another with its inputs.
Timeable = SoundEventDetector | OnInputs


def timeable(own: OwnModule) -> Timeable:
    """A model of one's own, to be timed."""
    if isinstance(own.module, SoundEventDetector):
        return own.module
    assert own.inputs is not None
    return OnInputs(own.module, own.inputs)


def detector_part(detector: SoundEventDetector, conditions: Conditions) -> Runnable:
    """The part of a detector that is timed, to be called inside ``prepared``.

    Shape:
        network: (batch, 1, mels, feature frames) -> predictions
        frontend: (batch, samples) -> (batch, 1, mels, feature frames)
        both: (batch, samples) -> predictions
    """
    frontend = _runnable(detector.frontend, conditions, torch.float32)
    if conditions.precision == Precision.tf32:
        frontend = InFloat32(frontend)
    place = Placement(conditions.torch_device, Precision(conditions.precision))
    if conditions.compiled:
        torch.compiler.reset()
    network = find_backend(conditions.backend).make(detector, place)

    def both(waveform: Tensor) -> object:
        features = frontend(waveform)
        assert isinstance(features, Tensor)
        return network(features)

    parts: dict[str, Runnable] = {"network": network, "frontend": frontend, "both": both}
    return parts[conditions.part]


def make_inputs(detector: Timeable, conditions: Conditions, batch_size: int) -> Inputs:
    """A batch on the device: seeded noise, or its features for the network; or of the inputs given.

    Shape:
        (batch, samples), or (batch, 1, mels, feature frames) for the part ``network``
    """
    if isinstance(detector, OnInputs):
        device = conditions.torch_device
        return tree_map_only(Tensor, lambda tensor: tensor.to(device), detector.batch(batch_size))
    samples = max(1, round(conditions.clip_seconds * detector.sample_rate))
    generator = torch.Generator().manual_seed(0)
    distinct = min(batch_size, _DISTINCT_CLIPS)
    x = (_NOISE_LEVEL * torch.randn(distinct, samples, generator=generator)).to(conditions.torch_device)
    if conditions.part == "network":
        with float32_arithmetic():
            x = detector.frontend(x).contiguous()
    copies = -(-batch_size // distinct)
    return x.repeat(copies, *([1] * (x.dim() - 1)))[:batch_size].contiguous()


def make_call(detector: Timeable, conditions: Conditions, batch_size: int) -> tuple[Call, float | None]:
    """The call of a part that is timed, and the seconds of its first run where it is compiled.

    Use inside ``prepared``. Raises ``EffbenchError`` where ``torch.compile`` fails.
    """
    return part_call(detector, make_inputs(detector, conditions, batch_size), conditions)


def part_call(detector: Timeable, inputs: Inputs, conditions: Conditions) -> tuple[Call, float | None]:
    """As ``make_call``, on inputs of ``make_inputs``."""
    if isinstance(detector, OnInputs):
        return module_call(detector, inputs, conditions)
    return _call(detector_part(detector, conditions), (inputs,), conditions)


def module_call(module: nn.Module, inputs: Inputs, conditions: Conditions) -> tuple[Call, float | None]:
    """As ``make_call``, of any module on the inputs of one call."""
    device = conditions.torch_device
    if conditions.backend not in (EAGER, COMPILED):
        raise UsageError(
            f"the backend {conditions.backend} runs detectors; for other modules there are {EAGER}"
            f" and {COMPILED}"
        )
    if isinstance(inputs, Mapping):
        module = OnInputs(module, inputs)
        inputs = module.leaves
    arguments = (inputs,) if isinstance(inputs, Tensor) else tuple(inputs)
    arguments = tree_map_only(Tensor, lambda tensor: tensor.to(device), arguments)
    return _call(_runnable(module, conditions), arguments, conditions)


def clips_of(inputs: Inputs) -> int:
    """Number of clips in the inputs of a call: the first dimension of the first tensor; or ``UsageError``."""
    first = next((leaf for leaf in tree_leaves(inputs) if isinstance(leaf, Tensor)), None)
    if first is None or not first.ndim or not len(first):
        raise UsageError("the inputs of a module hold a tensor whose first dimension counts clips")
    return len(first)


def _runnable(module: nn.Module, conditions: Conditions, dtype: torch.dtype | None = None) -> Runnable:
    """A module in the precision of the conditions, or another, and compiled where they say so."""
    dtype = Precision(conditions.precision).dtype if dtype is None else dtype
    exact = InPrecision(module, conditions.torch_device.type, dtype)
    if not conditions.compiled:
        return exact
    # Anew for each batch size: after a few shapes of one function, torch falls back to eager in silence.
    torch.compiler.reset()
    compiled: Runnable = torch.compile(exact, dynamic=False)
    return compiled


def _call(run: Runnable, inputs: Sequence[object], conditions: Conditions) -> tuple[Call, float | None]:
    def call() -> object:
        return run(*inputs)

    if conditions.backend == EAGER:
        return call, None
    try:
        seconds = timed(call, conditions.torch_device)
    except Exception as error:
        if not is_compiler_error(error) or is_out_of_memory(error):
            raise
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise EffbenchError(f"torch.compile failed for the {conditions.part}: {reason}") from error
    return call, seconds


@contextmanager
def prepared(module: nn.Module, conditions: Conditions) -> Iterator[None]:
    """Puts a module on the device in eval and inference mode, and float32 to what the precision says.

    Modes, device, kernels and torch's settings are restored after. The C library's allocator is
    settled, so that times do not depend on what the process did before. Raises as ``running_on``.
    """
    tensor = next(chain(module.parameters(), module.buffers()), None)
    modes = [(child, child.training) for child in module.modules()]
    threads = torch.get_num_threads()
    try:
        module.to(conditions.torch_device).eval()
        torch.set_num_threads(conditions.threads)
        settle_allocator()
        with (
            torch.inference_mode(),
            float32_arithmetic(conditions.precision),
            running_on(module, conditions.kernels),
        ):
            yield
    finally:
        torch.set_num_threads(threads)
        for child, training in modes:
            child.training = training
        if tensor is not None:
            module.to(tensor.device)
        if conditions.compiled:
            torch.compiler.reset()


@contextmanager
def running_on(module: nn.Module, kernels: str) -> Iterator[None]:
    """Lets the Mamba2 layers of a module run on kernels of this name inside.

    Raises:
        UsageError: other kernels than torch's without Mamba2 layers, or missing kernels.
    """
    scans = [(layer, layer.scan) for layer in module.modules() if isinstance(layer, Mamba2)]
    if not scans and kernels != TORCH_KERNELS:
        raise UsageError(f"the kernels {kernels} are for Mamba2 layers, of which the model has none")
    try:
        use_kernels(module, kernels)
        yield
    finally:
        for layer, scan in scans:
            layer.scan = scan


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device's memory was not enough."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    signs = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
    return isinstance(error, RuntimeError) and any(sign in text for sign in signs)
