"""Conditions: what they complete, what a stored row keeps of them, and which kernels run."""

from __future__ import annotations

import pytest
import torch

import effbench
from effbench.errors import UsageError
from effbench.machine.description import Environment
from effbench.measure.conditions import Conditions
from effbench.measure.speed import measure_throughput
from effbench.measure.timing import Budget
from effbench.measure.workload import running_on
from effbench.models.sequence.mamba import FusedStateSpaceScan, Mamba2
from effbench.models.sequence.scans import StateSpaceScan

BRIEF = Budget(min_seconds=0.01, min_iterations=1, min_warmup_seconds=0.0, max_warmup_seconds=0.0)


def test_names_are_completed_where_conditions_are_made() -> None:
    conditions = Conditions("CPU", "torch.bfloat16")
    assert (conditions.device, conditions.precision) == ("cpu", "bf16")
    assert conditions.threads == torch.get_num_threads()
    assert Conditions("auto").device == ("cuda:0" if torch.cuda.is_available() else "cpu")


def test_the_usual_kernels_are_not_named_so_that_older_rows_are_the_same_rows() -> None:
    stored = Conditions(threads=2).stored(8)
    assert stored == {
        "part": "network",
        "precision": "fp32",
        "batch_size": 8,
        "compiled": False,
        "threads": 2,
        "seconds": 10.0,
    }
    shown = ["device", "device_name", "precision", "part", "backend", "threads", "clip_seconds"]
    assert list(Conditions().to_dict()) == shown
    assert "kernels" not in str(Conditions())


def scans(module: torch.nn.Module) -> list[torch.nn.Module]:
    return [layer.scan for layer in module.modules() if isinstance(layer, Mamba2)]


def test_kernels_are_those_of_before_after_a_run_and_after_an_error() -> None:
    detector = effbench.build_model("fmn01+mamba-16", seed=0)
    before = scans(detector)
    with running_on(detector, "torch"):
        assert not set(scans(detector)) & set(before)
    assert scans(detector) == before
    with pytest.raises(UsageError, match="unknown kernels"), running_on(detector, "numpy"):
        pass
    assert scans(detector) == before


def test_kernels_that_nothing_runs_on_are_refused() -> None:
    with (
        pytest.raises(UsageError, match="mamba-ssm are for Mamba2 layers, of which the model has none"),
        running_on(effbench.build_model("fmn01", seed=0), "mamba-ssm"),
    ):
        pass


def test_kernels_that_can_not_be_imported_are_refused() -> None:
    try:
        import mamba_ssm  # noqa: F401
    except ImportError:
        with (
            pytest.raises(UsageError, match="mamba_ssm can't be imported"),
            running_on(effbench.build_model("fmn01+mamba-16", seed=0), "mamba-ssm"),
        ):
            pass
    else:
        pytest.skip("mamba_ssm is installed")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_fused_kernels_run_compute_the_same_and_are_recorded() -> None:
    pytest.importorskip("mamba_ssm")
    detector = effbench.build_model("fmn04+mamba-104", seed=0)
    seen: set[type[torch.nn.Module]] = set()
    for layer in detector.modules():
        if isinstance(layer, Mamba2):
            layer.register_forward_pre_hook(lambda layer, _: seen.add(type(layer.scan)))
    fused = Conditions("cuda", kernels="mamba-ssm")
    (result,) = measure_throughput(detector, fused, batch_sizes=[2], budget=BRIEF)
    assert seen == {FusedStateSpaceScan}
    assert result.measurements("fmn04+mamba-104", Environment())[0].conditions["kernels"] == "mamba-ssm"
    assert "kernels mamba-ssm" in str(result)
    assert all(isinstance(scan, StateSpaceScan) for scan in scans(detector))
    detector.to("cuda")
    features = detector.frontend(torch.randn(2, 160_000, device="cuda"))
    with torch.inference_mode():
        expected = detector(features).strong
        with running_on(detector, "mamba-ssm"):
            torch.testing.assert_close(detector(features).strong, expected, atol=1e-2, rtol=0)
