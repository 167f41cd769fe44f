"""Throughput and latency of real detectors: what is computed, what is recorded, what is left behind."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import effbench
from effbench.errors import DeviceError, UsageError
from effbench.machine.environment import environment
from effbench.measure.conditions import Setting, is_out_of_memory, make_call, make_inputs, prepared
from effbench.measure.latency import measure_latency
from effbench.measure.throughput import measure_throughput
from effbench.measure.timing import Budget
from effbench.results.measurement import Measurement
from tests.measure.detectors import tiny_detector

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
        tiny_detector(), batch_sizes=[3, 1], clip_seconds=1, budget=SHORT, progress=lines.append
    )
    assert [result.batch_size for result in results] == [1, 3]
    for result in results:
        assert result.median == pytest.approx(result.batch_size / np.median(result.samples))
        assert result.low <= result.median <= result.high
    assert lines == [str(result) for result in results]


def test_exactly_the_fastest_batch_size_is_the_best() -> None:
    results = measure_throughput(tiny_detector(), clip_seconds=1, budget=SHORT)
    best = [result for result in results if result.best]
    assert [result.median for result in best] == [max(result.median for result in results)]


def test_twenty_times_the_audio_takes_longer(fmn04: effbench.SoundEventDetector) -> None:
    short, long = (
        measure_throughput(fmn04, batch_sizes=[1], clip_seconds=seconds, threads=1, budget=SHORT)[0]
        for seconds in (0.5, 10)
    )
    assert short.median > 2 * long.median


def test_percentiles_of_latency_are_those_of_its_samples() -> None:
    latency = measure_latency(tiny_detector(), clip_seconds=1, budget=SHORT)
    assert len(latency.samples) >= SHORT.min_latency_iterations
    expected = np.percentile(latency.samples, [50, 90, 99])
    assert [latency.p50.value, latency.p90.value, latency.p99.value] == pytest.approx(expected)
    assert latency.p50.low <= latency.p50.value <= latency.p50.high


@pytest.mark.parametrize("part", ["network", "frontend", "both"])
def test_each_part_computes_what_the_detector_computes(part: str) -> None:
    detector = tiny_detector().eval()
    setting = Setting.resolve(part=part, clip_seconds=1)
    waveform = make_inputs(detector, Setting.resolve(part="both", clip_seconds=1), 10)
    with prepared(detector, setting):
        call, compile_seconds = make_call(detector, setting, 10)
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
    result = measure_throughput(
        detector, part="both", precision=precision, batch_sizes=[1], clip_seconds=1, budget=SHORT
    )[0]
    assert result.precision == precision
    assert seen == {
        "frontend": torch.float32,
        "network": {"bf16": torch.bfloat16, "fp16": torch.float16}[precision],
    }


def test_the_front_end_alone_is_recorded_in_float32_whatever_was_asked_for() -> None:
    options = {"part": "frontend", "precision": "bf16", "batch_sizes": [1], "clip_seconds": 1}
    assert measure_throughput(tiny_detector(), **options, budget=SHORT)[0].precision == "fp32"


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
    result = measure_throughput(detector, batch_sizes=[1], clip_seconds=1, threads=other, budget=SHORT)[0]
    assert set(seen) == {(False, True, other)}
    assert result.setting.threads == other
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
        measure_throughput(detector, threads=3, batch_sizes=[1], budget=SHORT)
    assert detector.training
    assert torch.get_num_threads() == threads


@pytest.mark.slow
def test_compiled_parts_keep_the_time_of_compilation_apart() -> None:
    results = measure_throughput(
        tiny_detector(), batch_sizes=[2], clip_seconds=1, compiled=True, threads=1, budget=SHORT
    )
    for result in results:
        assert result.compile_seconds is not None
        assert result.compile_seconds > 10 * max(result.samples)
        assert result.setting.compiled
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
            tiny_detector(), part="both", batch_sizes=[1, 2048], budget=SHORT, progress=lines.append
        )
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (soft, hard))
    assert [result.batch_size for result in results] in ([1, 128], [1, 256])
    assert "batch 2048 does not fit into memory" in lines


def test_results_survive_json_and_become_rows_of_the_store() -> None:
    here = environment()
    throughput = measure_throughput(tiny_detector(), batch_sizes=[2], clip_seconds=1, budget=SHORT)[0]
    latency = measure_latency(tiny_detector(), clip_seconds=1, budget=SHORT)
    for result in (throughput, latency):
        assert json.loads(json.dumps(result.to_dict(), allow_nan=False)) == result.to_dict()
    rows: list[Measurement] = [*throughput.measurements("fmn04", here), *latency.measurements("fmn04", here)]
    assert [(row.quantity, row.unit) for row in rows] == [
        ("throughput", "clips/s"),
        *((f"latency_p{percent}", "s") for percent in (50, 90, 99)),
    ]
    first = rows[0]
    assert (first.value, first.low, first.high) == (throughput.median, throughput.low, throughput.high)
    assert first.conditions == {
        "part": "network",
        "precision": "fp32",
        "batch_size": 2,
        "compiled": False,
        "threads": torch.get_num_threads(),
        "seconds": 1,
    }
    assert first.samples == throughput.samples
    assert first.environment is not None
    assert first.environment["timing"]["iterations"] == len(throughput.samples)
    assert first.device == here.device_name


def test_results_say_in_words_what_they_mean() -> None:
    options = {"clip_seconds": 1, "threads": 1, "budget": SHORT}
    throughput = str(measure_throughput(tiny_detector(), part="both", batch_sizes=[2], **options)[0])
    assert "clips/s [" in throughput
    assert throughput.endswith("batch 2, front-end and network, fp32, 1 thread, 1 s clips")
    assert " ms [" in str(measure_latency(tiny_detector(), **options))


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"part": "backend"}, UsageError, "unknown part"),
        ({"threads": 0}, UsageError, "one thread"),
        ({"clip_seconds": 0}, UsageError, "clip"),
        ({"precision": "int8"}, DeviceError, "unknown precision"),
        ({"device": "abacus"}, DeviceError, "unknown device"),
        ({"batch_sizes": [0]}, UsageError, "batch sizes"),
    ],
)
def test_what_can_not_be_measured_is_refused_in_words(
    options: dict[str, object], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        measure_throughput(tiny_detector(), budget=SHORT, **options)


def test_a_failed_allocation_is_told_from_other_errors() -> None:
    with pytest.raises(RuntimeError) as full:
        torch.empty(1 << 60)
    with pytest.raises(RuntimeError) as wrong:
        torch.ones(2, 3) @ torch.ones(2, 3)
    assert is_out_of_memory(full.value)
    assert not is_out_of_memory(wrong.value)
