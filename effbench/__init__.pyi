from .data.datasets import open_dataset as open_dataset
from .evaluate.pauroc import pauroc as pauroc
from .evaluate.protocol import evaluate_scores as evaluate_scores
from .evaluate.psds.score import Psds1Result as Psds1Result
from .evaluate.psds.score import psds1 as psds1
from .evaluate.psds.score import psds2 as psds2
from .measure.macs import MacReport as MacReport
from .measure.macs import count_macs as count_macs
from .measure.profile import profile as profile
from .measure.profiled import Profile as Profile
from .models.build import build_model as build_model
from .models.checkpoints import load_checkpoint as load_checkpoint
from .models.detector import Predictions as Predictions
from .models.detector import SoundEventDetector as SoundEventDetector
from .plots.api import plot as plot
from .results.store import Store as Store
from .spec import ModelSpec as ModelSpec

__version__: str
