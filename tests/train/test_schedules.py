"""Factors of the learning rate, to the digit."""

import math

import pytest
import torch

from effbench.train.optimizer import SCHEDULES, constant, cosine, exponential, linear


def test_cosine_is_that_of_the_published_runs():
    f = cosine(46_920, warmup=20_000)
    assert f(0) == 0
    assert f(5_000) == 0.25
    assert f(19_999) == 19_999 / 20_000
    assert f(20_000) == 1
    for step in (20_001, 30_000, 46_919):
        assert f(step) == 0.5 * (1 + math.cos(math.pi * (step - 20_000) / 26_920))
    assert f(33_460) == pytest.approx(0.5, abs=1e-15)
    assert f(46_920) == 0


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        (cosine(10, warmup=2, end=0.2), [0, 0.5, 1, 0.2 + 0.4 * (1 + math.cos(math.pi / 8)), 0.6, 0.2]),
        (linear(10, warmup=2, end=0.2), [0, 0.5, 1, 0.9, 0.6, 0.2]),
        (exponential(10, warmup=2, end=1 / 256), [0, 0.5, 1, 0.5, 1 / 16, 1 / 256]),
        (constant(10, warmup=2), [0, 0.5, 1, 1, 1, 1]),
    ],
)
def test_values_at_steps(schedule, values):
    assert [schedule(step) for step in (0, 1, 2, 3, 6, 10)] == pytest.approx(values, rel=1e-12)
    assert schedule(11) == schedule(1000) == schedule(10)


@pytest.mark.parametrize("name", SCHEDULES)
def test_without_warmup_the_first_step_has_the_peak_rate(name):
    assert SCHEDULES[name](5)(0) == 1


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_run_shorter_than_its_warmup_ends_within_it(name):
    f = SCHEDULES[name](4, warmup=8)
    assert [f(step) for step in range(5)] == [0, 0.125, 0.25, 0.375, 0.5]
    assert f(8) == pytest.approx(1)


def test_drives_an_optimizer():
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=2.0)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, linear(4, warmup=2))
    rates = []
    for _ in range(4):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates == [0, 1, 2, 1]
