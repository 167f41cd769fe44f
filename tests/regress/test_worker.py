"""What runs inside a version: its counts, in closed form, and its counter of events."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from effbench.regress.worker import EventCounter, TensorLedger, count


def test_operators_and_bytes_are_those_of_the_graph():
    net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
    counts = count(net, (torch.zeros(2, 8),))
    first, last = 2 * 16 * 4, 2 * 4 * 4
    assert counts["parameters"] == 8 * 16 + 16 + 16 * 4 + 4
    assert counts["macs_exact"] == 2 * (8 * 16 + 16 * 4)
    assert counts["activation_bytes"] == first + first + last
    # A layer's input lives until its output is there; the first one's is the caller's.
    assert counts["peak_live_bytes"] == 2 * first
    assert count(net, (torch.zeros(2, 8),)) == counts


def test_views_and_work_in_place_make_no_tensors():
    x = torch.zeros(10)
    with TensorLedger() as ledger:
        y = x.view(2, 5)
        y.add_(1)
        del y
        z = x + 1
        del z
        x * 2
    assert (ledger.operators, ledger.activation_bytes, ledger.peak_live_bytes) == (4, 80, 40)
    assert ledger.live_bytes == 0


@pytest.mark.skipif(sys.platform != "linux", reason="counters of Linux")
def test_events_are_counted_where_they_can_be():
    counter = EventCounter(kind=1, event=1)  # of software: nanoseconds of the thread
    before = counter.read()
    if before is None:
        pytest.skip("this machine does not let programs count")
    sum(range(10_000))
    after = counter.read()
    assert after is not None
    assert after > before
