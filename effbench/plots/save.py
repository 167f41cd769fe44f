"""Writes figures: PNG, SVG and PDF, the same bytes every time."""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path

from matplotlib.figure import Figure

from effbench.files import replacing
from effbench.plots.choices import ImageFormat
from effbench.plots.draw import style

# Dates, and the name and version of the drawing program, would make equal figures differ.
METADATA: dict[ImageFormat, dict[str, None]] = {
    ImageFormat.png: {"Software": None},
    ImageFormat.svg: {"Date": None, "Creator": None},
    ImageFormat.pdf: {"CreationDate": None, "Creator": None, "Producer": None},
}


def render(figure: Figure, form: ImageFormat) -> bytes:
    """The figure as a file of this format; equal figures give equal bytes."""
    buffer = io.BytesIO()
    with style():
        figure.savefig(buffer, format=form.value, metadata=METADATA[form])
    return buffer.getvalue()


def save(figure: Figure, folder: Path, name: str, formats: Iterable[ImageFormat]) -> list[Path]:
    """Write ``<folder>/<name>.<format>`` for each format; a file appears only when it is complete.

    The folder is made if it is missing.

    Raises:
        EffbenchError: the folder can't be made or written.
    """
    images = {folder / f"{name}.{form}": render(figure, form) for form in dict.fromkeys(formats)}
    for path, image in images.items():
        with replacing(path, make_folder=True) as temporary:
            temporary.write_bytes(image)
    return list(images)
