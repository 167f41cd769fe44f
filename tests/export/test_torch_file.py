"""Archives of torch.export give torch's logits in a process that has torch alone."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
import torch

import effbench as package
from effbench.errors import ExportError
from effbench.export.torch_file import export_torch
from effbench.export.torch_recurrence import GruFrameByFrame, StateSpaceFrameByFrame
from effbench.models.sequence.scans import StateSpaceScan

#: What a user runs who has torch, and not effbench: isolated, and unable to import it.
ALONE = """
import json, sys
sys.modules["effbench"] = None
import torch
texts = {"effbench.json": ""}
model = torch.export.load(sys.argv[1], extra_files=texts).module()
with torch.inference_mode():
    torch.save(model(torch.load(sys.argv[2])), sys.argv[3])
print(json.loads(texts["effbench.json"])["model"])
"""


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "takes"), [("fmn01+gru-16", "waveform"), ("fmn01+mamba-16", "features")])
def test_an_archive_runs_without_effbench_at_another_batch_and_length(tmp_path, spec, takes):
    detector = package.build_model(spec, seed=0, n_classes=5)
    exported = export_torch(detector, tmp_path / "model.pt2", takes=takes)
    assert exported.logit_error < 1e-4
    assert exported.bytes == exported.path.stat().st_size
    waveform = torch.randn(3, 31_000, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        features = detector.frontend(waveform)
        wanted = detector(features)
    torch.save(waveform if takes == "waveform" else features, tmp_path / "given.pt")
    files = [tmp_path / name for name in ("model.pt2", "given.pt", "found.pt")]
    done = subprocess.run(
        [sys.executable, "-I", "-c", ALONE, *map(str, files)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == spec
    found = torch.load(tmp_path / "found.pt")
    torch.testing.assert_close(found["strong"], wanted.strong, atol=1e-5, rtol=0)
    torch.testing.assert_close(found["weak"], wanted.weak, atol=1e-5, rtol=0)


@pytest.mark.slow
def test_the_command_writes_an_archive_of_one_head(effbench, tmp_path):
    done = effbench("export", "--model", "fmn01", "--format", "torch", "--head", "strong", "--out", "m.pt2")
    assert done.returncode == 0, done.stderr
    assert "m.pt2: " in done.stderr
    texts = {"effbench.json": ""}
    program = torch.export.load(tmp_path / "m.pt2", extra_files=texts)
    about = json.loads(texts["effbench.json"])
    assert (about["model"], about["input"], about["sample_rate"]) == ("fmn01", "waveform", "16000")
    (head,) = program.module()(torch.zeros(1, 16_000)).items()
    assert head[0] == "strong"
    assert head[1].shape == (1, 447, 25)


def test_a_model_that_gives_no_numbers_is_not_exported(tmp_path):
    detector = package.build_model("fmn01", seed=0, n_classes=2)
    with torch.no_grad():
        detector.strong_head.bias.fill_(torch.nan)
    with pytest.raises(ExportError, match="up to inf from torch's"):
        export_torch(detector, tmp_path / "model.pt2", takes="features")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("layers", [1, 2])
@pytest.mark.parametrize("both", [False, True])
def test_a_gru_frame_by_frame_is_torch_s(layers, both):
    torch.manual_seed(0)
    gru = torch.nn.GRU(6, 5, num_layers=layers, batch_first=True, bidirectional=both)
    x = torch.randn(2, 9, 6)
    with torch.no_grad():
        torch.testing.assert_close(GruFrameByFrame(gru)(x)[0], gru(x)[0])


def test_a_state_space_frame_by_frame_is_that_in_chunks():
    torch.manual_seed(0)
    x, dt, A = torch.randn(2, 70, 3, 4), torch.rand(2, 70, 3), -torch.rand(3)
    B, C = torch.randn(2, 70, 5), torch.randn(2, 70, 5)
    found = StateSpaceFrameByFrame()(x, dt, A, B, C)
    torch.testing.assert_close(found, StateSpaceScan()(x, dt, A, B, C), atol=1e-4, rtol=1e-4)
