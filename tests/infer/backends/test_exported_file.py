"""A file of ``effbench export`` runs as a backend of the model and weights that it is of, and no others."""

import pytest
import torch

import effbench
from effbench.errors import ExportError, UsageError
from effbench.export.onnx_file import export_onnx
from effbench.export.onnx_int8 import export_int8
from effbench.infer.backends.backend import BackendUnavailable
from effbench.infer.backends.known import find_backend
from effbench.infer.backends.onnx import calibration_clips
from effbench.measure.logit_error import as_if_trained
from effbench.measure.timing import Budget

onnx = pytest.importorskip("onnx")
CLIPS = 3


@pytest.fixture(scope="module")
def detector():
    return as_if_trained(effbench.build_model("fmn01", seed=0).eval())


@pytest.fixture(scope="module")
def folder(detector, tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    export_onnx(detector, folder / "float32.onnx", takes="features")
    audio = [clip for clip, _ in zip(calibration_clips(), range(CLIPS), strict=False)]
    export_int8(detector, folder / "int8.onnx", audio, takes="features", calibration="MinMax")
    export_int8(detector, folder / "products.onnx", None, takes="features")
    return folder


@pytest.mark.parametrize(
    ("name", "low", "high", "calibration"),
    [
        ("float32.onnx", 0.0, 1e-3, ""),
        ("int8.onnx", 1e-3, 10.0, "3 clips, MinMax, 7-bit weights"),
        ("products.onnx", 1e-3, 10.0, "none, products alone, 7-bit weights"),
    ],
)
def test_a_file_runs_with_its_own_difference_and_says_what_it_is(
    detector, folder, name, low, high, calibration
):
    fast = effbench.optimize(detector, str(folder / name))
    assert low < fast.logit_error < high
    with torch.inference_mode():
        waveform = torch.randn(2, 16_000, generator=torch.Generator().manual_seed(0))
        error = (fast(waveform).strong - detector(detector.frontend(waveform)).strong).abs().max()
    assert 0 < error < high
    backend = find_backend(str(folder / name))
    assert backend.calibration == calibration
    assert backend.name.startswith(f"{name} ")


def test_its_name_follows_its_content(detector, folder, tmp_path):
    names = set()
    path = tmp_path / "same.onnx"
    for source in ("int8.onnx", "products.onnx"):
        path.write_bytes((folder / source).read_bytes())
        names.add(find_backend(str(path)).name)
    assert len(names) == 2


def test_other_weights_models_and_precisions_are_refused_and_nothing_else_runs(detector, folder):
    file = str(folder / "int8.onnx")
    with pytest.raises(BackendUnavailable, match="other weights than the model: name the model and the"):
        effbench.optimize(effbench.build_model("fmn01", seed=1), file)
    with pytest.raises(BackendUnavailable, match="its own numbers, not in bf16"):
        effbench.optimize(detector, file, precision="bf16")
    with pytest.raises(BackendUnavailable, match="other weights"):
        effbench.profile(effbench.build_model("fmn01", seed=1), backend=file)


def test_rows_of_a_profile_name_the_file_and_its_content(tmp_path):
    path = tmp_path / "fmn01.onnx"
    export_onnx(effbench.build_model("fmn01", seed=0), path, takes="features")
    brief = Budget(0.02, 3, 5, max_seconds=1.0, min_warmup_seconds=0.0, max_warmup_seconds=0.2)
    profile = effbench.profile("fmn01", backend=str(path), batch_sizes=(1,), clip_seconds=1.0, budget=brief)
    name = find_backend(str(path)).name
    timed = [row for row in profile.measurements() if row.quantity in ("throughput", "logit_error")]
    assert [row.conditions["backend"] for row in timed] == [name] * 2
    assert profile.logit_error is not None
    assert profile.logit_error.weights == "given", "those of the file can't be made as if trained"
    assert 0 < profile.logit_error.value < 1e-3


def test_files_of_another_kind_are_refused_in_words(detector, folder, tmp_path):
    export_onnx(detector, tmp_path / "whole.onnx")
    export_onnx(detector, tmp_path / "weak.onnx", takes="features", head="weak")
    foreign = onnx.load(folder / "float32.onnx")
    del foreign.metadata_props[:]
    onnx.save(foreign, tmp_path / "foreign.onnx")
    (tmp_path / "noise.onnx").write_bytes(b"noise")
    for name, error, said in (
        ("whole", UsageError, r"has a front-end, and takes waveform: .* --input features"),
        ("weak", UsageError, "gives weak logits alone: export both heads"),
        ("foreign", UsageError, "is no file that effbench export wrote"),
        ("noise", ExportError, "is no ONNX file that can run here"),
        ("none", UsageError, "none.onnx': No such file"),
    ):
        with pytest.raises(error, match=said):
            find_backend(str(tmp_path / f"{name}.onnx"))
