"""Profiles: of specs, of detectors, of any module, and how they show themselves."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import effbench
from effbench.errors import EffbenchWarning, UsageError
from effbench.measure.profiles import Profiles
from effbench.measure.timing import Budget
from effbench.shown import Table
from tests.measure.detectors import tiny_detector

BRIEF = Budget(
    min_seconds=0.02,
    min_iterations=3,
    min_latency_iterations=5,
    max_seconds=2.0,
    min_warmup_seconds=0.0,
    max_warmup_seconds=0.2,
)


class TwoInputs(nn.Module):
    """(batch, 6), (batch, 6) -> (batch, 3)."""

    def __init__(self) -> None:
        super().__init__()
        self.left = nn.Linear(6, 3)
        self.right = nn.Linear(6, 3, bias=False)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.left(x) + self.right(y)


def test_rows_of_counts_keep_the_software_alone() -> None:
    rows = effbench.profile("fmn04", throughput=False).measurements()
    assert {row.quantity for row in rows} >= {"parameters", "macs_exact", "macs_paper"}
    for row in rows:
        assert row.environment is not None
        assert set(row.environment) - {"blocks"} == {"software"}
        assert ("blocks" in row.environment) == (row.quantity == "macs_exact")
        assert row.environment["software"]["torch"] == torch.__version__


def test_any_module_is_counted_and_timed_on_its_inputs() -> None:
    module = TwoInputs().train()
    lines: list[str] = []
    profile = effbench.profile(
        module, inputs=(torch.ones(4, 6), torch.ones(4, 6)), budget=BRIEF, progress=lines.append
    )
    assert profile.spec == "TwoInputs"
    assert profile.complexity.parameters.total == 6 * 3 + 3 + 6 * 3
    assert profile.complexity.macs.exact == 2 * 4 * 6 * 3
    (rate,) = profile.throughput
    assert profile.best_throughput is rate
    assert (rate.batch_size, rate.conditions.part) == (4, "network")
    assert rate.rate.value == pytest.approx(4 / sorted(rate.samples)[len(rate.samples) // 2], rel=0.5)
    assert profile.latency is not None
    assert len(profile.latency.samples) >= BRIEF.min_latency_iterations
    assert profile.memory is None
    assert module.training
    assert len(lines) == 3
    assert json.loads(json.dumps(profile.to_dict()))["macs_detail"]["frontend"] is None


def test_a_module_shows_its_own_parts() -> None:
    profile = effbench.profile(TwoInputs(), inputs=(torch.ones(4, 6), torch.ones(4, 6)), throughput=False)
    table = next(section for section in profile.sections() if isinstance(section, Table))
    assert table.title == "TwoInputs, one call"
    assert [row["part"] for row in table.rows] == ["left", "right", "total"]


def test_a_module_with_one_input_is_compared_with_third_party_counters() -> None:
    profile = effbench.profile(nn.Linear(6, 3), inputs=torch.ones(2, 6), counters=["torch"], throughput=False)
    assert profile.complexity.macs_by_counter()["torch"] == profile.complexity.macs.exact == 36


def test_an_operator_without_a_rule_in_a_module_is_told_and_does_not_stop_the_profile() -> None:
    class Odd(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.linalg.matrix_exp(x)

    with pytest.warns(EffbenchWarning, match="no rule to count"):
        effbench.profile(Odd(), inputs=torch.ones(1, 4, 4), throughput=False)


@pytest.mark.parametrize(
    ("model", "options", "said"),
    [
        (nn.Linear(6, 3), {}, "Linear is not a detector: give the inputs of one call"),
        ("fmn04", {"inputs": torch.ones(1, 6)}, "not on given inputs"),
        (tiny_detector(), {"inputs": torch.ones(1, 6)}, "not on given inputs"),
        (None, {}, "not a value of type NoneType"),
        (nn.Linear, {}, "not the class Linear"),
        (len, {}, "not a value of type builtin_function_or_method"),
        (3, {}, "not a value of type int"),
        (["fmn04"], {}, "not a value of type list"),
        ("no/file.pt", {}, "unknown model 'no/file.pt'"),
        ("fmn04", {"batch_sizes": [1, 0]}, r"numbers from 1 on, not \[1, 0\]"),
        ("fmn04", {"batch_sizes": ["1"]}, "numbers from 1 on"),
        (
            nn.Linear(6, 3),
            {"inputs": torch.ones(1, 5)},
            r"on these inputs, float32 \(1, 5\): RuntimeError: mat1",
        ),
        (nn.Linear(6, 3), {"inputs": 3}, "can't be called on these inputs, 3"),
        (nn.Linear(6, 3), {"inputs": torch.ones(1, 6), "batch_sizes": [2]}, "only the call on them"),
        (nn.Linear(6, 3), {"inputs": torch.ones(1, 6), "parts": ["frontend"]}, "only the call on them"),
        (nn.Linear(6, 3), {"inputs": torch.ones(1, 6), "parts": ["head"]}, "unknown part 'head'"),
        (TwoInputs(), {"inputs": [torch.ones(1, 6)] * 2, "counters": ["thop"]}, "only input is a tensor"),
    ],
)
def test_what_does_not_go_together_is_refused_in_words(
    model: Any, options: dict[str, Any], said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        effbench.profile(model, budget=BRIEF, **options)


def test_a_module_needs_a_dimension_that_counts_clips() -> None:
    with pytest.raises(UsageError, match="first dimension counts clips"):
        effbench.profile(nn.Identity(), inputs=torch.tensor(1.0), budget=BRIEF)


def test_profiles_show_themselves() -> None:
    profile = effbench.profile(
        tiny_detector(), batch_sizes=[1], parts=["network"], clip_seconds=1, budget=BRIEF
    )
    assert repr(profile).startswith("<Profile of SoundEventDetector: ")
    assert " clips/s [" in repr(profile)
    assert len(repr(profile)) < 200
    assert "Throughput" in profile._repr_html_()
    (row,) = profile.rows()
    assert row["throughput"] == profile.throughput[0].rate.value
    assert row["latency_p99"] == profile.to_dict()["latency"]["p99"]
    assert (row["part"], row["batch_size"], row["seconds"]) == ("network", 1, 1)
    several = Profiles((profile, profile))
    assert len(several.to_frame()) == 2
    (table,) = several.sections()
    assert isinstance(table, Table)
    columns, said = table.shown()
    assert "part" not in columns
    assert said is not None
    assert said.startswith("all rows: part network, batch 1, ")


def test_every_result_is_one_short_line_and_a_frame() -> None:
    profile = effbench.profile(
        tiny_detector(), batch_sizes=[1], parts=["network"], clip_seconds=1, budget=BRIEF
    )
    assert profile.latency is not None
    for result in (
        profile,
        *profile.throughput,
        profile.latency,
        profile.complexity,
        profile.complexity.macs,
    ):
        assert len(repr(result)) <= 120
        assert "\n" not in repr(result)
        assert len(result.to_frame()) >= 1
        assert result._repr_html_().startswith("<")
    assert list(profile.latency.to_frame()["quantity"]) == ["latency_p50", "latency_p90", "latency_p99"]
    assert len(repr(profile.timings()[0])) < 1000


def test_every_part_that_is_asked_for_is_measured_and_labelled() -> None:
    profile = effbench.profile(
        tiny_detector(), batch_sizes=[1], parts=["frontend", "both"], clip_seconds=1, budget=BRIEF
    )
    assert [row["part"] for row in profile.rows()] == ["frontend", "both"]
    assert [row["latency_p50"] for row in profile.rows()] == [
        latency.percentile(50).value for latency in profile.latencies
    ]
    assert profile.latency is profile.latencies[0]
    assert profile.to_dict()["latency"]["part"] == "frontend"
    kept = {(row.quantity, row.conditions["part"]) for row in profile.timings()}
    assert kept >= {("latency_p50", "frontend"), ("latency_p50", "both"), ("throughput", "both")}
    (table,) = Profiles((profile,)).sections()
    assert isinstance(table, Table)
    assert [row["part"] for row in table.rows] == ["frontend", "both"]


def test_the_published_score_stands_beside_the_cost() -> None:
    profile = effbench.profile("fmn04", throughput=False)
    assert profile.rows()[0]["psds1_published"] == 39.52
    assert profile.compared()[0]["published PSDS1 (%)"] == 39.52
    assert effbench.profile("fmn05", throughput=False).rows()[0]["psds1_published"] is None
