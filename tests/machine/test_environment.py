"""The description of this machine, and what is concluded from such descriptions."""

from __future__ import annotations

import getpass
import json
import platform
import subprocess
import sys
import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from effbench.errors import DeviceError
from effbench.infer.scorer import Inference
from effbench.machine.cgroup import ControlGroup
from effbench.machine.concerns import concerns
from effbench.machine.cpu import LoadWatch
from effbench.machine.description import Cpu, Environment, Gpu, Load, Memory, Software, Threads
from effbench.machine.devices import resolve_device, resolve_precision
from effbench.machine.environment import device_name, difference, environment, hardware_identity
from effbench.machine.gpu import driver_state, throttle_reasons
from effbench.measure.conditions import Conditions

needs_no_cuda = pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")


CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def here() -> Environment:
    return environment()


@pytest.fixture
def quiet() -> Environment:
    """The environment of an ideal machine."""
    cpu = Cpu(model="EPYC", physical_cores=16, logical_cores=16, available_cores=16)
    return Environment(
        device="cpu",
        cpu=replace(cpu, capabilities=("avx2", "avx512_fp16"), governor="performance", throttle_events=0),
        memory=Memory(total_bytes=64 << 30, available_bytes=60 << 30),
        load=Load(average_1m=0.1, other_busy_cores=0.02, stolen_cores=0.0),
        threads=Threads(torch=16),
    )


@pytest.fixture
def gpu(quiet: Environment) -> Environment:
    card = Gpu(
        name="NVIDIA H100",
        compute_capability="9.0",
        memory_bytes=80 << 30,
        clock_sm_mhz=1980.0,
        clock_sm_max_mhz=1980.0,
        utilisation_percent=99.0,
        throttling=(),
    )
    return replace(quiet, device="cuda:0", gpu=card)


def change(environment: Environment, section: str, **values: Any) -> Environment:
    return replace(environment, **{section: replace(getattr(environment, section), **values)})


def test_environment_survives_json_unchanged(here: Environment) -> None:
    record = here.to_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert Environment.from_dict(record) == here


def test_records_tell_absent_sections_from_known_ones(here: Environment, gpu: Environment) -> None:
    record = here.to_dict()
    assert list(record) == [
        *("time", "device", "device_name", "cpu", "gpu", "memory", "load", "threads", "variables"),
        *("software", "commit"),
    ]
    assert record["gpu"] is None
    state = gpu.to_dict()["gpu"]
    assert isinstance(state, dict)
    assert state["throttling"] == []
    assert "temperature_c" not in state  # which nobody can tell


def test_a_record_of_a_gpu_is_read_without_loss(gpu: Environment) -> None:
    card = {
        "clock_memory_mhz": 2619.0,
        "clock_sm_max_mhz": 1980.0,
        "clock_sm_mhz": 1980.0,
        "compute_capability": "9.0",
        "cuda": "13.0",
        "cudnn": 91900,
        "driver": "580.159.04",
        "memory_bytes": 85017493504,
        "memory_others_bytes": 552402944,
        "mig": "Disabled",
        "multiprocessors": 132,
        "name": "NVIDIA H100 80GB HBM3",
        "persistence": "Enabled",
        "power_limit_w": 700.0,
        "power_w": 78.76,
        "temperature_c": 40.0,
        "tf32_convolutions": True,
        "tf32_matrix_products": False,
        "throttling": ["power cap"],
        "utilisation_percent": 1.0,
        "visible_gpus": 1,
    }
    record = gpu.to_dict() | {"gpu": card}
    assert Environment.from_dict(record).to_dict() == record


def test_records_of_other_versions_are_read_as_far_as_they_go() -> None:
    record = {"software": {"torch": "2.13.0", "newer": 1}, "timing": {"iterations": 9}, "cpu": {}}
    assert Environment.from_dict(record) == Environment(software=Software(torch="2.13.0"))
    assert Environment.from_dict({}) == Environment()


def test_environment_describes_this_machine_and_this_software(here: Environment) -> None:
    assert here.software.torch == torch.__version__
    assert here.software.openvino == metadata.version("openvino")
    assert here.threads.torch == torch.get_num_threads()
    assert here.memory.total_bytes == psutil.virtual_memory().total
    assert here.cpu.logical_cores == psutil.cpu_count()
    assert here.device_name == device_name("cpu") == here.cpu.model != ""


def test_environment_does_not_name_the_machine_its_user_or_a_path(here: Environment) -> None:
    text = json.dumps(here.to_dict())
    user = getpass.getuser()
    names = [platform.node(), str(Path.home()), str(Path.cwd()), *([user] if len(user) > 4 else [])]
    assert [name for name in names if name and name in text] == []


def test_environment_carries_settings_of_openmp_but_no_other_variable(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    monkeypatch.setenv("A_SECRET", "swordfish")
    found = environment()
    assert found.variables["OMP_WAIT_POLICY"] == "PASSIVE"
    assert "swordfish" not in json.dumps(found.to_dict())


def test_commit_is_one_of_the_checkout(here: Environment) -> None:
    root = Path(__file__).parents[2]
    if not (root / ".git").exists():
        pytest.skip("not a checkout")
    assert here.commit is not None
    name = here.commit.removesuffix("+dirty")
    subprocess.run(["git", "-C", root, "merge-base", "--is-ancestor", name, "HEAD"], check=True)


@pytest.mark.alone
def test_other_load_is_seen_and_warned_of(quiet: Environment) -> None:
    spin = [sys.executable, "-c", "while True: pass"]
    with subprocess.Popen(spin) as other:
        # Both the watch and the clock cover more time than the count of the other's seconds.
        start, watch = time.perf_counter(), LoadWatch()
        other_seconds = -sum(psutil.Process(other.pid).cpu_times()[:2])
        deadline = start + 1.0
        while time.perf_counter() < deadline:
            pass
        other_seconds += sum(psutil.Process(other.pid).cpu_times()[:2])
        busy, _ = watch.read()
        seconds = time.perf_counter() - start
        other.kill()
    assert busy is not None
    assert busy * seconds > 0.8 * other_seconds - 0.05
    crowded = change(quiet, "load", other_busy_cores=2.5)
    assert any("2.5 of 16 cores busy" in warning for warning in concerns(crowded))


def test_a_quiet_machine_gives_no_concern(quiet: Environment, gpu: Environment) -> None:
    assert concerns(quiet) == []
    assert concerns(gpu) == []
    assert concerns(gpu, "fp16") == []
    assert concerns(quiet, "fp16") == []


@pytest.mark.parametrize(
    ("section", "values", "said"),
    [
        ("load", {"average_1m": 9.0}, "load of the last minute"),
        ("load", {"stolen_cores": 1.0}, "host takes 1.00 cores"),
        ("cpu", {"quota_cores": 1.5}, "allows 1.5 of 16 cores"),
        ("cpu", {"available_cores": 2}, "only 2 cores"),
        ("cpu", {"available_cores": 8}, "may run on 8 of 16 cores"),
        ("threads", {"torch": 32}, "32 threads on 16 cores"),
        ("cpu", {"physical_cores": 8}, "16 threads on 8 physical cores"),
        ("cpu", {"governor": "powersave"}, "governor powersave"),
        ("cpu", {"throttle_events": 7}, "throttled by heat 7 times"),
        ("cpu", {"on_battery": True}, "battery"),
        ("cpu", {"virtual": True}, "virtual machine"),
        ("memory", {"available_bytes": 1 << 30}, "1.0 GiB of memory are free"),
        ("memory", {"swap_used_bytes": 16 << 30}, "16.0 GiB are swapped out"),
        ("gpu", {"memory_others_bytes": 3 << 30}, "others hold 3.0 GiB"),
        ("gpu", {"throttling": ["heat (hardware)"]}, "slowed down: heat (hardware)"),
        ("gpu", {"clock_sm_mhz": 700.0}, "700 of 1980 MHz"),
        ("gpu", {"mig": "Enabled"}, "partitioned"),
    ],
)
def test_each_thing_that_can_be_wrong_is_named(
    gpu: Environment, section: str, values: dict[str, Any], said: str
) -> None:
    assert any(said in warning for warning in concerns(change(gpu, section, **values)))


def test_a_variable_that_makes_every_kernel_wait_is_named(quiet: Environment, gpu: Environment) -> None:
    variables = {"CUDA_LAUNCH_BLOCKING": "1"}
    assert any("CUDA_LAUNCH_BLOCKING" in warning for warning in concerns(replace(gpu, variables=variables)))
    assert concerns(replace(quiet, variables=variables)) == []


def test_a_precision_without_arithmetic_is_a_concern_not_an_error(quiet: Environment) -> None:
    newer = change(quiet, "cpu", capabilities=("avx2", "avx512_bf16"))
    assert any("fp16 is far slower" in warning for warning in concerns(newer, "fp16"))
    assert concerns(newer, "bf16") == []
    older = change(quiet, "cpu", capabilities=("avx2",))
    assert any("bf16" in warning for warning in concerns(older, "bf16"))


def test_identity_keeps_what_the_hardware_is_and_drops_its_state(gpu: Environment) -> None:
    later = change(gpu, "load", average_1m=5.0)
    later = change(later, "gpu", clock_sm_mhz=1200.0, memory_others_bytes=1)
    later = change(later, "software", torch="9.9")
    assert difference(hardware_identity(gpu), hardware_identity(later)) == []
    later = change(later, "gpu", name="NVIDIA H200")
    later = change(later, "cpu", available_cores=4)
    assert difference(hardware_identity(gpu), hardware_identity(later)) == [
        "cpu available cores: 16, here 4",
        "gpu name: NVIDIA H100, here NVIDIA H200",
    ]


def test_a_cpu_and_a_gpu_are_never_the_same_hardware(quiet: Environment, gpu: Environment) -> None:
    assert "device: cpu, here cuda" in difference(hardware_identity(quiet), hardware_identity(gpu))


def test_limits_of_control_groups_version_2_count_at_every_level(tmp_path: Path) -> None:
    inner = tmp_path / "batch" / "job"
    inner.mkdir(parents=True)
    (tmp_path / "batch" / "cpu.max").write_text("150000 100000\n")
    (inner / "cpu.max").write_text("max 100000\n")
    (inner / "memory.max").write_text("max\n")
    (inner / "memory.current").write_text("5000000\n")
    (inner / "memory.stat").write_text("anon 1\ninactive_file 2000000\n")
    (tmp_path / "batch" / "memory.max").write_text("1073741824\n")
    membership = tmp_path / "cgroup"
    membership.write_text("0::/batch/job\n")
    group = ControlGroup(tmp_path, membership)
    assert (group.cpu_quota(), group.memory_limit(), group.memory_used()) == (1.5, 1 << 30, 3_000_000)


def test_limits_of_control_groups_version_1_are_read_inside_a_container(tmp_path: Path) -> None:
    for name, text in {
        "cpu,cpuacct/cpu.cfs_quota_us": "200000",
        "cpu,cpuacct/cpu.cfs_period_us": "100000",
        "memory/memory.limit_in_bytes": "2147483648",
    }.items():
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    membership = tmp_path / "cgroup"  # the host's path, which the container does not see
    membership.write_text("5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n")
    group = ControlGroup(tmp_path, membership)
    assert (group.cpu_quota(), group.memory_limit()) == (2.0, 2 << 30)


def test_no_control_group_means_no_limit(tmp_path: Path) -> None:
    group = ControlGroup(tmp_path, tmp_path / "absent")
    assert (group.cpu_quota(), group.memory_limit(), group.memory_used()) == (None, None, 0)


def test_throttling_is_read_from_the_drivers_bits() -> None:
    assert throttle_reasons(0x44) == ("power cap", "heat (hardware)")
    assert throttle_reasons(0x01) == ()  # idle
    assert throttle_reasons(0x28) == ("hardware slowdown", "heat (software)")


@needs_no_cuda
def test_without_a_driver_nothing_is_told_of_the_state_of_a_gpu() -> None:
    assert driver_state("00000000-0000-0000-0000-000000000000") == {}


@needs_no_cuda
@pytest.mark.parametrize("name", ["cuda", "cuda:0", "GPU", "CUDA:3"])
def test_a_missing_gpu_is_one_line_that_says_what_there_is(name: str) -> None:
    with pytest.raises(DeviceError) as caught:
        resolve_device(name)
    assert name in str(caught.value)
    assert "offers: cpu" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["tpu", "cuda:x", "", "cuda:-1"])
def test_an_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(DeviceError, match="unknown device"):
        resolve_device(name)


def test_devices_and_precisions_are_understood_in_any_spelling() -> None:
    assert resolve_device("CPU") == resolve_device(torch.device("cpu")) == torch.device("cpu")
    assert (
        resolve_precision("FP32", CPU)
        == resolve_precision("float32", CPU)
        == resolve_precision(str(torch.float32), CPU)
        == "fp32"
    )
    assert resolve_precision("bfloat16", CPU).dtype is torch.bfloat16
    with pytest.raises(DeviceError, match="did you mean 'fp16'"):
        resolve_precision("fp61", CPU)


@pytest.mark.parametrize("make", [Conditions, Inference])
def test_tf32_is_refused_where_there_is_none(make: type[Conditions] | type[Inference]) -> None:
    with pytest.raises(DeviceError, match=r"NVIDIA GPUs from Ampere on .*not of 'cpu'; choose fp32"):
        make("cpu", "tf32")
