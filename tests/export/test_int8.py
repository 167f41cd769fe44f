from pathlib import Path

import numpy as np
import pytest

from effbench.errors import EffbenchError, UsageError
from effbench.export.int8 import quantize_dynamic, quantize_static

onnx = pytest.importorskip("onnx")
CHANNELS = 16


@pytest.fixture(scope="module")
def clips():
    generator = np.random.default_rng(0)
    return [generator.normal(size=(1, 1, 32, 40)).astype(np.float32) for _ in range(4)]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """First layer, depthwise and pointwise convolutions with hard swish, a gate and a head, all random."""
    generator = np.random.default_rng(1)

    def weights(*shape: int) -> np.ndarray:
        return (generator.normal(size=shape) / np.sqrt(np.prod(shape[1:]))).astype(np.float32)

    tensors = {
        "first": weights(CHANNELS, 1, 3, 3) * 4,
        "depthwise": weights(CHANNELS, 1, 3, 3) * 3,
        "pointwise": weights(CHANNELS, CHANNELS, 1, 1) * 3,
        "gate": weights(CHANNELS, CHANNELS),
        "head": weights(CHANNELS, 5) * 4,
        "axes": np.array([2, 3]),
        "bands": np.array([2]),
    }
    graph = onnx.parser.parse_graph(
        f"""network (float[batch, 1, 32, time] features) => (float[batch, time, 5] strong) {{
            a = Conv <pads = [1, 1, 1, 1]> (features, first)
            b = HardSwish (a)
            c = Conv <pads = [1, 1, 1, 1], group = {CHANNELS}> (b, depthwise)
            d = HardSwish (c)
            mean = ReduceMean <keepdims = 0> (d, axes)
            logit = Gemm (mean, gate)
            opening = Sigmoid (logit)
            open = Unsqueeze (opening, axes)
            e = Mul (d, open)
            f = Conv (e, pointwise)
            g = HardSwish (f)
            h = ReduceMean <keepdims = 0> (g, bands)
            frames = Transpose <perm = [0, 2, 1]> (h)
            strong = MatMul (frames, head)
        }}"""
    )
    graph.initializer.extend(onnx.numpy_helper.from_array(value, name) for name, value in tensors.items())
    for number, node in enumerate(graph.node):
        node.name = f"{node.op_type}_{number}"
    path = tmp_path_factory.mktemp("onnx") / "network.onnx"
    onnx.save(onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)]), path)
    return path


def logits(path: Path, features: np.ndarray) -> np.ndarray:
    import onnxruntime

    return onnxruntime.InferenceSession(path).run(None, {"features": features})[0]


@pytest.mark.parametrize("calibration", ["MinMax", "Percentile", "Entropy"])
def test_logits_in_8_bits_are_near_those_in_float32(source, clips, tmp_path, calibration):
    quantize_static(source, path := tmp_path / "int8.onnx", clips, calibration)
    expected = logits(source, clips[0])
    error = logits(path, clips[0]) - expected
    assert 0 < np.sqrt(np.mean(error**2)) < 0.05 * expected.std()


def test_audio_and_first_layer_stay_in_float32_and_hard_swish_computes_in_integers(source, clips, tmp_path):
    quantize_static(source, path := tmp_path / "int8.onnx", clips)
    nodes = onnx.load(path).graph.node
    made_by = {name: node for node in nodes for name in node.output}
    convolutions = [node for node in nodes if node.op_type == "Conv"]
    assert convolutions[0].input[0] == "features"
    assert [made_by[node.input[1]].op_type for node in convolutions[1:]] == ["DequantizeLinear"] * 2
    # The first layer's own is in float32 as that is.
    assert [node.op_type for node in nodes].count("HardSwish") == 1


@pytest.mark.parametrize(
    ("make", "calibration"),
    [
        (
            lambda source, path, clips: quantize_static(source, path, clips, "MinMax"),
            "4 clips, MinMax, 7-bit",
        ),
        (lambda source, path, clips: quantize_dynamic(source, path), "none, products alone, 7-bit"),
    ],
)
def test_a_file_says_what_that_in_float32_did_but_for_its_error_and_its_calibration(
    source, clips, tmp_path, capsys, make, calibration
):
    model = onnx.load(source)
    onnx.helper.set_model_props(model, {"model": "fmn04", "logit_error": "1e-05"})
    onnx.save(model, told := tmp_path / "told.onnx")
    make(told, path := tmp_path / "int8.onnx", clips)
    said = {about.key: about.value for about in onnx.load(path).metadata_props}
    assert said["model"] == "fmn04"
    assert "logit_error" not in said
    assert said["calibration"] == f"{calibration} weights"
    assert capsys.readouterr() == ("", "")


def test_dynamic_quantisation_leaves_convolutions_alone(source, clips, tmp_path):
    quantize_dynamic(source, path := tmp_path / "dynamic.onnx")
    expected = logits(source, clips[0])
    assert 0 < np.abs(logits(path, clips[0]) - expected).max() < 0.05 * np.abs(expected).max()
    assert {node.op_type for node in onnx.load(path).graph.node} >= {"Conv", "MatMulInteger"}


@pytest.mark.parametrize("how", ["static", "dynamic"])
def test_weights_have_seven_bits_so_that_no_processor_overflows(source, clips, tmp_path, how):
    path = tmp_path / "int8.onnx"
    quantize_static(source, path, clips) if how == "static" else quantize_dynamic(source, path)
    numbers = [onnx.numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer]
    weights = [number for number in numbers if number.dtype == np.int8 and number.ndim > 1]
    assert weights
    assert max(np.abs(weight.astype(int)).max() for weight in weights) == 64


def test_calibration_without_audio_or_by_an_unknown_rule_is_refused(source, clips, tmp_path):
    with pytest.raises(UsageError, match="no audio to calibrate on"):
        quantize_static(source, tmp_path / "int8.onnx", [])
    with pytest.raises(UsageError, match="calibration is MinMax, Percentile, Entropy, not 'best'"):
        quantize_static(source, tmp_path / "int8.onnx", clips, "best")
    assert not list(tmp_path.iterdir())


def test_a_network_of_matrix_products_alone_is_not_quantised_statically(clips, tmp_path):
    graph = onnx.parser.parse_graph(
        "n (float[b, 1, 32, t] features) => (float[b, 1, t, 32] y) "
        "{ y = Transpose <perm = [0, 1, 3, 2]> (features) }"
    )
    onnx.save(onnx.helper.make_model(graph), source := tmp_path / "network.onnx")
    with pytest.raises(EffbenchError, match="no convolutions beyond its first layer"):
        quantize_static(source, tmp_path / "int8.onnx", clips)
