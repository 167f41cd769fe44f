"""What makes timings in an environment unreliable: one rule for each kind of cause."""

from __future__ import annotations

from collections.abc import Iterator

from effbench.machine.description import Environment
from effbench.shown import number_of

BUSY_SHARE = 0.1  # of the cores kept busy by others
LOW_MEMORY_BYTES = 2 * 2**30
FEW_CORES = 2
STEADY_GOVERNORS = ("performance",)
CLOCK_SHARE = 0.7  # of the highest clock, while the GPU works


def concerns(environment: Environment, precision: str = "fp32") -> list[str]:
    """Warnings of what makes timings in this environment and precision unreliable, the worst first."""
    warnings = [warning for rule in _RULES for warning in rule(environment)]
    return warnings + list(_precision(environment, precision))


def _other_load(environment: Environment) -> Iterator[str]:
    load, cores = environment.load, environment.cpu.usable_cores
    busy = load.other_busy_cores or 0.0
    if busy > BUSY_SHARE * cores:
        yield f"other processes keep {busy:.1f} of {cores:g} cores busy: timings will be slow and uneven"
    elif load.average_1m > 0.5 * cores:
        yield f"the load of the last minute was {load.average_1m:.1f} on {cores:g} cores: others may run"
    if (load.stolen_cores or 0.0) > 0.02 * cores:
        yield f"the host takes {load.stolen_cores:.2f} cores away from this virtual machine"


def _cores_and_threads(environment: Environment) -> Iterator[str]:
    cpu, threads = environment.cpu, environment.threads.torch
    cores, quota = cpu.available_cores, cpu.quota_cores
    if quota is not None and quota < cores:
        yield f"the control group allows {quota:g} of {cores} cores' time: work is cut off in slices"
    if cores < cpu.logical_cores:
        yield f"this process may run on {cores} of {cpu.logical_cores} cores; others may use those, too"
    if threads > cpu.usable_cores:
        yield f"torch uses {threads} threads on {cpu.usable_cores:g} cores: they wait for each other"
    elif threads > cpu.physical_cores:
        yield f"torch uses {threads} threads on {cpu.physical_cores} physical cores: pairs share one core"
    if cores <= FEW_CORES:
        yield f"only {number_of(cores, 'core')}: whatever else runs takes a large share of the time"
    spins = environment.variables.get("OMP_WAIT_POLICY", "").lower() != "passive"
    if threads > 1 and spins and (environment.load.other_busy_cores or 0.0) > BUSY_SHARE * cores:
        yield (
            "torch's threads spin while they wait, which other load makes costly: use one thread, or set"
            " OMP_WAIT_POLICY=PASSIVE and GOMP_SPINCOUNT=0"
        )


def _clocks(environment: Environment) -> Iterator[str]:
    cpu = environment.cpu
    if cpu.governor and any(name not in STEADY_GOVERNORS for name in cpu.governor.split(", ")):
        yield f"the clock follows the load (governor {cpu.governor}): set the governor 'performance'"
    if cpu.throttle_events:
        yield f"the processor was throttled by heat {cpu.throttle_events} times since it was started"
    if cpu.on_battery:
        yield "the machine runs on battery: the clock is likely to be held down"
    if cpu.virtual:
        yield "this is a virtual machine: clocks can't be seen, and the host's other guests may slow it down"


def _memory(environment: Environment) -> Iterator[str]:
    memory = environment.memory
    if memory.available_bytes < LOW_MEMORY_BYTES:
        yield f"only {memory.available_bytes / 2**30:.1f} GiB of memory are free: large batches can't run"
    if memory.swap_used_bytes > 0.05 * memory.total_bytes:
        yield f"{memory.swap_used_bytes / 2**30:.1f} GiB are swapped out: memory has been short"


def _gpu(environment: Environment) -> Iterator[str]:
    gpu = environment.gpu
    if not gpu:
        return
    if gpu.memory_others_bytes > 2**30:
        yield f"others hold {gpu.memory_others_bytes / 2**30:.1f} GiB of the GPU's memory and may use it"
    if gpu.throttling:
        yield f"the GPU is being slowed down: {', '.join(gpu.throttling)}"
    clock, highest = gpu.clock_sm_mhz, gpu.clock_sm_max_mhz
    if clock and highest and (gpu.utilisation_percent or 0.0) > 50 and clock < CLOCK_SHARE * highest:
        yield f"the GPU runs at {clock:.0f} of {highest:.0f} MHz under load"
    if gpu.mig == "Enabled":
        yield "this is a slice of a partitioned GPU (MIG): do not compare it with a whole one"
    if environment.variables.get("CUDA_LAUNCH_BLOCKING", "0") not in ("", "0"):
        yield "CUDA_LAUNCH_BLOCKING is set: every kernel is waited for"


def _precision(environment: Environment, precision: str) -> Iterator[str]:
    gpu, abilities = environment.gpu, environment.cpu.capabilities
    if gpu:
        if precision == "bf16" and float(gpu.compute_capability) < 8:
            yield f"{gpu.name} has no bf16 arithmetic: it is emulated, slowly"
    elif precision == "fp16" and not {"avx512_fp16", "amx_fp16", "fphp", "asimdhp"} & set(abilities):
        yield "this processor has no fp16 arithmetic: fp16 is far slower than fp32 here"
    elif precision == "bf16" and not {"avx512_bf16", "amx_bf16", "bf16"} & set(abilities):
        yield "this processor has no bf16 arithmetic: bf16 is slower than fp32 here"


_RULES = (_other_load, _cores_and_threads, _memory, _gpu, _clocks)
