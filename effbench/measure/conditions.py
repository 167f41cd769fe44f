"""What is timed: one part of a detector, in one setting, as a call without arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from effbench.errors import EffbenchError, UsageError, nearest
from effbench.grid import CLIP_SECONDS
from effbench.machine.devices import resolve_device, resolve_precision
from effbench.machine.environment import device_name
from effbench.machine.resident import settle_allocator
from effbench.measure.timing import Call, timed

if TYPE_CHECKING:
    from effbench.models.detector import SoundEventDetector

PARTS = ("network", "frontend", "both")

_DISTINCT_CLIPS = 8
_NOISE_LEVEL = 0.1


@dataclass(frozen=True)
class Setting:
    """The conditions that a time or a size depends on, apart from the model and the batch size.

    Attributes:
        device: ``cpu`` or ``cuda:0``.
        device_name: model name of the processor or GPU.
        precision: of the network's arithmetic; the front-end computes in float32 always.
        part: ``network`` (features to logits), ``frontend`` (waveform to features) or ``both``.
        compiled: whether ``torch.compile`` was used.
        threads: of torch on the CPU.
        clip_seconds: length of a clip.
    """

    device: str
    device_name: str
    precision: str
    part: str
    compiled: bool
    threads: int
    clip_seconds: float

    @classmethod
    def resolve(
        cls,
        *,
        device: str | torch.device = "cpu",
        precision: str = "fp32",
        part: str = "network",
        compiled: bool = False,
        threads: int | None = None,
        clip_seconds: float = CLIP_SECONDS,
    ) -> Setting:
        """The setting asked for, completed and checked.

        Raises:
            DeviceError: the device or precision is not to be had here.
            UsageError: an unknown part, or an impossible number of threads or clip length.
        """
        if part not in PARTS:
            raise UsageError(f"unknown part '{part}'{nearest(part, PARTS)}\nKnown: {', '.join(PARTS)}.")
        if threads is not None and threads < 1:
            raise UsageError(f"torch needs one thread at least, not {threads}")
        if not 0 < clip_seconds < 86_400:
            raise UsageError(f"a clip lasts more than 0 seconds and less than a day, not {clip_seconds:g}")
        resolved = resolve_device(device)
        asked = resolve_precision(precision)
        return cls(
            device=str(resolved),
            device_name=device_name(resolved),
            precision="fp32" if part == "frontend" else asked.value,
            part=part,
            compiled=compiled,
            threads=threads or torch.get_num_threads(),
            clip_seconds=clip_seconds,
        )

    @property
    def torch_device(self) -> torch.device:
        """The device, as torch knows it."""
        return torch.device(self.device)

    def __str__(self) -> str:
        parts = {"network": [], "frontend": ["front-end"], "both": ["front-end and network"]}[self.part]
        where = f"{self.threads} thread{'s' * (self.threads > 1)}" if self.device == "cpu" else self.device
        length = [] if self.clip_seconds == 10 else [f"{self.clip_seconds:g} s clips"]
        return ", ".join([*parts, self.precision, *["compiled"] * self.compiled, where, *length])

    def conditions(self, batch_size: int) -> dict[str, Any]:
        """What a stored measurement's value depends on."""
        return {
            "part": self.part,
            "precision": self.precision,
            "batch_size": batch_size,
            "compiled": self.compiled,
            "threads": self.threads,
            "seconds": self.clip_seconds,
        }


class DetectorPart(nn.Module):
    """One part of a detector, with the precision that it runs in.

    Casts of weights to a lower precision belong to every call, as they do where ``torch.autocast`` stands
    around a single forward pass.

    Args:
        detector: the whole detector.
        setting: which part, and in what precision.

    Shape:
        network: (batch, 1, mels, feature frames) -> predictions
        frontend: (batch, samples) -> (batch, 1, mels, feature frames)
        both: (batch, samples) -> predictions
    """

    def __init__(self, detector: SoundEventDetector, setting: Setting) -> None:
        super().__init__()
        self.detector = detector
        self.has_frontend = setting.part != "network"
        self.has_network = setting.part != "frontend"
        self.kind = setting.torch_device.type
        self.dtype = resolve_precision(setting.precision).dtype

    def forward(self, x: Tensor) -> Any:
        if self.has_frontend:
            with torch.autocast(self.kind, enabled=False):
                x = self.detector.frontend(x)
        if not self.has_network:
            return x
        with torch.autocast(self.kind, dtype=self.dtype, enabled=self.dtype != torch.float32):
            return self.detector(x)


def make_inputs(detector: SoundEventDetector, setting: Setting, batch_size: int) -> Tensor:
    """A batch of seeded noise on the setting's device: waveforms, or their features for the network alone.

    Shape:
        (batch, samples), or (batch, 1, mels, feature frames) for the part ``network``
    """
    samples = max(1, round(setting.clip_seconds * detector.sample_rate))
    generator = torch.Generator().manual_seed(0)
    distinct = min(batch_size, _DISTINCT_CLIPS)
    x = (_NOISE_LEVEL * torch.randn(distinct, samples, generator=generator)).to(setting.torch_device)
    if setting.part == "network":
        x = detector.frontend(x).contiguous()
    copies = -(-batch_size // distinct)
    return x.repeat(copies, *([1] * (x.dim() - 1)))[:batch_size].contiguous()


def make_call(detector: SoundEventDetector, setting: Setting, batch_size: int) -> tuple[Call, float | None]:
    """The call to be timed, and the seconds of its first run, compilation included, where it is compiled.

    Use inside ``prepared``.

    Raises:
        EffbenchError: ``torch.compile`` failed.
    """
    part = DetectorPart(detector, setting)
    inputs = make_inputs(detector, setting, batch_size)
    if not setting.compiled:
        return lambda: part(inputs), None
    # Anew for each batch size: after a few shapes of one function, torch falls back to eager in silence.
    torch.compiler.reset()
    function: Callable[[Tensor], Any] = torch.compile(part, dynamic=False)

    def call() -> object:
        return function(inputs)

    try:
        seconds = timed(call, setting.torch_device)
    except Exception as error:
        compiler = type(error).__module__.startswith(("torch._dynamo", "torch._inductor"))
        if not compiler or is_out_of_memory(error):
            raise
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise EffbenchError(f"torch.compile failed for the {setting.part}: {reason}") from error
    return call, seconds


@contextmanager
def prepared(detector: SoundEventDetector, setting: Setting) -> Iterator[SoundEventDetector]:
    """Puts a detector on the setting's device in eval and inference mode, and puts everything back after.

    Modes, device and torch's number of threads are restored. The C library's allocator is settled, so that
    times do not depend on what the process did before.
    """
    tensor = next(chain(detector.parameters(), detector.buffers()), None)
    modes = [(module, module.training) for module in detector.modules()]
    threads = torch.get_num_threads()
    try:
        detector.to(setting.torch_device).eval()
        torch.set_num_threads(setting.threads)
        settle_allocator()
        with torch.inference_mode():
            yield detector
    finally:
        torch.set_num_threads(threads)
        for module, training in modes:
            module.training = training
        if tensor is not None:
            detector.to(tensor.device)
        if setting.compiled:
            torch.compiler.reset()


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that the device's memory was not enough."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    signs = ("out of memory", "can't allocate memory", "not enough memory", "alloc_failed")
    return isinstance(error, RuntimeError) and any(sign in text for sign in signs)
