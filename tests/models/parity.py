"""Published outputs, and published-layout files with deterministic weights, for every fixture spec."""

import gzip
import json
import sys
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from effbench.spec import TRANSFORMERS

FIXTURES = Path(__file__).parents[1] / "fixtures" / "parity"
sys.path.insert(0, str(FIXTURES))
import fill  # noqa: E402

LISTINGS = json.loads(gzip.decompress((FIXTURES / "state_dicts.json.gz").read_bytes()))
OUTPUTS = np.load(FIXTURES / "outputs.npz")
TRANSFORMER_NAMES = sorted(name for name in LISTINGS if name.startswith(TRANSFORMERS))
NAMES = sorted(set(LISTINGS) - set(TRANSFORMER_NAMES))

#: How the raw published layout spells what the renamed one calls by the second name.
_RAW = {
    "BEATs": ("model.model.", "model.beats."),
    "ATST-F": ("", ""),
    "fpasst": ("model.", "model.fpasst."),
    "M2D": ("model.", "model.m2d."),
    "ASIT": ("model.", "model.asit."),
}


def spec_of(name: str) -> str:
    return name.partition("_")[0]


def backbone_of(name: str) -> str:
    return name.partition("+")[0]


def output(name: str, key: str) -> np.ndarray:
    return OUTPUTS[f"{name}/{key}"]


@lru_cache(maxsize=1)
def renamed_state(name: str) -> dict[str, torch.Tensor]:
    own = [entry for entry in LISTINGS[name]["state_dict"] if not entry[0].startswith("model.")]
    return {**_backbone_state(backbone_of(name)), **fill.make_state_dict(own)}


@lru_cache(maxsize=1)
def _backbone_state(backbone: str) -> dict[str, torch.Tensor]:
    entries = LISTINGS[backbone]["state_dict"]
    return fill.make_state_dict([entry for entry in entries if entry[0].startswith("model.")])


def raw_key(key: str, backbone: str = "fmn04") -> str:
    """Key of the raw published layout, which the renamed one was made from."""
    if backbone in _RAW:
        raw, renamed = _RAW[backbone]
        return raw + key.removeprefix(renamed) if key.startswith(renamed) else key
    return "net." + key.replace("model.fmn.", "model.", 1)


def raw_state(name: str) -> dict[str, torch.Tensor]:
    return {raw_key(key, backbone_of(name)): tensor for key, tensor in renamed_state(name).items()}


def constants(name: str) -> dict[str, torch.Tensor]:
    """Entries of the raw layout that no training changes, with other values than they have."""
    filled = renamed_state(name)
    return {
        raw_key(key, backbone_of(name)): torch.full(shape, 9.0)
        for key, shape, _ in LISTINGS[name]["state_dict"]
        if key not in filled and "freqs" not in key
    }


def save(state: dict[str, torch.Tensor], path: Path) -> Path:
    torch.save(state, path)
    return path


def waveform(name: str = "fmn10") -> torch.Tensor:
    return torch.from_numpy(fill.waveform(int(output(name, "seeds")[0])))


def mel_input(name: str = "fmn10") -> torch.Tensor:
    return torch.from_numpy(fill.mel_input(output(name, "mel_shape")))
