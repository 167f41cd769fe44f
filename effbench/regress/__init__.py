"""Guards complexity and speed: saves a baseline of some models, and checks the working tree against it.

Parameters and MACs must be equal. Speed is a ratio against a fixed reference workload that runs in turn
with the model in the same process, so that load and clock changes cancel; it may not have fallen by more
than a threshold, beyond what the intervals of both measurements leave open.
"""

from __future__ import annotations

from effbench.regress.baseline import Baseline as Baseline
from effbench.regress.baseline import IncomparableSpeeds as IncomparableSpeeds
from effbench.regress.baseline import read_baseline as read_baseline
from effbench.regress.gate import STANDARD_MODELS as STANDARD_MODELS
from effbench.regress.gate import THRESHOLD as THRESHOLD
from effbench.regress.gate import check as check
from effbench.regress.gate import save as save
from effbench.regress.result import Check as Check
from effbench.regress.result import ModelCheck as ModelCheck
from effbench.regress.yardstick import Effort as Effort
