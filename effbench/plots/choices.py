"""The choices that a figure leaves open; nothing heavy is imported here."""

from __future__ import annotations

from enum import StrEnum


class Convention(StrEnum):
    """How multiply–accumulates are counted."""

    exact = "exact"
    paper = "paper"


class By(StrEnum):
    """What makes a series of a figure without a definition."""

    family = "family"
    backbone = "backbone"
    sequence = "sequence"
    model = "model"
    device = "device"
    precision = "precision"
    threads = "threads"
    batch_size = "batch_size"
    part = "part"
    data = "data"
    provenance = "provenance"


class ImageFormat(StrEnum):
    """File formats of figures."""

    png = "png"
    svg = "svg"
    pdf = "pdf"


class Theme(StrEnum):
    """What a figure is drawn on."""

    light = "light"
    dark = "dark"
