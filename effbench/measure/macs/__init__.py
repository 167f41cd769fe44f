"""Multiply-accumulates of any module: exact, in the published convention, and as other counters see it."""

from __future__ import annotations

from effbench.measure.macs.counter import MacReport as MacReport
from effbench.measure.macs.counter import count_macs as count_macs
