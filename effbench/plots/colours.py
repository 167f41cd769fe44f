"""Colours that stand out from the ground of a figure, in the light and the dark theme."""

from __future__ import annotations

from matplotlib import rcParams
from matplotlib.colors import to_hex, to_rgb

#: Contrast (WCAG 2) of lines and markers, and of text, on a dark ground.
_LINES, _TEXT = 4.0, 6.0

_DARKER = 0.7  # of a colour in small text on a light ground
_GREY = "#666666"


def ground() -> str:
    """Colour of the figure's ground."""
    return str(rcParams["figure.facecolor"])


def is_dark() -> bool:
    """Whether the ground is dark."""
    return _luminance(to_rgb(ground())) < 0.2


def standing_out(colour: str) -> str:
    """A colour for lines and markers: as it is, or, on a dark ground, as much lighter as it takes."""
    return _lighter(colour, _LINES) if is_dark() else colour


def for_text(colour: str) -> str | tuple[float, ...]:
    """A colour for small text: darker on a light ground, lighter on a dark one."""
    return _lighter(colour, _TEXT) if is_dark() else tuple(_DARKER * part for part in to_rgb(colour))


def grey() -> str:
    """Of what matters less."""
    return _lighter(_GREY, _TEXT) if is_dark() else _GREY


def _lighter(colour: str, contrast: float) -> str:
    rgb, behind = to_rgb(colour), _luminance(to_rgb(ground()))
    for step in range(21):
        red, green, blue = (part + (1 - part) * step / 20 for part in rgb)
        mixed = (red, green, blue)
        if (_luminance(mixed) + 0.05) / (behind + 0.05) >= contrast:
            return to_hex(mixed)
    return "#ffffff"


def _luminance(rgb: tuple[float, ...]) -> float:
    linear = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in rgb)
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
