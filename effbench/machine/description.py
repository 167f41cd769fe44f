"""What a record tells of a machine and its software; never the names of the machine and its user.

Every attribute has a neutral default, an empty text, zero, or ``None`` for unknown, so that records of other
versions, and those that keep only a part, can be read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pydantic import TypeAdapter


@dataclass(frozen=True)
class Cpu:
    """The processor, how much of it this process may use, and what sets its clock.

    Attributes:
        stepping: family, model and stepping, e.g. ``6/143/8``.
        capabilities: instruction sets that decide how fast a network runs, by Linux' names.
        available_cores: logical cores that this process may run on.
        quota_cores: cores' worth of time that a control group allows.
        frequency_mhz: current, lowest and highest clock, where known.
        throttle_events: times that heat has slowed the processor since boot.
    """

    model: str = ""
    stepping: str = ""
    architecture: str = ""
    capabilities: tuple[str, ...] = ()
    physical_cores: int = 0
    logical_cores: int = 0
    available_cores: int = 0
    quota_cores: float | None = None
    frequency_mhz: Mapping[str, int] | None = None
    governor: str | None = None
    throttle_events: int | None = None
    on_battery: bool | None = None
    virtual: bool = False

    @property
    def usable_cores(self) -> float:
        """Cores' worth of time that this process can really use."""
        return min(self.available_cores, self.quota_cores or self.available_cores)


@dataclass(frozen=True)
class Gpu:
    """A CUDA device: what torch says of it, and from ``driver`` on, what its driver says.

    Attributes:
        memory_others_bytes: memory that is neither free nor this process's.
        visible_gpus: number of devices that torch may use.
        tf32_convolutions, tf32_matrix_products: which of float32 were computed in TF32.
        utilisation_percent: share of the last moments in which a kernel ran.
        persistence, mig: ``Enabled`` or ``Disabled``; MIG is a partitioned card.
        throttling: reasons for which the card is slower now than it could be.
    """

    name: str = ""
    compute_capability: str = ""
    multiprocessors: int = 0
    memory_bytes: int = 0
    memory_others_bytes: int = 0
    visible_gpus: int = 0
    cuda: str | None = None
    cudnn: int | None = None
    tf32_convolutions: bool = False
    tf32_matrix_products: bool = False
    driver: str | None = None
    clock_sm_mhz: float | None = None
    clock_sm_max_mhz: float | None = None
    clock_memory_mhz: float | None = None
    temperature_c: float | None = None
    power_w: float | None = None
    power_limit_w: float | None = None
    utilisation_percent: float | None = None
    persistence: str | None = None
    mig: str | None = None
    throttling: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Memory:
    """Bytes of memory: the machine's, this process's limit, what is still available, and swap in use."""

    total_bytes: int = 0
    limit_bytes: int | None = None
    available_bytes: int = 0
    swap_used_bytes: int = 0


@dataclass(frozen=True)
class Load:
    """Load averages, and cores that other processes kept busy (the host took away) in the last 0.1 s."""

    average_1m: float = 0.0
    average_5m: float = 0.0
    average_15m: float = 0.0
    other_busy_cores: float | None = None
    stolen_cores: float | None = None


@dataclass(frozen=True)
class Threads:
    """Threads of torch: within an operator, and between operators."""

    torch: int = 0
    torch_interop: int = 0


@dataclass(frozen=True)
class Software:
    """Versions of what runs, empty of what is not installed."""

    effbench: str = ""
    torch: str = ""
    onnxruntime: str = ""
    openvino: str = ""
    torch_cpu_capability: str = ""
    python: str = ""
    os: str = ""


@dataclass(frozen=True)
class Environment:
    """A machine, its software, their settings and the load at one moment.

    Attributes:
        time: UTC, ISO 8601.
        device: what is measured on, e.g. ``cpu`` or ``cuda:0``; ``device_name`` is its model.
        gpu: ``None`` when measuring on the processor.
        variables: environment variables that change how fast torch runs.
    """

    time: str = ""
    device: str = ""
    device_name: str = ""
    cpu: Cpu = Cpu()
    gpu: Gpu | None = None
    memory: Memory = Memory()
    load: Load = Load()
    threads: Threads = Threads()
    variables: Mapping[str, str] = field(default_factory=dict)
    software: Software = Software()
    commit: str | None = None

    @classmethod
    def from_dict(cls, record: Mapping[str, object]) -> Environment:
        """Environment of a stored row, a run folder or ``effbench doctor``, without details of the run."""
        return _adapter().validate_python(record)

    def to_dict(self) -> dict[str, object]:
        """Plain data for JSON, without what is unknown of the GPU."""
        plain: dict[str, object] = _adapter().dump_python(self, mode="json")
        if isinstance(gpu := plain["gpu"], dict):
            plain["gpu"] = {name: value for name, value in gpu.items() if value is not None}
        return plain


@cache
def _adapter() -> TypeAdapter[Environment]:
    from pydantic import TypeAdapter

    return TypeAdapter(Environment)
