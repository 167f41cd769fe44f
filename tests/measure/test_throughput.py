"""Throughput and latency of real detectors: what is computed, what is recorded, what is left behind."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import effbench
from effbench.errors import DeviceError, UsageError
from effbench.machine.description import Environment
from effbench.machine.environment import environment
from effbench.measure.conditions import Conditions
from effbench.measure.speed import measure_latency, measure_throughput
from effbench.measure.timing import Budget
from effbench.measure.workload import is_out_of_memory, make_call, make_inputs, prepared
from effbench.results.intervals import Estimate
from effbench.results.measurement import Measurement
from tests.measure.detectors import tiny_detector

ONE_SECOND = Conditions(clip_seconds=1)
SHORT = Budget(
    min_seconds=0.05,
    min_iterations=5,
    min_latency_iterations=20,
    max_seconds=5.0,
    min_warmup_seconds=0.0,
    max_warmup_seconds=0.3,
)


@pytest.fixture(scope="module")
def fmn04() -> effbench.SoundEventDetector:
    return effbench.build_model("fmn04", seed=0)


def test_throughput_is_the_batch_over_the_median_of_its_samples() -> None:
    lines: list[str] = []
    results = measure_throughput(
        tiny_detector(), ONE_SECOND, batch_sizes=[3, 1], budget=SHORT, progress=lines.append
    )
    assert [result.batch_size for result in results] == [1, 3]
    for result in results:
        assert result.rate.value == pytest.approx(result.batch_size / np.median(result.samples))
        assert result.rate.low <= result.rate.value <= result.rate.high
    assert lines == [str(result) for result in results]


def test_exactly_the_fastest_batch_size_is_the_best() -> None:
    results = measure_throughput(tiny_detector(), ONE_SECOND, budget=SHORT)
    best = [result for result in results if result.best]
    assert [result.rate.value for result in best] == [max(result.rate.value for result in results)]


@pytest.mark.alone
def test_eighty_times_the_audio_takes_longer(fmn04: effbench.SoundEventDetector) -> None:
    conditions = (Conditions(clip_seconds=seconds, threads=1) for seconds in (0.5, 40))
    short, long = (measure_throughput(fmn04, c, batch_sizes=[1], budget=SHORT)[0] for c in conditions)
    # The quickest of several calls, which other load on the machine disturbs the least.
    assert min(long.samples) > 2 * min(short.samples)


def test_percentiles_of_latency_are_those_of_its_samples() -> None:
    latency = measure_latency(tiny_detector(), ONE_SECOND, budget=SHORT)
    assert len(latency.samples) >= SHORT.min_latency_iterations
    expected = np.percentile(latency.samples, [50, 90, 99])
    assert [latency.percentile(percent).value for percent in (50, 90, 99)] == pytest.approx(expected)
    median = latency.percentile(50)
    assert median.low <= median.value <= median.high


@pytest.mark.parametrize("part", ["network", "frontend", "both"])
def test_each_part_computes_what_the_detector_computes(part: str) -> None:
    detector = tiny_detector().eval()
    conditions = Conditions(part=part, clip_seconds=1)
    waveform = make_inputs(detector, Conditions(part="both", clip_seconds=1), 10)
    with prepared(detector, conditions):
        call, compile_seconds = make_call(detector, conditions, 10)
        features = detector.frontend(waveform)
        expected = features if part == "frontend" else detector(features).strong
        result = call()
    strong = result if part == "frontend" else result.strong
    torch.testing.assert_close(strong, expected)
    assert compile_seconds is None
    assert waveform.shape == (10, 16_000)
    assert not torch.equal(waveform[0], waveform[1])


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_low_precision_is_computed_by_the_network_and_never_by_the_front_end(precision: str) -> None:
    detector = tiny_detector()
    seen: dict[str, torch.dtype] = {}
    detector.frontend.register_forward_hook(lambda *call: seen.update(frontend=call[-1].dtype))
    detector.backbone.conv.register_forward_hook(lambda *call: seen.update(network=call[-1].dtype))
    conditions = Conditions(part="both", precision=precision, clip_seconds=1)
    result = measure_throughput(detector, conditions, batch_sizes=[1], budget=SHORT)[0]
    assert result.conditions.precision == precision
    assert seen == {
        "frontend": torch.float32,
        "network": {"bf16": torch.bfloat16, "fp16": torch.float16}[precision],
    }


def test_the_front_end_alone_is_recorded_in_float32_whatever_was_asked_for() -> None:
    conditions = Conditions(part="frontend", precision="bf16", clip_seconds=1)
    result = measure_throughput(tiny_detector(), conditions, batch_sizes=[1], budget=SHORT)[0]
    assert result.measurements("fmn04", Environment())[0].conditions["precision"] == "fp32"


def test_timing_runs_in_eval_and_inference_mode_and_leaves_the_detector_as_it_was() -> None:
    detector = tiny_detector().train()
    detector.frontend.eval()
    seen: list[tuple[bool, bool, int]] = []
    detector.backbone.register_forward_pre_hook(
        lambda module, _: seen.append(
            (module.training, torch.is_inference_mode_enabled(), torch.get_num_threads())
        )
    )
    threads = torch.get_num_threads()
    other = 1 if threads > 1 else 2
    conditions = Conditions(clip_seconds=1, threads=other)
    result = measure_throughput(detector, conditions, batch_sizes=[1], budget=SHORT)[0]
    assert set(seen) == {(False, True, other)}
    assert result.conditions.threads == other
    assert torch.get_num_threads() == threads
    assert (detector.training, detector.frontend.training, detector.backbone.training) == (True, False, True)
    detector(torch.zeros(1, 1, 16, 10)).weak.sum().backward()


def test_an_error_inside_leaves_the_detector_as_it_was() -> None:
    detector = tiny_detector().train()
    threads = torch.get_num_threads()

    def refuse(*_: object) -> None:
        raise RuntimeError("broken")

    detector.register_forward_pre_hook(refuse)
    with pytest.raises(RuntimeError, match="broken"):
        measure_throughput(detector, Conditions(threads=3), batch_sizes=[1], budget=SHORT)
    assert detector.training
    assert torch.get_num_threads() == threads


@pytest.mark.slow
@pytest.mark.alone
def test_compiled_parts_keep_the_time_of_compilation_apart() -> None:
    conditions = Conditions(clip_seconds=1, backend="compiled", threads=1)
    results = measure_throughput(tiny_detector(), conditions, batch_sizes=[2], budget=SHORT)
    for result in results:
        assert result.compile_seconds is not None
        assert result.compile_seconds > 10 * max(result.samples)
        assert result.conditions.compiled
        assert "compiled" in str(result)


@pytest.mark.skipif(sys.platform != "linux", reason="limits data as Linux counts it")
def test_a_batch_that_does_not_fit_is_halved_until_one_does() -> None:
    import resource

    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    held = 1024 * int(status["VmData"].split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_DATA)
    lines: list[str] = []
    resource.setrlimit(resource.RLIMIT_DATA, (held + 300 * 2**20, hard))
    try:  # 0.64 MB of waveform for each clip
        results = measure_throughput(
            tiny_detector(),
            Conditions(part="both"),
            batch_sizes=[1, 2048],
            budget=SHORT,
            progress=lines.append,
        )
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
    assert [result.batch_size for result in results] in ([1, 128], [1, 256])
    assert "batch 2048 does not fit into memory" in lines


def test_results_survive_json_and_become_rows_of_the_store() -> None:
    here = environment()
    throughput = measure_throughput(tiny_detector(), ONE_SECOND, batch_sizes=[2], budget=SHORT)[0]
    latency = measure_latency(tiny_detector(), ONE_SECOND, budget=SHORT)
    for result in (throughput, latency):
        assert json.loads(json.dumps(result.to_dict(), allow_nan=False)) == result.to_dict()
    rows: list[Measurement] = [*throughput.measurements("fmn04", here), *latency.measurements("fmn04", here)]
    assert [(row.quantity, row.unit) for row in rows] == [
        ("throughput", "clips/s"),
        *((f"latency_p{percent}", "s") for percent in (50, 90, 99)),
    ]
    first = rows[0]
    assert Estimate(first.value, first.low, first.high) == throughput.rate
    assert first.conditions == {
        "part": "network",
        "precision": "fp32",
        "batch_size": 2,
        "compiled": False,
        "threads": torch.get_num_threads(),
        "seconds": 1,
    }
    assert [row.samples for row in rows] == [throughput.samples, latency.samples, (), ()]
    assert first.environment is not None
    assert first.environment["timing"]["iterations"] == len(throughput.samples)
    assert first.device == here.device_name


def test_results_say_in_words_what_they_mean() -> None:
    conditions = Conditions(clip_seconds=1, threads=1)
    both = replace(conditions, part="both")
    throughput = str(measure_throughput(tiny_detector(), both, batch_sizes=[2], budget=SHORT)[0])
    assert "clips/s [" in throughput
    assert throughput.endswith("batch 2, front-end and network, fp32, 1 thread, 1 s clips")
    assert " ms [" in str(measure_latency(tiny_detector(), conditions, budget=SHORT))


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"part": "backend"}, UsageError, "unknown part"),
        ({"threads": 0}, UsageError, "one thread"),
        ({"clip_seconds": 0}, UsageError, "clip"),
        ({"precision": "int8"}, DeviceError, "unknown precision"),
        ({"device": "abacus"}, DeviceError, "unknown device"),
        ({"kernels": "mamba-smm"}, UsageError, "did you mean 'mamba-ssm'"),
        ({"kernels": "mamba-ssm"}, DeviceError, "need a CUDA device, not 'cpu'"),
    ],
)
def test_impossible_conditions_are_refused_in_words(
    options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        Conditions(**options)


def test_an_impossible_batch_size_is_refused_in_words() -> None:
    with pytest.raises(UsageError, match="batch sizes"):
        measure_throughput(tiny_detector(), Conditions(), batch_sizes=[0], budget=SHORT)


def test_a_failed_allocation_is_told_from_other_errors() -> None:
    with pytest.raises(RuntimeError) as full:
        torch.empty(1 << 60)
    with pytest.raises(RuntimeError) as wrong:
        torch.ones(2, 3) @ torch.ones(2, 3)
    assert is_out_of_memory(full.value)
    assert not is_out_of_memory(wrong.value)
