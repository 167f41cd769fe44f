"""``effbench export`` writes files that run, or says in a line why it doesn't."""

import pytest
import torch

from effbench.export.onnx_session import OnnxSession

pytest.importorskip("onnxruntime")


def test_a_file_in_8_bits_has_a_measured_error(effbench, tmp_path):
    effbench("data", "synth", "set", "--clips", "2", "--eval-clips", "1", "--seconds", "1")
    arguments = ("--model", "fmn01", "--out", "small.onnx", "--numbers", "int8")
    arguments = (*arguments, "--calibrate", "set", "--split", "train")
    done = effbench("export", *arguments)
    assert done.returncode == 1
    assert "as with untrained weights: take MinMax" in done.stderr
    done = effbench("export", *arguments, "--calibration", "MinMax")
    assert done.returncode == 0, done.stderr
    assert "small.onnx: " in done.stderr
    assert "from torch's logits" in done.stderr
    logits = OnnxSession(tmp_path / "small.onnx")(torch.zeros(2, 16_000))
    assert logits["strong"].shape == (2, 447, 25)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--out", "model.pt"), "the name of an ONNX file ends with .onnx, not as 'model.pt' does"),
        (("--out", "m.onnx", "--format", "torch"), "an archive of torch.export ends with .pt2"),
        (("--out", "m.pt2", "--format", "torch", "--opset", "19"), "--opset is for --format onnx"),
        (("--out", "m.onnx", "--numbers", "int8"), "--numbers int8 needs --calibrate DATA"),
        (("--out", "m.onnx", "--opset", "9"), "18<=x<=23"),
    ],
)
def test_wrong_usage_is_told(effbench, arguments, said):
    done = effbench("export", "--model", "fmn01", *arguments)
    assert done.returncode == 2
    assert said in done.stderr
