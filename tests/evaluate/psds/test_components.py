"""Events at every threshold against a plain search."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from effbench.evaluate.psds.components import components

curves = arrays(
    np.float64,
    st.tuples(st.integers(1, 4), st.integers(1, 20)),
    elements=st.sampled_from([-np.inf, 0.0, 1.0, 2.0, 3.0, 4.5, np.inf]),
)


def detections(curve: np.ndarray, threshold: float) -> set[tuple[int, int]]:
    """Contiguous frames whose scores are at least the threshold."""
    edges = np.diff(np.concatenate([[0], (curve >= threshold).astype(int), [0]]))
    return set(zip(np.flatnonzero(edges == 1).tolist(), np.flatnonzero(edges == -1).tolist(), strict=True))


@given(curves, st.sampled_from([-np.inf, 0.5, 2.0]))
def test_every_threshold_has_the_events_of_a_plain_search(curves, floor):
    found = components(curves, np.full(len(curves), floor))
    for row, curve in enumerate(curves):
        mine = found.row == row
        for threshold in (level for level in np.unique(curve) if level > floor):
            on = mine & (found.parent < threshold) & (threshold <= found.level)
            spans = list(zip(found.start[on].tolist(), found.stop[on].tolist(), strict=True))
            assert len(spans) == len(set(spans))
            assert set(spans) == detections(curve, threshold)


@given(curves)
def test_levels_are_the_lowest_scores_and_parents_the_highest_neighbours(curves):
    found = components(curves, np.full(len(curves), -np.inf))
    for row, start, stop, level, parent in zip(
        found.row, found.start, found.stop, found.level, found.parent, strict=True
    ):
        padded = np.concatenate([[-np.inf], curves[row], [-np.inf]])
        assert level == padded[start + 1 : stop + 1].min()
        assert parent == max(padded[start], padded[stop + 1])
