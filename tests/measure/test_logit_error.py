"""What a precision costs is measured on the network that is timed, and kept beside its speed."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

import effbench
from effbench.machine.description import Environment
from effbench.measure.conditions import Conditions
from effbench.measure.logit_error import LogitError, as_if_trained, measure_logit_error
from effbench.models.probe import probe_clips
from tests.measure.detectors import tiny_detector
from tests.measure.test_profile import BRIEF

BF16 = Conditions(precision="bf16", clip_seconds=1)


def test_the_error_is_that_of_rounding_to_the_precision() -> None:
    detector = tiny_detector().eval()
    error = measure_logit_error(detector, BF16)
    assert error is not None
    features = detector.frontend(probe_clips(detector.sample_rate, 1))
    with torch.inference_mode():
        expected = detector(features)
        with torch.autocast("cpu", torch.bfloat16):
            found = detector(features)
    differences = [(a.float() - b).abs().max() for a, b in zip(found, expected, strict=True)]
    assert error.value == pytest.approx(float(max(differences)), rel=1e-3)
    assert error.largest == pytest.approx(float(max(x.abs().max() for x in expected)), rel=1e-5)
    assert 0 < error.value < 0.05 * error.largest


def test_float32_has_no_error_and_is_not_compared_with_itself() -> None:
    assert measure_logit_error(tiny_detector(), Conditions(clip_seconds=1)) is None


def test_untrained_weights_are_replaced_by_some_that_can_go_wrong() -> None:
    detector = effbench.build_model("fmn01", seed=0)
    before = [parameter.clone() for parameter in detector.parameters()]
    trained = as_if_trained(detector)
    features = detector.frontend(probe_clips(detector.sample_rate, 10))
    with torch.inference_mode():
        strong, weak = trained(features)
        plain, _ = detector(features)
    assert float(strong.abs().max()) == pytest.approx(10, rel=1e-3)
    assert float(weak.abs().max()) == pytest.approx(10, rel=1e-3)
    assert strong.std((0, 2)).mean() > 10 * plain.std((0, 2)).mean()  # what it hears matters
    assert all(map(torch.equal, before, detector.parameters()))


class Overflows(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x / x.new_zeros(()) if torch.is_autocast_enabled("cpu") else x


def test_an_error_beyond_all_bounds_is_said_and_not_stored() -> None:
    profile = effbench.profile(Overflows(), inputs=torch.ones(2, 3), precision="bf16", budget=BRIEF)
    error = profile.logit_error
    assert error is not None
    assert error.value == math.inf
    assert "not finite" in str(error)
    assert "logit_error" not in {row.quantity for row in profile.timings()}
    assert json.loads(json.dumps(profile.to_dict(), allow_nan=False))["logit_error"]["value"] is None


def test_a_profile_shows_and_keeps_what_its_precision_costs() -> None:
    detector = tiny_detector()
    options = {"parts": ("network",), "batch_sizes": [1], "clip_seconds": 1, "budget": BRIEF}
    profile = effbench.profile(detector, precision="bf16", **options)
    assert isinstance(profile.logit_error, LogitError)
    assert profile.logit_error.value == measure_logit_error(detector, BF16).value  # type: ignore[union-attr]
    assert f"against float32: {profile.logit_error}" in " ".join(map(str, profile.sections()))
    (row,) = profile.logit_error.measurements("fmn10", Environment())
    assert (row.quantity, row.unit, row.conditions["precision"]) == ("logit_error", "logits", "bf16")
    assert effbench.profile(detector, **options).logit_error is None
    assert "untrained" in str(replace(profile.logit_error, weights="untrained"))


def test_the_row_of_eight_bits_says_what_it_was_calibrated_on() -> None:
    error = LogitError(0.5, 8.0, Conditions(backend="onnx-int8"))
    (row,) = error.measurements("fmn10", Environment())
    assert row.conditions["backend"] == "onnx-int8"
    assert row.environment["logits"]["calibration"] == "16 synthetic soundscapes, MinMax, 7-bit weights"  # type: ignore[index]
