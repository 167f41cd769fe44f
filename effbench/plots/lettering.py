"""Texts of figures: in glyphs that some font has, and no wider than their place."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from functools import cache
from typing import Literal

from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.text import Text

Slant = Literal["normal", "italic", "oblique"]

#: Fonts whose glyphs are pictures or stand for missing ones.
_NO_LETTERS = ("Emoji", "Last Resort")

_HEADING_SIZE = 10


def make_legible(texts: Iterable[Text]) -> None:
    """Draw what the usual font lacks with others, and what none has as a number: ``\\u65e5``."""
    for text in texts:
        content, font = text.get_text(), text.get_fontproperties()
        if content.isascii():
            continue
        families = _families(content, font)
        text.set_fontfamily(families)
        glyphs = frozenset().union(*(_glyphs_of(family, font) for family in families))
        shown = "".join(char if _is_drawn(char, glyphs) else _escaped(char) for char in content)
        if shown != content:
            text.set_text(shown)


def text_width(figure: Figure, content: str, size: float, weight: str = "normal") -> float:
    """Width of a line in a figure, pixels."""
    probe = figure.text(0, 0, content, size=size, weight=weight)
    make_legible([probe])
    width = float(probe.get_window_extent().width)
    probe.remove()
    return width


def wrapped(figure: Figure, content: str, width: float, size: float, weight: str = "normal") -> list[str]:
    """A text in lines of at most ``width`` pixels, which break between words where they can."""
    lines = [""]
    for word in content.split():
        longer = f"{lines[-1]} {word}".strip()
        if text_width(figure, longer, size, weight) <= width:
            lines[-1] = longer
            continue
        lines = [*filter(None, lines), *_pieces(figure, word, width, size, weight)]
    return lines


def set_heading(figure: Figure, content: str) -> None:
    """Title of a figure with a layout of its own, in three lines at most."""
    first, *others = wrapped(figure, content, 0.96 * figure.bbox.width, _HEADING_SIZE)
    lines = [first, *others[:2]] if len(others) < 3 else [first, others[0], f"{others[1][:-1]}…"]
    figure.suptitle("\n".join(lines), size=_HEADING_SIZE)


def fitted(figure: Figure, content: str, width: float, size: float, weight: str = "normal") -> str:
    """A text on one line of at most ``width`` pixels; one that is too long ends in ``…``."""
    if text_width(figure, content, size, weight) <= width:
        return content
    return f"{_beginning(figure, content, width, size, weight, end='…').rstrip()}…"


def _pieces(figure: Figure, word: str, width: float, size: float, weight: str) -> list[str]:
    """A word in pieces of at most ``width`` pixels."""
    pieces = []
    while word:
        piece = _beginning(figure, word, width, size, weight)
        pieces.append(piece)
        word = word[len(piece) :]
    return pieces


def _beginning(figure: Figure, content: str, width: float, size: float, weight: str, *, end: str = "") -> str:
    """The longest beginning that fits with an ``end``, one character at least."""
    low, high = 1, len(content)
    while low < high:
        middle = (low + high + 1) // 2
        if text_width(figure, content[:middle] + end, size, weight) <= width:
            low = middle
        else:
            high = middle - 1
    return content[:low]


def _is_drawn(char: str, glyphs: frozenset[int]) -> bool:
    return ord(char) in glyphs or char == "\n"


def _escaped(char: str) -> str:
    """What stands for a character without a glyph; nothing for those that only change others."""
    if unicodedata.category(char) in ("Cf", "Mn"):
        return ""
    return " " if char.isspace() else char.encode("ascii", "backslashreplace").decode()


def _families(content: str, font: FontProperties) -> list[str]:
    """Font families that have the characters: those of a font, then as few others as it takes."""
    families = list(font.get_family())
    missing = {ord(char) for char in content if not char.isspace()}
    missing = missing.difference(*(_glyphs_of(family, font) for family in families))
    while missing:
        best = max(_installed(), key=lambda family: len(missing & _glyphs_of(family, font)))
        if not missing & _glyphs_of(best, font):
            break
        families.append(best)
        missing -= _glyphs_of(best, font)
    return families


@cache
def _installed() -> tuple[str, ...]:
    """Families of fonts with letters, in an order that does not depend on the machine."""
    names = {font.name for font in font_manager.fontManager.ttflist}
    return tuple(sorted(name for name in names if not any(word in name for word in _NO_LETTERS)))


def _glyphs_of(family: str, font: FontProperties) -> frozenset[int]:
    """Characters that a family has in a font's weight and slant."""
    return _glyphs(family, str(font.get_weight()), font.get_style())


@cache
def _glyphs(family: str, weight: str, slant: Slant) -> frozenset[int]:
    file = font_manager.findfont(FontProperties(family=[family], weight=weight, style=slant))
    try:
        return frozenset(font_manager.get_font(file).get_charmap())
    except (OSError, RuntimeError):  # a font file that is gone or damaged
        return frozenset()
