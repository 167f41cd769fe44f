"""Synthetic soundscapes: data sets for demos, tests and training on CPUs, from numpy and scipy alone."""

from effbench.data.synth.sounds import SOUNDS as SOUNDS
from effbench.data.synth.write import synthesise as synthesise
