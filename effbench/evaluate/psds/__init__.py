"""PSDS (polyphonic sound detection score), exact over all thresholds."""

from effbench.evaluate.psds.score import Psds1Result as Psds1Result
from effbench.evaluate.psds.score import psds1 as psds1
from effbench.evaluate.psds.score import psds2 as psds2
