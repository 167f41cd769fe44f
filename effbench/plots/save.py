"""Writes figures: PNG, SVG and PDF, the same bytes every time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from effbench.files import replacing
from effbench.plots.choices import ImageFormat
from effbench.plots.draw import draw, style
from effbench.plots.select import FigureData

# Dates, and the name and version of the drawing program, would make equal figures differ.
METADATA: dict[ImageFormat, dict[str, None]] = {
    ImageFormat.png: {"Software": None},
    ImageFormat.svg: {"Date": None, "Creator": None},
    ImageFormat.pdf: {"CreationDate": None, "Creator": None, "Producer": None},
}


def render(data: FigureData, formats: Sequence[ImageFormat] = tuple(ImageFormat)) -> dict[ImageFormat, bytes]:
    """The figure in each format; equal data gives equal bytes."""
    images: dict[ImageFormat, bytes] = {}
    with style():
        figure = draw(data)
        for form in dict.fromkeys(formats):
            buffer = io.BytesIO()
            figure.savefig(buffer, format=form.value, metadata=METADATA[form])
            images[form] = buffer.getvalue()
    return images


def save(
    data: FigureData, folder: Path, name: str, formats: Sequence[ImageFormat] = tuple(ImageFormat)
) -> list[Path]:
    """Write ``<folder>/<name>.<format>`` for each format; a file appears only when it is complete.

    The folder is made if it is missing.

    Raises:
        EffbenchError: the folder can't be made or written.
    """
    written: list[Path] = []
    for form, image in render(data, formats).items():
        path = folder / f"{name}.{form}"
        with replacing(path, make_folder=True) as temporary:
            temporary.write_bytes(image)
        written.append(path)
    return written
