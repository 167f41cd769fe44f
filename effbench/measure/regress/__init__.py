"""Guards complexity and speed: saves a baseline of some models, and checks the working tree against it.

Parameters and MACs must be equal. Speed is a ratio against a fixed reference workload that runs in turn
with the model in the same process, so that load and clock changes cancel; it may not have fallen by more
than a threshold, beyond what the intervals of both measurements leave open.
"""

from __future__ import annotations

from effbench.measure.regress.baseline import DEFAULT_BASELINE as DEFAULT_BASELINE
from effbench.measure.regress.baseline import Baseline as Baseline
from effbench.measure.regress.baseline import read_baseline as read_baseline
from effbench.measure.regress.result import Check as Check
from effbench.measure.regress.result import ModelCheck as ModelCheck
from effbench.measure.regress.run import STANDARD_MODELS as STANDARD_MODELS
from effbench.measure.regress.run import THRESHOLD as THRESHOLD
from effbench.measure.regress.run import check as check
from effbench.measure.regress.run import save as save
from effbench.measure.regress.speed import Effort as Effort
