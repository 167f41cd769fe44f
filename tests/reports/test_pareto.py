"""Pareto fronts: exactly the points that nothing dominates."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from effbench.reports.pareto import Tradeoff, dominator, pareto_front

# Few distinct values, so that ties of every kind are common.
numbers = st.integers(-4, 4).map(float)
tables = st.dictionaries(st.integers(0, 50), st.builds(Tradeoff, numbers, numbers), max_size=20)


@given(tables)
def test_the_front_is_what_nothing_dominates(points: dict[int, Tradeoff]) -> None:
    undominated = {
        name
        for name, point in points.items()
        if not any(
            (other.cost < point.cost and other.score >= point.score)
            or (other.cost <= point.cost and other.score > point.score)
            for other in points.values()
        )
    }
    assert set(pareto_front(points)) == undominated


@given(tables)
def test_the_front_rises_in_cost_and_score(points: dict[int, Tradeoff]) -> None:
    front = [points[name] for name in pareto_front(points)]
    assert front == sorted(front)
    assert len(pareto_front(points)) == len(set(pareto_front(points)))


@given(tables)
def test_every_point_is_on_the_front_or_dominated_by_one_that_is(points: dict[int, Tradeoff]) -> None:
    front = set(pareto_front(points))
    assert front or not points
    for name in points:
        better = dominator(name, points)
        assert (better is None) == (name in front)
        if better is not None:
            assert points[better].dominates(points[name])
            assert better in front


@given(tables, st.integers(0, 50), st.builds(Tradeoff, numbers, numbers))
def test_a_dominated_newcomer_changes_nothing(
    points: dict[int, Tradeoff], name: int, newcomer: Tradeoff
) -> None:
    others = {other: point for other, point in points.items() if other != name}
    if any(point.dominates(newcomer) for point in others.values()):
        assert pareto_front({**others, name: newcomer}) == pareto_front(others)


def test_equal_points_stand_together() -> None:
    points = {"a": Tradeoff(1, 1), "b": Tradeoff(1, 1), "c": Tradeoff(2, 1)}
    assert pareto_front(points) == ("a", "b")
    assert dominator("a", points) is None


def test_the_best_scoring_dominator_is_named() -> None:
    points = {"cheap": Tradeoff(1, 5), "good": Tradeoff(3, 9), "bad": Tradeoff(4, 4)}
    assert dominator("bad", points) == "good"
