"""The conditions of a measurement: what a time or a size depends on, apart from the model and the batch."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field

import torch

from effbench.errors import DeviceError, UsageError, nearest
from effbench.grid import CLIP_SECONDS
from effbench.infer.backends.known import COMPILED, EAGER, find_backend
from effbench.machine.devices import resolve_device, resolve_precision
from effbench.machine.environment import device_name
from effbench.models.sequence.mamba import KERNELS

PARTS = ("network", "frontend", "both")

TORCH_KERNELS = "torch"  # the default, which stored conditions do not name
_WORDS = {"network": "network", "frontend": "front-end", "both": "front-end and network"}


@dataclass(frozen=True)
class Conditions:
    """What a measurement depends on besides model and batch size; completed and checked when it is made.

    Attributes:
        device: ``cpu`` or ``cuda:0``; ``cuda`` and ``auto`` become the device that they mean here.
        precision: of the network's arithmetic, fp32, tf32, bf16 or fp16; the front-end computes in float32
            always.
        part: ``network`` (features to logits), ``frontend`` (waveform to features) or ``both``.
        backend: what runs the network, a name of ``BACKENDS`` or the path of an exported file; a front-end is
            compiled or not.
        threads: of torch on the CPU; as they are set by default.
        clip_seconds: length of a clip.
        kernels: what computes the scan of Mamba2 layers, ``torch`` or ``mamba-ssm``.

    Raises:
        DeviceError: a device or precision that this machine does not offer, or kernels that need another.
        UsageError: an unknown part, unknown or missing kernels, an impossible number of threads or length.
    """

    device: str = "cpu"
    precision: str = "fp32"
    part: str = "network"
    backend: str = EAGER
    threads: int = field(default_factory=torch.get_num_threads)
    clip_seconds: float = CLIP_SECONDS
    kernels: str = TORCH_KERNELS

    def __post_init__(self) -> None:
        for what, name, known in (("part", self.part, PARTS), ("kernels", self.kernels, tuple(KERNELS))):
            if name not in known:
                raise UsageError(f"unknown {what} '{name}'{nearest(name, known)}\nKnown: {', '.join(known)}.")
        if self.threads < 1:
            raise UsageError(f"torch needs one thread at least, not {self.threads}")
        if not 0 < self.clip_seconds < 86_400:
            raise UsageError(
                f"a clip lasts more than 0 seconds and less than a day, not {self.clip_seconds:g}"
            )
        device = resolve_device(self.device)
        precision = resolve_precision(self.precision, device)
        if self.kernels != TORCH_KERNELS and device.type != "cuda":
            raise DeviceError(f"the kernels {self.kernels} need a CUDA device, not '{device}'")
        KERNELS[self.kernels]()  # refuses a package that can't be imported
        object.__setattr__(self, "device", str(device))
        object.__setattr__(self, "precision", precision.value)
        find_backend(self.backend)
        if self.part == "frontend":
            object.__setattr__(self, "precision", "fp32")
            object.__setattr__(self, "kernels", TORCH_KERNELS)
            object.__setattr__(self, "backend", COMPILED if self.compiled else EAGER)

    @property
    def compiled(self) -> bool:
        """Whether ``torch.compile`` is used, which stored conditions say in these words."""
        return self.backend == COMPILED

    @property
    def torch_device(self) -> torch.device:
        """The device, as torch knows it."""
        return torch.device(self.device)

    @property
    def device_name(self) -> str:
        """Model name of the processor or GPU."""
        return device_name(self.device)

    def __str__(self) -> str:
        where = f"{self.threads} thread{'s' * (self.threads > 1)}" if self.device == "cpu" else self.device
        length = [] if self.clip_seconds == CLIP_SECONDS else [f"{self.clip_seconds:g} s clips"]
        kernels = [f"kernels {name}" for name in self._kernels().values()]
        return ", ".join(
            [
                _WORDS[self.part],
                self.precision,
                *[self._backend_name] * (self.backend != EAGER),
                *kernels,
                where,
                *length,
            ]
        )

    def to_dict(self) -> dict[str, object]:
        values = {name: value for name, value in asdict(self).items() if name != "kernels"}
        values["backend"] = self._backend_name
        return {"device": values.pop("device"), "device_name": self.device_name, **values, **self._kernels()}

    def stored(self, batch_size: int) -> dict[str, object]:
        """The conditions of a stored measurement, whose device is a column of its own."""
        same = {name: getattr(self, name) for name in ("part", "precision", "compiled", "threads")}
        sizes = {"batch_size": batch_size, "seconds": self.clip_seconds}
        backend = {} if self.backend in (EAGER, COMPILED) else {"backend": self._backend_name}
        return {**same, **sizes, **backend, **self._kernels()}

    @property
    def _backend_name(self) -> str:
        """Of a file, with the digest of its content."""
        return find_backend(self.backend).name

    def _kernels(self) -> dict[str, str]:
        """Only kernels other than torch's: measurements without them keep their identity."""
        return {} if self.kernels == TORCH_KERNELS else {"kernels": self.kernels}
