"""ONNX files in 8-bit integers: weights alone, or activations as well, whose ranges audio shows."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from effbench.errors import EffbenchError, UsageError
from effbench.files import replacing

if TYPE_CHECKING:
    from onnx import ModelProto, NodeProto

#: How the range of an activation follows from what it is on audio: all of it, without the outermost values,
#: or the part that keeps most information.
Calibration = Literal["MinMax", "Percentile", "Entropy"]

#: Gates and heads: products of few numbers, whose eight bits would cost accuracy and save little.
_PRODUCTS = ("Gemm", "MatMul")

_LOWEST, _HIGHEST = 0, 255  # of activations, unsigned


def quantize_static(
    source: Path,
    path: Path,
    inputs: Iterable[NDArray[np.float32]],
    calibration: Calibration = "Percentile",
) -> None:
    """An ONNX file whose convolutions compute in 8 bits; front-end, first layer, gates and heads do not.

    Weights have seven of the bits and a scale for each output channel, activations one scale, from what they
    are on ``inputs``.

    Args:
        source: a file in float32 with one input.
        path: of the new file, which appears when it is complete.
        inputs: a batch each of audio or features as the network will see them; tens of clips are enough.
        calibration: how ranges follow from it.

    Raises:
        UsageError: no inputs, or an unknown calibration.
        EffbenchError: ONNX Runtime is missing or fails, the network has no convolutions beyond the first, or
            the new file can't be written.
    """
    if calibration not in get_args(Calibration):
        raise UsageError(f"calibration is {', '.join(get_args(Calibration))}, not '{calibration}'")
    quantization = _quantization()
    import onnx

    model = _with_pooling(onnx.load(source))
    in_float32 = _in_float32(model)
    if not any(node.op_type == "Conv" and node.name not in in_float32 for node in model.graph.node):
        raise EffbenchError(
            "the network has no convolutions beyond its first layer, and others are not computed in 8 bits"
        )
    reader = _Inputs(model.graph.input[0].name, inputs)
    if reader.next is None:
        raise UsageError("there is no audio to calibrate on: ranges of activations follow from some")
    with replacing(path) as temporary, _quiet(), _in_words():
        quantization.quantize_static(
            model,
            temporary,
            reader,
            quant_format=quantization.QuantFormat.QDQ,
            activation_type=quantization.QuantType.QUInt8,
            weight_type=quantization.QuantType.QInt8,
            calibrate_method=quantization.CalibrationMethod[calibration],
            per_channel=True,
            # Without VNNI, x86 processors add two products in 16 bits: those of 8-bit weights overflow.
            reduce_range=True,
            nodes_to_exclude=sorted(in_float32),
        )
        made = _with_integer_swish(onnx.load(temporary))
        _tell(made, f"{reader.number} clips, {calibration}, 7-bit weights")
        onnx.save(made, temporary)


def quantize_dynamic(source: Path, path: Path) -> None:
    """An ONNX file whose matrix products have 7-bit weights; their inputs get a scale on every call.

    Raises:
        EffbenchError: as ``quantize_static``.
    """
    quantization = _quantization()
    import onnx

    with replacing(path) as temporary, _quiet():
        quantization.quantize_dynamic(
            source,
            temporary,
            op_types_to_quantize=list(_PRODUCTS),
            per_channel=True,
            weight_type=quantization.QuantType.QInt8,
            reduce_range=True,  # as above
        )
        made = onnx.load(temporary)
        _tell(made, "none, products alone, 7-bit weights")
        onnx.save(made, temporary)


def _tell(model: ModelProto, calibration: str) -> None:
    """What the file says of itself: no more how near the one in float32 is, but where its ranges are from."""
    from onnx.helper import set_model_props

    about = {entry.key: entry.value for entry in model.metadata_props if entry.key != "logit_error"}
    set_model_props(model, about | {"calibration": calibration})


def _quantization() -> ModuleType:
    try:
        from onnxruntime import quantization
    except ImportError as error:
        raise EffbenchError("ONNX files in 8 bits need ONNX Runtime: pip install 'effbench[onnx]'") from error
    found: ModuleType = quantization
    return found


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except (EffbenchError, ValueError, OSError):
        raise
    except Exception as error:  # those of ONNX Runtime share no class
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        raise EffbenchError(f"the network can't be put in 8 bits: {reason}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """ONNX Runtime prints what it does, and advises steps that these files have behind them."""
    logging.disable(logging.WARNING)
    try:
        with redirect_stdout(StringIO()):
            yield
    finally:
        logging.disable(logging.NOTSET)


class _Inputs:
    """What calibration reads one by one; ``next`` is what it will get, ``number`` how many it got."""

    def __init__(self, name: str, inputs: Iterable[NDArray[np.float32]]) -> None:
        self.name, self.rest, self.number = name, iter(inputs), 0
        self.next = next(self.rest, None)

    def get_next(self) -> dict[str, NDArray[np.float32]] | None:
        """The next one by the name of the model's input, or nothing."""
        batch, self.next = self.next, next(self.rest, None)
        if batch is None:
            return None
        self.number += len(batch)
        return {self.name: batch}


def _in_float32(model: ModelProto) -> set[str]:
    """Names of the nodes up to the last convolution of one channel, which is the first layer; and products.

    Eight bits of a waveform or of its logarithmic spectrum would be the largest error of all.
    """
    shapes = {tensor.name: tensor.dims for tensor in model.graph.initializer}
    made_by = {name: node for node in model.graph.node for name in node.output}
    names = {node.name for node in model.graph.node if node.op_type in _PRODUCTS}
    of_one_channel = [
        node
        for node in model.graph.node
        if node.op_type == "Conv" and shapes[node.input[1]][1] == 1 and not _is_depthwise(node)
    ]
    waiting = of_one_channel[-1:]
    seen = set()
    while waiting:
        node = waiting.pop()
        seen.add(node.name)
        before = (made_by[name] for name in node.input if name in made_by)
        waiting += [node for node in before if node.name not in seen]
    return names | seen


def _is_depthwise(node: NodeProto) -> bool:
    return any(attribute.name == "group" and attribute.i > 1 for attribute in node.attribute)


def _constants(model: ModelProto) -> Mapping[str, NDArray[np.generic]]:
    from onnx import numpy_helper

    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def _with_pooling(model: ModelProto) -> ModelProto:
    """Means over frequency and time as pooling, which ONNX Runtime computes in 8 bits."""
    from onnx import helper

    constants = _constants(model)

    def pooled(node: NodeProto) -> list[NodeProto]:
        axes = constants.get(node.input[1]) if node.op_type == "ReduceMean" and len(node.input) > 1 else None
        if axes is None or axes.tolist() != [2, 3]:
            return [node]
        mean, name = node.output[0], node.name
        return [
            helper.make_node("GlobalAveragePool", [node.input[0]], [f"{mean}_pooled"], name=f"{name}_pool"),
            helper.make_node("Flatten", [f"{mean}_pooled"], [mean], name=f"{name}_flatten"),
        ]

    return _rewritten(model, pooled)


def _with_integer_swish(model: ModelProto) -> ModelProto:
    """Hard swish, ``x clip(x / 6 + 1 / 2)``, as a product of integers.

    The gate is x's own integer, cut off at -3 and 3, and read with another scale and zero.
    """
    from onnx import helper, numpy_helper

    constants = _constants(model)
    made_by = {name: node for node in model.graph.node for name in node.output}

    def swished(node: NodeProto) -> list[NodeProto]:
        before = made_by.get(node.input[0]) if node.op_type == "HardSwish" else None
        if before is None or before.op_type != "DequantizeLinear":
            return [node]
        integer = before.input[0]
        scale, zero = (constants[name].item() for name in before.input[1:3])
        low, high = round(zero - 3.0 / scale), round(zero + 3.0 / scale)
        if low < _LOWEST or low == high:
            return [node]
        limits = {
            "low": np.uint8(low),
            "high": np.uint8(min(high, _HIGHEST)),
            "scale": np.float32(1.0 / (high - low)),
        }
        names = {key: f"{node.name}_{key}" for key in limits}
        model.graph.initializer.extend(
            numpy_helper.from_array(np.array(value), names[key]) for key, value in limits.items()
        )
        clipped, gate = f"{node.name}_clipped", f"{node.name}_gate"
        return [
            helper.make_node("Clip", [integer, names["low"], names["high"]], [clipped], name=clipped),
            helper.make_node("DequantizeLinear", [clipped, names["scale"], names["low"]], [gate], name=gate),
            helper.make_node("Mul", [node.input[0], gate], list(node.output), name=f"{node.name}_product"),
        ]

    return _rewritten(model, swished)


def _rewritten(model: ModelProto, rule: Callable[[NodeProto], list[NodeProto]]) -> ModelProto:
    """The model with what a rule makes of every node."""
    nodes = [new for node in model.graph.node for new in rule(node)]
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model
