"""Knee, hypervolume and probabilities of fronts, against brute force."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from effbench.reports.front_shape import hypervolume, knee, probability_on_front
from effbench.results.dominance import undominated

# Few distinct values, so that ties of every kind are common.
gain = st.sampled_from([-math.inf, -1.0, 0.0, 1.0, 2.0, 3.0, math.inf])


def tables(gains=gain, most=7):
    return st.integers(1, 4).flatmap(
        lambda metrics: st.lists(st.tuples(*[gains] * metrics), min_size=1, max_size=most)
    )


def beats(one, other):
    return all(a >= b for a, b in zip(one, other, strict=True)) and one != other


@given(tables())
def test_the_front_in_any_number_of_metrics_is_what_nothing_beats(points):
    front = undominated(dict(enumerate(points)))
    assert set(front) == {
        number for number, point in enumerate(points) if not any(beats(other, point) for other in points)
    }
    assert len(front) == len(set(front))


def test_a_gain_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="not a number"):
        undominated({"a": (1.0, math.nan)})


@given(tables(st.integers(-1, 4).map(float)))
def test_the_hypervolume_is_the_number_of_unit_cubes_below_the_points(points):
    metrics = len(points[0])
    cubes = itertools.product(range(4), repeat=metrics)
    covered = sum(any(all(c < g for c, g in zip(cube, p, strict=True)) for p in points) for cube in cubes)
    assert hypervolume(points, [0.0] * metrics) == covered


@settings(max_examples=20)
@given(st.integers(1, 4), st.integers(1, 12), st.integers(0, 99))
def test_the_hypervolume_is_what_monte_carlo_finds(metrics, count, seed):
    generator = np.random.default_rng(seed)
    points = generator.random((count, metrics))
    darts = generator.random((20_000, metrics))
    hit = (darts[:, None] < points[None]).all(axis=2).any(axis=1).mean()
    assert hypervolume(points.tolist(), [0.0] * metrics) == pytest.approx(hit, abs=0.02)


def test_infinite_gains_make_an_infinite_volume_only_where_all_gains_are_better():
    assert hypervolume([(math.inf, 1.0)], (0, 0)) == math.inf
    assert hypervolume([(math.inf, 0.0), (-math.inf, 2.0), (2.0, 3.0)], (0, 0)) == 6
    with pytest.raises(ValueError, match="finite"):
        hypervolume([(1.0,)], (math.inf,))


@given(st.dictionaries(st.integers(0, 9), st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=2))
def test_the_knee_of_two_metrics_is_furthest_from_the_line_between_the_ends(points):
    front = {name: tuple(map(float, points[name])) for name in undominated(points)}
    found = knee(front)
    a, b = min(front.values()), max(front.values())
    # Twice the area of the triangle with both ends, positive beyond the line.
    areas = {n: (p[0] - a[0]) * (a[1] - b[1]) - (a[1] - p[1]) * (b[0] - a[0]) for n, p in front.items()}
    assert set(found) == {n for n, area in areas.items() if area == max(areas.values()) and area > 0}


def test_the_knee_of_a_straight_or_hollow_front_is_none():
    assert knee({"a": (0, 2), "b": (1, 1), "c": (2, 0)}) == ()
    assert knee({"a": (0, 9), "b": (1, 1), "c": (9, 0)}) == ()
    assert knee({"a": (0, 9), "b": (8, 8), "c": (9, 0)}) == ("b",)
    assert knee({"only": (1, 1)}) == knee({}) == ()


@given(tables(most=5), st.integers(0, 9))
def test_probabilities_are_shares_of_fronts(points, seed):
    draws = np.random.default_rng(seed).choice([-np.inf, 0.0, 1.0, 2.0], (len(points), 6, len(points[0])))
    fronts = [undominated(dict(enumerate(draws[:, draw].tolist()))) for draw in range(6)]
    shares = [sum(number in front for front in fronts) / 6 for number in range(len(points))]
    assert probability_on_front(draws.transpose(0, 2, 1)) == pytest.approx(shares)
