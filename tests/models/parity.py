"""Published outputs, and published-layout files with deterministic weights, for every fixture spec."""

import gzip
import json
import sys
from functools import cache
from pathlib import Path

import numpy as np
import torch

FIXTURES = Path(__file__).parents[1] / "fixtures" / "parity"
sys.path.insert(0, str(FIXTURES))
import fill  # noqa: E402

LISTINGS = json.loads(gzip.decompress((FIXTURES / "state_dicts.json.gz").read_bytes()))
OUTPUTS = np.load(FIXTURES / "outputs.npz")
NAMES = sorted(LISTINGS)


def spec_of(name: str) -> str:
    return name.partition("_")[0]


def output(name: str, key: str) -> np.ndarray:
    return OUTPUTS[f"{name}/{key}"]


def renamed_state(name: str) -> dict[str, torch.Tensor]:
    return fill.make_state_dict(LISTINGS[name]["state_dict"])


def raw_key(key: str) -> str:
    """Key of the raw published layout, which the renamed one was made from."""
    return "net." + key.replace("model.fmn.", "model.", 1)


def raw_state(name: str) -> dict[str, torch.Tensor]:
    return {raw_key(key): tensor for key, tensor in renamed_state(name).items()}


def save(state: dict[str, torch.Tensor], path: Path) -> Path:
    torch.save(state, path)
    return path


@cache
def waveform() -> torch.Tensor:
    return torch.from_numpy(fill.waveform(int(output("fmn10", "seeds")[0])))


def mel_input() -> torch.Tensor:
    return torch.from_numpy(fill.mel_input(output("fmn10", "mel_shape")))
