"""Effbench's style of drawing, and figures as files: PNG, SVG and PDF, the same bytes every time."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from effbench.errors import UsageError
from effbench.files import replacing
from effbench.plots.choices import ImageFormat, Theme
from effbench.plots.lettering import make_legible
from effbench.resources import share

STYLE = "plots/effbench.mplstyle"

#: What a theme changes in it.
_THEMES = {Theme.dark: "plots/dark.mplstyle"}

# Dates, and the name and version of the drawing program, would make equal figures differ.
METADATA: dict[ImageFormat, dict[str, None]] = {
    ImageFormat.png: {"Software": None},
    ImageFormat.svg: {"Date": None, "Creator": None},
    ImageFormat.pdf: {"CreationDate": None, "Creator": None, "Producer": None},
}


@contextmanager
def style(theme: Theme = Theme.light) -> Iterator[None]:
    """Effbench's own matplotlib settings, whatever the user's are; used to draw and to save alike."""
    settings = mpl.rc_params_from_file(share(STYLE), use_default_template=True)
    if theme in _THEMES:
        settings |= mpl.rc_params_from_file(share(_THEMES[theme]), use_default_template=False)
    fonts = logging.getLogger("matplotlib.font_manager")
    level = fonts.level
    fonts.setLevel(logging.ERROR)  # a fallback font without bold is drawn as it is, without a word
    try:
        with mpl.rc_context({key: value for key, value in settings.items() if not key.startswith("backend")}):
            yield
    finally:
        fonts.setLevel(level)


def new_figure(width: float, height: float, layout: Literal["constrained"] | None = None) -> Figure:
    """An empty figure (inches) that needs no window."""
    figure = Figure(figsize=(width, height), layout=layout)
    FigureCanvasAgg(figure)
    return figure


def render(figure: Figure, form: ImageFormat) -> bytes:
    """The figure as a file of this format; equal figures give equal bytes."""
    buffer = io.BytesIO()
    with style():
        make_legible(figure.findobj(Text))
        figure.savefig(buffer, format=form.value, metadata=METADATA[form])
    return buffer.getvalue()


def image_format(path: Path) -> ImageFormat:
    """Format of an image file, by its name.

    Raises:
        UsageError: another suffix than theirs.
    """
    suffixes = [f".{form}" for form in ImageFormat]
    if path.suffix.lower() not in suffixes:
        raise UsageError(f"'{path}' can't be drawn: a figure ends in {', '.join(suffixes)}")
    return ImageFormat(path.suffix[1:].lower())


def save(figure: Figure, path: Path, *, make_folder: bool = False) -> None:
    """Write an image file, which appears only when it is complete.

    Raises:
        UsageError: another suffix than ``.png``, ``.svg`` or ``.pdf``.
        EffbenchError: it can't be written.
    """
    image = render(figure, image_format(path))
    with replacing(path, make_folder=make_folder) as temporary:
        temporary.write_bytes(image)


def save_formats(figure: Figure, folder: Path, name: str, formats: Iterable[ImageFormat]) -> list[Path]:
    """Write ``<folder>/<name>.<format>`` for each format; the folder is made if it is missing."""
    paths = [folder / f"{name}.{form}" for form in dict.fromkeys(formats)]
    for path in paths:
        save(figure, path, make_folder=True)
    return paths
