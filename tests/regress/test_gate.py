"""The regression gate: what it lets pass, what it stops, and what it refuses to judge."""

from __future__ import annotations

import json
import math
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

import effbench
from effbench.errors import EffbenchError, UnknownModel, UsageError
from effbench.machine.resident import settle_allocator
from effbench.regress.baseline import Entry, IncomparableSpeeds, Speed, read_baseline, write_baseline
from effbench.regress.gate import check, save
from effbench.regress.result import Check, ModelCheck
from effbench.regress.yardstick import Effort, Yardstick, measure_ratio, yardstick_call

MODELS = ("fmn04", "fmn04+gru-104")
USUAL = Effort(pairs=6, min_rounds=2, max_rounds=6)
BRIEF = Effort(pairs=4, min_rounds=1, max_rounds=1, attempts=1)
CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def quiet_clock() -> Iterator[None]:
    """Time that this process computes, on one thread: what else the machine does is no part of the tests."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(time, "perf_counter", time.process_time)
        yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A baseline of two models with their speeds; tests that change it work on a copy."""
    path = tmp_path_factory.mktemp("regress") / "new" / "baseline.json"
    save(path, MODELS, effort=USUAL)
    return path


@pytest.fixture
def baseline(saved: Path, tmp_path: Path) -> Path:
    copy = tmp_path / "baseline.json"
    copy.write_bytes(saved.read_bytes())
    return copy


def edit(path: Path, *keys: str, to: Any) -> None:
    """Changes one value, by the keys that lead to it."""
    content = json.loads(path.read_text())
    inner = content
    for key in keys[:-1]:
        inner = inner[key]
    inner[keys[-1]] = to
    path.write_text(json.dumps(content))


def statuses(result: Check) -> dict[str, str]:
    return {model.spec: model.status for model in result.models}


def slowed(victim: str, factor: float) -> Any:
    """Builds detectors, of which one takes ``factor`` times its own time, really."""

    def build(spec: str) -> effbench.SoundEventDetector:
        detector = effbench.build_model(spec, seed=0)
        started: list[float] = []

        def begin(*_: Any) -> None:
            started.append(time.perf_counter())

        def work_on(*_: Any) -> None:
            start = started.pop()
            end = start + factor * (time.perf_counter() - start)
            while time.perf_counter() < end:
                pass

        if spec == victim:
            detector.register_forward_pre_hook(begin)
            detector.register_forward_hook(work_on)
        return detector

    return build


@pytest.mark.slow
@pytest.mark.alone
def test_an_unchanged_tree_passes(saved: Path) -> None:
    result = check(saved, MODELS, effort=USUAL)
    assert result.passed, result.verdict
    assert statuses(result) == dict.fromkeys(MODELS, "ok")
    assert all(model.attempts >= 1 for model in result.models)


# Two runs of the same code differ by some 4 %, so that 1.3 times, 23 % less speed, may once be within doubt.
@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.parametrize(("factor", "checks"), [(1.5, 1), (1.3, 3)])
def test_a_real_slowdown_of_one_model_fails_and_is_named(saved: Path, factor: float, checks: int) -> None:
    victim = "fmn04+gru-104"
    results = (check(saved, MODELS, effort=USUAL, build=slowed(victim, factor)) for _ in range(checks))
    result = next((result for result in results if not result.passed), None)
    assert result is not None
    assert statuses(result) == dict.fromkeys(MODELS, "ok") | {victim: "slower"}
    assert f"{victim}: " in result.verdict
    assert "% less speed" in result.verdict


def test_complexity_must_be_equal_and_what_changed_is_named(baseline: Path) -> None:
    def build(spec: str) -> effbench.SoundEventDetector:
        return effbench.build_model("fmn06" if spec == "fmn04" else spec, seed=0)

    result = check(baseline, MODELS, complexity_only=True, build=build)
    assert statuses(result) == {"fmn04": "changed", "fmn04+gru-104": "ok"}
    assert [line for line in result.verdict.splitlines() if line.startswith("fmn04: parameters 860,318 -> ")]
    assert "MACs (exact)" in result.verdict


def test_a_single_multiply_accumulate_is_enough_to_fail(baseline: Path) -> None:
    macs = read_baseline(baseline).models["fmn04"].macs_exact
    edit(baseline, "models", "fmn04", "macs_exact", to=macs + 1)
    result = check(baseline, ["fmn04"], complexity_only=True)
    assert result.models[0].changed == ["macs_exact"]


def test_a_model_that_is_not_built_any_more_is_missing_and_fails(baseline: Path) -> None:
    def build(spec: str) -> effbench.SoundEventDetector:
        if spec == "fmn04":
            raise UnknownModel("fmn04 was removed")
        return effbench.build_model(spec, seed=0)

    result = check(baseline, MODELS, complexity_only=True, build=build)
    assert statuses(result) == {"fmn04": "missing", "fmn04+gru-104": "ok"}
    assert "fmn04 was removed" in result.verdict


def test_new_models_are_reported_and_do_not_fail(baseline: Path) -> None:
    result = check(baseline, ["FMN04", "fmn06"], complexity_only=True)
    assert result.passed
    assert statuses(result) == {"fmn04": "ok", "fmn06": "new"}
    everything = statuses(check(baseline, complexity_only=True))
    assert everything["fmn10+hybrid-256"] == "new"
    assert everything["fmn04+gru-104"] == "ok"


def test_a_check_that_would_compare_nothing_is_refused(baseline: Path) -> None:
    with pytest.raises(UsageError, match=r"holds none of these models; it has fmn04, fmn04\+gru-104"):
        check(baseline, ["fmn20"])


def test_other_hardware_is_refused_unless_complexity_is_all_that_is_asked(baseline: Path) -> None:
    edit(baseline, "conditions", "hardware", "cpu_model", to="Abacus 3000")
    with pytest.raises(IncomparableSpeeds, match="cpu model: Abacus 3000, here "):
        check(baseline)
    assert check(baseline, MODELS, complexity_only=True).passed


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has CUDA")
def test_a_baseline_from_a_gpu_is_refused_where_there_is_none(baseline: Path) -> None:
    edit(baseline, "conditions", "device", to="cuda:0")
    with pytest.raises(IncomparableSpeeds, match="no CUDA device here"):
        check(baseline)


def test_ratios_against_another_reference_workload_are_refused(baseline: Path) -> None:
    edit(baseline, "conditions", "reference", to="reference-0")
    with pytest.raises(IncomparableSpeeds, match="workload reference-0, this version with reference-1"):
        check(baseline)


def test_a_baseline_without_speeds_serves_complexity_alone(tmp_path: Path) -> None:
    path = tmp_path / "baseline.json"
    save(path, ["fmn04"], complexity_only=True)
    assert read_baseline(path).conditions is None
    assert check(path, ["fmn04"], complexity_only=True).passed
    with pytest.raises(IncomparableSpeeds, match="holds no speeds"):
        check(path)


def test_another_torch_is_noted_but_compared(baseline: Path) -> None:
    edit(baseline, "conditions", "torch", to="1.0")
    result = check(baseline, ["fmn04"], effort=BRIEF)
    assert any("saved with torch 1.0" in note for note in result.notes)
    assert result.models[0].change is not None


def test_saving_some_models_keeps_the_others(baseline: Path) -> None:
    before = read_baseline(baseline)
    save(baseline, ["fmn06"], effort=BRIEF)
    after = read_baseline(baseline)
    assert list(after.models) == [*MODELS, "fmn06"]
    assert {spec: after.models[spec] for spec in MODELS} == before.models
    assert after.models["fmn06"].speed is not None


def test_saving_complexity_alone_drops_the_speed_of_changed_models_only(baseline: Path) -> None:
    edit(baseline, "models", "fmn04", "parameters", to=1)
    before = read_baseline(baseline)
    save(baseline, complexity_only=True)
    after = read_baseline(baseline)
    assert after.models["fmn04"].speed is None
    assert after.models["fmn04"].parameters == 860_318
    assert after.models["fmn04+gru-104"] == before.models["fmn04+gru-104"]
    assert after.conditions == before.conditions


def test_speeds_from_two_machines_never_share_a_file(baseline: Path) -> None:
    edit(baseline, "conditions", "hardware", "cpu_available_cores", to=96)
    before = baseline.read_bytes()
    with pytest.raises(IncomparableSpeeds, match="cpu available cores: 96, here "):
        save(baseline, ["fmn04"], effort=BRIEF)
    assert baseline.read_bytes() == before


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is not a mapping"),
        ("[]", "is not a mapping"),
        ("{}", "has 5 problems\ncreated: is missing\n"),
        ('{"schema_version": 2}', "schema_version: 2: input should be 1"),
        ("\0\1", "can't be read: "),
    ],
)
def test_a_bad_file_is_refused_with_what_is_wrong(tmp_path: Path, content: str, said: str) -> None:
    path = tmp_path / "broken.json"
    path.write_text(content)
    for command in (check, save):
        with pytest.raises(UsageError) as caught:
            command(path)
        assert said in str(caught.value)
        assert str(path) in str(caught.value)
    assert path.read_text() == content


@pytest.mark.parametrize(
    ("keys", "value"),
    [
        (("models",), {}),
        (("models", "fmn04", "parameters"), -1),
        (("models", "fmn04", "parameters"), "860318"),
        (("models", "fmn04", "speed", "ratio"), 0),
        (("models", "fmn04", "colour"), "red"),
        (("conditions", "threads"), 0),
    ],
)
def test_impossible_values_in_a_baseline_are_refused(
    baseline: Path, keys: tuple[str, ...], value: Any
) -> None:
    edit(baseline, *keys, to=value)
    with pytest.raises(UsageError, match=rf"has 1 problem\n{re.escape('.'.join(keys))}: "):
        read_baseline(baseline)


def test_a_folder_or_a_missing_file_is_no_baseline(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="effbench regress save"):
        check(tmp_path / "absent.json")
    with pytest.raises(UsageError, match="can't be read: Is a directory"):
        check(tmp_path)


def test_a_baseline_that_can_not_be_written_is_one_line(baseline: Path) -> None:
    with pytest.raises(EffbenchError, match="can't be written") as caught:
        write_baseline(read_baseline(baseline), baseline / "below" / "a-file.json")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("threshold", [0.0, 1.0, -0.1, math.nan])
def test_impossible_thresholds_are_refused(baseline: Path, threshold: float) -> None:
    with pytest.raises(UsageError, match="threshold"):
        check(baseline, threshold=threshold)


def entry(ratio: float, half_width: float) -> Entry:
    low, high = ratio / (1 + half_width), ratio * (1 + half_width)
    speed = Speed(ratio=ratio, low=low, high=high, pairs=50, seconds=0.01)
    return Entry(parameters=1, macs_exact=1, macs_paper=1, speed=speed)


def test_the_interval_of_a_change_holds_both_uncertainties() -> None:
    change = ModelCheck("fmn04", 0.15, entry(0.5, 0.03), entry(0.4, 0.04)).change
    assert change is not None
    both = math.hypot(math.log(1.03), math.log(1.04))
    assert [change.value, change.low, change.high] == pytest.approx(
        [0.8, 0.8 * math.exp(-both), 0.8 * math.exp(both)]
    )


@pytest.mark.parametrize(
    ("now", "half_width", "status", "seems"),
    [
        (0.86, 0.01, "ok", False),
        (0.80, 0.01, "slower", True),
        (0.80, 0.10, "ok", True),  # it may as well be 0.88
        (1.50, 0.01, "ok", False),
    ],
)
def test_a_model_is_slower_only_beyond_doubt(now: float, half_width: float, status: str, seems: bool) -> None:
    result = ModelCheck("fmn04", 0.15, entry(1.0, 0.01), entry(now, half_width))
    assert (result.status, result.seems_slower) == (status, seems)


def test_twice_the_reference_has_half_its_speed() -> None:
    settle_allocator()
    with torch.inference_mode():
        reference = yardstick_call(CPU)
        ratio = measure_ratio(lambda: (reference(), reference()), reference, CPU, 30)
    assert ratio.estimate.value == pytest.approx(0.5, rel=0.2)
    assert len(ratio.samples) == len(ratio.seconds) == 30


def test_the_reference_workload_has_not_changed() -> None:
    reference = Yardstick()
    with torch.inference_mode():
        x = torch.linspace(-1, 1, 64 * 512).reshape(1, 1, 64, 512)
        out = reference(x)
        macs = effbench.count_macs(reference, x).exact
    assert (sum(p.numel() for p in reference.parameters()), macs) == (327_200, 216_924_160)
    assert out.shape == (1, 256, 64)
    assert float(out.std()) == pytest.approx(1.0935, rel=1e-3)


def test_complexity_is_that_of_the_public_counters(tmp_path: Path) -> None:
    detector = effbench.build_model("fmn04", seed=0)
    found = save(tmp_path / "baseline.json", ["fmn04"], complexity_only=True).models["fmn04"]
    assert found.parameters == sum(parameter.numel() for parameter in detector.parameters())
    assert found.macs_exact == effbench.count_macs(detector, torch.zeros(1, 1, 128, 1000)).exact
