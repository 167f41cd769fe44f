"""Third-party counters: their figures, and that the stated causes explain the whole difference."""

import pytest
import torch

import effbench
from effbench.measure.macs import count_macs
from effbench.measure.macs.crosscheck import COUNTERS, cross_check

G = 1e9


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("fmn10+tf-256", {"fvcore": 1.462, "thop": 1.491, "torch": 1.432}),
        ("fmn10+gru-256", {"fvcore": 1.035, "thop": 1.830, "torch": 1.767}),
        ("fmn10+attn-256", {"fvcore": 1.199, "thop": 1.229, "torch": 1.170}),
        ("fmn10+hybrid-256", {"fvcore": 1.657, "thop": 1.687, "torch": 1.627}),
        ("fmn04+mamba-104", {}),
        ("fmn04+tcn-104", {}),
    ],
)
def test_known_figures_and_complete_causes(spec, expected):
    detector = effbench.build_model(spec)
    features = torch.zeros(1, 1, 128, 1000)
    keys = list(detector.state_dict())
    report = count_macs(detector, features, strict=True)
    for counter in COUNTERS:
        result = cross_check(detector, features, report, counter)
        if counter in expected:
            assert result.macs / G == pytest.approx(expected[counter], abs=6e-4)
        explained = sum(float(cause.split()[0].replace(",", "")) for cause in result.causes) * 1e6
        assert result.macs - report.exact == pytest.approx(explained, abs=500 * (1 + len(result.causes)))
    assert list(detector.state_dict()) == keys
    detector(features)


def test_failing_counter_is_a_result():
    class Broken(torch.nn.Linear):
        def __deepcopy__(self, memo):
            return torch.nn.Conv2d(1, 1, 1)

    module = Broken(3, 2)
    report = count_macs(module, torch.zeros(1, 3))
    result = cross_check(module, torch.zeros(1, 3), report, "torch")
    assert result.macs is None
    assert "failed" in result.causes[0]
