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


def export(
    out: Annotated[Path, typer.Option(metavar="FILE", help="The .onnx file to write.")],
    model: options.OneModel = None,
    checkpoint: options.Checkpoint = None,
    takes: Annotated[
        _Taken, typer.Option("--input", help="Audio, with the front-end in the file, or its features.")
    ] = _Taken.waveform,
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
    """Write a model as an ONNX file for clips and batches of any size, compared with torch.

    Example: effbench export --model fmn10 --checkpoint strong --out fmn10.onnx
    """
    options.check_model(model, checkpoint)
    if out.suffix != ".onnx":
        raise UsageError(f"--out: the name of an ONNX file ends with .onnx, not as '{out.name}' does")
    if (numbers is _Numbers.static) != (calibrate is not None):
        raise UsageError("--numbers int8 needs --calibrate DATA, and nothing else does")
    from effbench.data.datasets import open_dataset
    from effbench.export.onnx_file import export_onnx
    from effbench.export.onnx_int8 import export_int8
    from effbench.models.chosen import choose_model
    from effbench.shown import significant

    dataset = None if calibrate is None else open_dataset(calibrate, split=split)
    chosen = choose_model(model, checkpoint)
    if chosen.checkpoint is None:
        note("note: no --checkpoint, so the weights are untrained: the logits mean nothing")
    if numbers is _Numbers.float32:
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
