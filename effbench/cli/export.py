"""``effbench export``: a detector as a file that runs without effbench."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from effbench.cli import options
from effbench.cli.output import note
from effbench.errors import UsageError


class _Taken(StrEnum):
    waveform = "waveform"
    features = "features"


class _Form(StrEnum):
    onnx = "onnx"
    torch = "torch"


class _Given(StrEnum):
    both = "both"
    strong = "strong"
    weak = "weak"


class _Calibration(StrEnum):
    percentile = "Percentile"
    whole = "MinMax"
    entropy = "Entropy"


class _Numbers(StrEnum):
    float32 = "float32"
    static = "int8"
    dynamic = "int8-products"


_FILES = {_Form.onnx: ("an ONNX file", ".onnx"), _Form.torch: ("an archive of torch.export", ".pt2")}


def export(
    context: typer.Context,
    out: Annotated[Path, typer.Option(metavar="FILE", help="The .onnx or .pt2 file to write.")],
    model: options.OneModel = None,
    checkpoint: options.Checkpoint = None,
    takes: Annotated[
        _Taken, typer.Option("--input", help="Audio, with the front-end in the file, or its features.")
    ] = _Taken.waveform,
    form: Annotated[
        _Form, typer.Option("--format", help="ONNX, or an archive of torch.export (.pt2) for torch alone.")
    ] = _Form.onnx,
    numbers: Annotated[
        _Numbers,
        typer.Option(help="float32; int8 for convolutions; or int8-products for matrix products alone."),
    ] = _Numbers.float32,
    calibrate: Annotated[
        Path | None,
        typer.Option(metavar="DATA", help="The data set whose audio shows int8 the ranges of activations."),
    ] = None,
    split: options.Split = None,
    calibration: Annotated[
        _Calibration, typer.Option(help="How ranges follow from audio: without outliers, whole, by entropy.")
    ] = _Calibration.percentile,
    clips: Annotated[int, typer.Option(min=1, help="Clips of --calibrate that are read.")] = 64,
    head: Annotated[_Given, typer.Option(help="Logits of frames, of clips, or both.")] = _Given.both,
    opset: Annotated[int, typer.Option(min=18, max=23, help="Version of ONNX's operators.")] = 18,
) -> None:
    """Write a model as a file for clips and batches of any size without effbench, compared with torch.

    Example: effbench export --model fmn10 --checkpoint strong --out fmn10.onnx
    """
    options.check_model(model, checkpoint)
    what, suffix = _FILES[form]
    if out.suffix != suffix:
        raise UsageError(f"--out: the name of {what} ends with {suffix}, not as '{out.name}' does")
    if form is _Form.torch:
        options.refuse_given(context, ("numbers", "opset"), "is for --format onnx")
    if (numbers is _Numbers.static) != (calibrate is not None):
        raise UsageError("--numbers int8 needs --calibrate DATA, and nothing else does")
    from effbench.data.datasets import open_dataset
    from effbench.export.onnx_file import export_onnx
    from effbench.export.onnx_int8 import export_int8
    from effbench.export.torch_file import export_torch
    from effbench.models.chosen import choose_model
    from effbench.shown import significant

    dataset = None if calibrate is None else open_dataset(calibrate, split=split)
    chosen = choose_model(model, checkpoint)
    if chosen.checkpoint is None:
        note("note: no --checkpoint, so the weights are untrained: the logits mean nothing")
    if form is _Form.torch:
        exported = export_torch(chosen.detector, out, takes=takes.value, head=head.value)
    elif numbers is _Numbers.float32:
        exported = export_onnx(chosen.detector, out, takes=takes.value, head=head.value, opset=opset)
    else:
        audio = None if dataset is None else (clip.waveform() for clip in dataset[:clips])
        exported = export_int8(
            chosen.detector,
            out,
            audio,
            takes=takes.value,
            head=head.value,
            opset=opset,
            calibration=calibration.value,
        )
    size, error = exported.bytes / 1e6, significant(exported.logit_error, 2)
    note(f"{out}: {size:.1f} MB, takes {exported.takes}, gives logits: {', '.join(exported.heads)}")
    note(f"up to {error} from torch's logits, which reach {significant(exported.largest_logit, 2)}")
