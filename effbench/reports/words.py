"""How a report writes numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from effbench.plots.values import Value


def millions(number: float, digits: int = 3) -> str:
    """``5028286`` as ``5.028``."""
    return f"{number / 1e6:,.{digits}f}"


def billions(number: float, digits: int = 3) -> str:
    """``1495793312`` as ``1.496``."""
    return f"{number / 1e9:,.{digits}f}"


def percent(fraction: float, digits: int = 2) -> str:
    """``0.0012`` as ``+0.12 %``; what rounds to nothing has no sign."""
    text = f"{fraction * 100:+.{digits}f}"
    return f"{text if float(text) else f'{0:.{digits}f}'} %".replace("-", "−")


def share(fraction: float) -> str:
    """``0.131`` as ``13 %``."""
    return f"{fraction * 100:.0f} %"


def rate(number: float) -> str:
    """Clips per second with about four significant digits: ``2180.4`` as ``2,180``."""
    return f"{number:,.0f}" if number >= 1000 else f"{number:,.1f}" if number >= 10 else f"{number:,.2f}"


def interval(value: Value) -> str:
    """A value with its 95 % interval, if it has one: ``2,180 [2,171, 2,190]``."""
    if value.low is None or value.high is None:
        return rate(value.value)
    return f"{rate(value.value)} [{rate(value.low)}, {rate(value.high)}]"


def score(value: Value) -> str:
    """Per cent with its 95 % interval, if it has one: ``43.86 [43.10, 44.60]``."""
    if value.low is None or value.high is None:
        return f"{value.value:.2f}"
    return f"{value.value:.2f} [{value.low:.2f}, {value.high:.2f}]"


def listed(names: Iterable[str]) -> str:
    """``a, b and c``."""
    *most, last = list(names) or [""]
    return f"{', '.join(most)} and {last}" if most else last


def some(names: Sequence[str], most: int = 6) -> str:
    """``a, b, c and 4 more``."""
    more = len(names) - most
    return f"{', '.join(names[:most])} and {more} more" if more > 0 else listed(names)


def code(name: str) -> str:
    """A model's name, as code."""
    return f"`{name}`"


def cell(text: str) -> str:
    """Text that can't end a table's cell."""
    return text.replace("|", "\\|").replace("\n", " ")


def alt(text: str) -> str:
    """Text that can't end the description of an image."""
    return text.replace("[", "(").replace("]", ")")


FILTERS: Mapping[str, Callable[..., str]] = {
    word.__name__: word
    for word in (millions, billions, percent, share, rate, interval, score, listed, code, cell, alt)
}
