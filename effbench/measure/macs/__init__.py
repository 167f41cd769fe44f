"""Multiply-accumulates of any module: exact, in the published convention, and as other counters see it."""

from __future__ import annotations

from effbench.measure.macs.counted_call import OwnRule as OwnRule
from effbench.measure.macs.counter import count_macs as count_macs
from effbench.measure.macs.report import MacReport as MacReport
