"""The sequential test: its intervals are exact, and its verdicts wrong as seldom as they promise."""

from __future__ import annotations

from collections import Counter
from itertools import product

import numpy as np
import pytest

from effbench.regress.sequential import INTERIM_LOOKS, Verdict, decide, hodges_lehmann, interval

THRESHOLD = 0.025
RUNS = 150


def test_the_interval_is_as_wide_as_counting_all_signs_says():
    values = np.array([0.3, 1.1, -0.4, 2.2, 0.9, 1.7, 0.6, 3.1])
    ranks = range(1, 9)
    sums = [
        sum(r for r, plus in zip(ranks, signs, strict=True) if plus) for signs in product((0, 1), repeat=8)
    ]
    means = sorted((a + b) / 2 for i, a in enumerate(values) for b in values[i:])
    for error in (0.004, 0.02, 0.1):
        depth = sum(np.mean([total <= k for total in sums]) <= error for k in range(len(means)))
        assert interval(values, error) == pytest.approx((means[depth - 1], means[-depth]))


def test_too_few_launches_bound_nothing():
    assert interval([0.1, 0.2, 0.3], 0.01) == (-np.inf, np.inf)
    assert decide([1.0] * 7, THRESHOLD).verdict == "undecided"


def test_the_shares_of_the_looks_are_one_per_cent():
    assert sum(INTERIM_LOOKS.values()) == pytest.approx(0.01)


def test_one_launch_that_went_wrong_does_not_move_the_centre():
    assert hodges_lehmann([0.0, 0.01, -0.01, 0.02, -0.02, 5.0]) == pytest.approx(0.0, abs=0.02)


@pytest.mark.parametrize(
    ("ratio", "verdict"), [(1.2, "slower"), (1 / 1.2, "faster"), (1.0, "same"), (1.025, "undecided")]
)
def test_each_verdict(ratio: float, verdict: Verdict):
    launches = np.log(ratio) + np.resize([-0.01, 0.01, -0.004, 0.004], max(INTERIM_LOOKS))
    decision = decide(launches.tolist(), THRESHOLD)
    assert decision.verdict == verdict
    assert decision.ratio.value == pytest.approx(ratio, rel=1e-3)
    assert decision.launches == (max(INTERIM_LOOKS) if verdict == "undecided" else min(INTERIM_LOOKS))


def machine(random: np.random.Generator, calls: int, kind: str) -> np.ndarray:
    """Times (calls,) of one and the same work, on a machine that is disturbed in one way."""
    quiet = 1 + 0.03 * random.standard_normal(calls)
    if kind == "heavy tails":
        return quiet * np.where(random.random(calls) < 0.05, 1 + random.pareto(2.5, calls), 1)
    if kind == "drift":
        return quiet * np.linspace(1, 1.5, calls)
    states = np.cumsum(random.random(calls) < 0.02) % 2  # another program comes and goes
    return quiet * (1 + 0.2 * states)


def run(seed: int, slowdown: float, kind: str) -> Verdict:
    """A B B A, eight blocks a launch, each launch with a bias of its own."""
    random = np.random.default_rng(seed)
    launches = []
    for _ in range(max(INTERIM_LOOKS)):
        turns = np.log(machine(random, 8 * 4 * 2, kind).reshape(8, 4, 2).mean(2))
        forward = random.random((8, 1)) < 0.5
        b = np.where(forward, turns[:, [1, 2]], turns[:, [0, 3]])
        a = np.where(forward, turns[:, [0, 3]], turns[:, [1, 2]])
        bias = 0.01 * random.standard_normal()
        launches.append(float(np.log1p(slowdown) + bias + np.median(b[:, :, None] - a[:, None, :])))
    return decide(launches, THRESHOLD).verdict


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["heavy tails", "drift", "coming and going"])
def test_true_slowdowns_are_found_and_others_are_not(kind: str):
    same = Counter(run(seed, 0.0, kind) for seed in range(RUNS))
    slower = Counter(run(seed, 0.05, kind) for seed in range(RUNS))
    assert same["slower"] + same["faster"] == 0, same
    assert slower["slower"] >= 0.95 * RUNS, slower


def test_looking_often_does_not_raise_the_error():
    # At the threshold itself, every "slower" and every "same" is an error: 1 % each.
    random = np.random.default_rng(0)
    runs = np.log1p(THRESHOLD) + 0.02 * random.standard_t(3, (1000, max(INTERIM_LOOKS)))
    found = Counter(decide(launches.tolist(), THRESHOLD).verdict for launches in runs)
    assert found["slower"] <= 17
    assert found["same"] <= 17
