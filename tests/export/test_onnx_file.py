"""ONNX files give torch's logits for batches and clips of any size, and refuse what they can't take."""

import json

import pytest
import torch

import effbench
from effbench.errors import ExportError, UsageError
from effbench.export.exportable import Exportable, resizing_matrix
from effbench.export.exported import weights_digest
from effbench.export.onnx_file import export_onnx
from effbench.export.onnx_session import OnnxSession
from effbench.models.backbones.asit import Asit
from effbench.models.backbones.atst import AtstFrame
from effbench.models.backbones.beats import Beats
from effbench.models.backbones.fpasst import FramePasst
from effbench.models.backbones.m2d import M2d
from effbench.models.detector import resize_frames
from effbench.models.frontends.kaldi import asit_frontend, beats_frontend
from effbench.models.frontends.mel import LogMelFrontend, atst_frontend, m2d_frontend
from effbench.models.probe import probe_clips

onnxruntime = pytest.importorskip("onnxruntime")

SIZE = {"dim": 48, "depth": 1, "heads": 4}
TRANSFORMERS = {
    "BEATs": lambda: (beats_frontend(16), Beats(**SIZE, patch_dim=32, groups=4)),
    "ASiT": lambda: (asit_frontend(16), Asit(**SIZE)),
    "ATST-F": lambda: (atst_frontend(), AtstFrame(**SIZE)),
    "fPaSST": lambda: (LogMelFrontend(periodic=True), FramePasst(**SIZE)),
    "M2D": lambda: (m2d_frontend(), M2d(**SIZE)),
}


@pytest.fixture(scope="module")
def detector():
    return effbench.build_model("fmn01+gru-16", seed=0, n_classes=5)


@pytest.fixture(scope="module")
def exported(detector, tmp_path_factory):
    path = tmp_path_factory.mktemp("exported") / "model.onnx"
    return export_onnx(detector, path)


def test_logits_are_torch_s_for_any_batch_and_length(detector, exported):
    session = OnnxSession(exported.path)
    for batch, samples in ((1, 258), (3, 16_001), (2, 64_000)):
        waveform = torch.randn(batch, samples, generator=torch.Generator().manual_seed(samples))
        with torch.inference_mode():
            wanted = detector(detector.frontend(waveform))
        found = session(waveform)
        torch.testing.assert_close(found["strong"], wanted.strong, atol=1e-4, rtol=0)
        torch.testing.assert_close(found["weak"], wanted.weak, atol=1e-4, rtol=0)


def test_the_file_says_what_it_is(detector, exported):
    about = OnnxSession(exported.path).about
    assert about["model"] == "fmn01+gru-16"
    assert json.loads(about["classes"]) == [f"class {i}" for i in range(5)]
    assert (about["input"], about["sample_rate"], about["frames_per_second"]) == ("waveform", "16000", "25")
    assert about["weights"] == weights_digest(detector)
    assert float(about["logit_error"]) == pytest.approx(exported.logit_error, rel=0.1)
    assert exported.bytes == exported.path.stat().st_size


def test_audio_that_is_too_short_is_refused_in_words(exported):
    with pytest.raises(UsageError, match="at least 258 samples, not 200"):
        OnnxSession(exported.path)(torch.zeros(1, 200))


def test_another_file_is_refused_in_words(tmp_path):
    (tmp_path / "other.onnx").write_text("not ONNX")
    with pytest.raises(ExportError, match=r"other\.onnx' is no ONNX file"):
        OnnxSession(tmp_path / "other.onnx")
    with pytest.raises(ExportError, match="no such file"):
        OnnxSession(tmp_path / "none.onnx")


def test_an_opset_that_is_too_old_is_refused(detector, tmp_path):
    with pytest.raises(UsageError, match="the opset must be 18 to 23, not 9"):
        export_onnx(detector, tmp_path / "old.onnx", opset=9)


@pytest.mark.parametrize("name", TRANSFORMERS)
def test_an_exportable_copy_has_the_detector_s_logits(name):
    torch.manual_seed(0)
    frontend, backbone = TRANSFORMERS[name]()
    original = effbench.SoundEventDetector(frontend, backbone, n_classes=3).eval()
    copy = Exportable(original, "waveform")
    for seconds in (0.345, 0.355, 3.7, 10.0):
        waveform = probe_clips(16_000, seconds)
        with torch.inference_mode():
            wanted, found = original(frontend(waveform)), copy(waveform)
        torch.testing.assert_close(found.strong, wanted.strong, atol=1e-4, rtol=0)
        torch.testing.assert_close(found.weak, wanted.weak, atol=1e-4, rtol=0)


def test_a_hybrid_runs_frame_by_frame():
    original = effbench.build_model("fmn01+hybrid-32", seed=0)
    features = torch.randn(2, 1, 128, 90, generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        wanted, found = original(features), Exportable(original, "features")(features)
    torch.testing.assert_close(found.strong, wanted.strong, atol=1e-4, rtol=0)


@pytest.mark.parametrize(("before", "after"), [(8, 9), (8, 8), (9, 8), (496, 250), (62, 250), (1, 4)])
def test_frames_are_resized_by_one_product_as_by_torch(before, after):
    x = torch.randn(2, before, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(resizing_matrix(before, after) @ x, resize_frames(x, after), atol=1e-4, rtol=0)
