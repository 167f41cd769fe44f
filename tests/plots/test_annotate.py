"""Labels lie beside their points and on nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from effbench.plots.annotate import Box, place
from effbench.plots.axes import log_limits, log_ticks, tick_label

FRAME = Box(200, 150, 400, 300)
positions = st.tuples(st.floats(0, 400), st.floats(0, 300))


@given(st.lists(positions, max_size=25))
def test_no_label_covers_a_point_or_another_label(anchors: list[tuple[float, float]]) -> None:
    markers = [Box(x, y, 8, 8) for x, y in anchors]
    boxes = place(anchors, [(25, 9)] * len(anchors), frame=FRAME, obstacles=markers, lines=[], gap=5)
    placed = [box for box in boxes if box is not None]
    for index, box in enumerate(placed):
        assert box.within(FRAME)
        assert not any(box.overlaps(other) for other in markers)
        assert not any(box.overlaps(other) for other in placed[:index])


def test_a_lonely_point_has_its_label_above() -> None:
    (box,) = place([(200, 150)], [(30, 10)], frame=FRAME, obstacles=[Box(200, 150, 8, 8)], lines=[], gap=5)
    assert box == Box(200, 160, 30, 10)


def test_a_label_gives_way_to_a_line() -> None:
    line = ((100.0, 160.0), (300.0, 160.0))
    (box,) = place([(200, 150)], [(30, 10)], frame=FRAME, obstacles=[], lines=[line], gap=5)
    assert box is not None
    assert not box.crossed_by(*line)


def test_a_label_without_room_is_left_out() -> None:
    wall = Box(200, 150, 400, 300)
    assert place([(200, 150)], [(30, 10)], frame=FRAME, obstacles=[wall], lines=[], gap=5) == [None]


@given(positions, positions, positions)
def test_a_line_crosses_a_box_if_a_point_of_it_lies_inside(
    centre: tuple[float, float], start: tuple[float, float], end: tuple[float, float]
) -> None:
    box = Box(*centre, 60, 40)
    on_line = [
        (start[0] + part / 50 * (end[0] - start[0]), start[1] + part / 50 * (end[1] - start[1]))
        for part in range(51)
    ]
    if any(abs(x - box.x) < 30 and abs(y - box.y) < 20 for x, y in on_line):
        assert box.crossed_by(start, end)
        assert box.crossed_by(end, start)
    if max(start[0], end[0]) < box.x - 30 or min(start[1], end[1]) > box.y + 20:
        assert not box.crossed_by(start, end)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (3e6, 8e7, [5e6, 1e7, 2e7, 5e7]),
        (0.7, 2000, [1, 10, 100, 1000]),
        (0.2e9, 16e9, [2e8, 5e8, 1e9, 2e9, 5e9, 1e10]),
        (1.23, 1.59, [1.25, 1.3, 1.35, 1.4, 1.45, 1.5, 1.55]),
        (820, 2400, [900, 1000, 1200, 1400, 1600, 1800, 2000]),
    ],
)
def test_ticks_are_round_and_enough(low: float, high: float, ticks: list[float]) -> None:
    assert log_ticks(low, high) == ticks


@given(st.floats(1e-3, 1e12), st.floats(1.0, 1e6))
def test_limits_hold_their_values_and_some_ticks(low: float, ratio: float) -> None:
    left, right = log_limits(low, low * ratio)
    assert left < low
    assert low * ratio < right
    ticks = log_ticks(left, right)
    assert ticks == sorted(set(ticks))
    assert len(ticks) >= 2
    assert all(left <= tick <= right for tick in ticks)


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        (1.5e6, "MACs/clip", "1.5 M"),
        (1e9, "parameters", "1 G"),
        (2e10, "", "20 G"),
        (900, "clips/s", "900"),
        (1250, "clips/s", "1,250"),
        (1232.5, "clips/s", "1,232.5"),
        (20_000, "clips/s", "20 k"),
        (0.5, "", "0.5"),
        (5e5, "bytes", "500 kB"),
        (2e9, "bytes", "2 GB"),
        (2.0, "s", "2 s"),
        (0.02, "s", "20 ms"),
        (5e-5, "s", "50 µs"),
    ],
)
def test_ticks_are_in_units_of_a_fitting_size(number: float, unit: str, text: str) -> None:
    assert tick_label(number, unit) == text
