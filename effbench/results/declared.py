"""Values that were not measured here but are declared: checked for slips of unit, size and condition."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation

from effbench.errors import UsageError, nearest
from effbench.results.measurement import UNITS, Measurement, now
from effbench.spec import row_name

#: The condition that all declared values have.
DECLARED: Mapping[str, str] = {"declared": "by the user"}

#: Name of what times and memory depend on besides conditions.
DEVICE = "device"

_COUNTS = {"k": "1e3", "M": "1e6", "G": "1e9", "T": "1e12"}

#: For each unit of the store others that are understood, and what one of them is in it.
_OTHER_UNITS: Mapping[str, Mapping[str, str]] = {
    "parameters": _COUNTS,
    "MACs/clip": {**_COUNTS, "MACs": "1"},
    "s": {"ms": "1e-3", "µs": "1e-6", "us": "1e-6"},
    "bytes": {
        **{"kB": "1e3", "MB": "1e6", "GB": "1e9"},
        **{"KiB": str(2**10), "MiB": str(2**20), "GiB": str(2**30)},
    },
    "J/clip": {"J": "1", "mJ": "1e-3", "kJ": "1e3", "Wh": "3600", "mWh": "3.6"},
    "%": {"fraction": "100"},
}
_READING_UNITS = {"parameters": "M", "MACs/clip": "G", "s": "ms", "bytes": "MiB"}
_COUNTED = ("parameters", "MACs/clip")
_WITHIN_A_LIMIT = ("streams", "hop_latency_p99")
_LIVE = ("streams", "s/s")
_ON_A_DEVICE = ("clips/s", "s", "bytes", "J/clip", "% of the roof", *_LIVE)

#: Smaller counts without a unit may be meant in millions.
_SMALL_COUNT = 1000

#: What people write, and what it may mean.
UNCLEAR = {
    **dict.fromkeys(("macs", "gmacs", "mmacs"), "macs_exact, all that are executed, or macs_paper"),
    **dict.fromkeys(("params", "size", "#params"), "parameters"),
    **dict.fromkeys(("latency", "runtime", "rtf"), "latency_p50, latency_p90 or latency_p99"),
    **dict.fromkeys(("psds", "score"), "psds1 or psds2"),
    **dict.fromkeys(("joules", "power", "watts"), "energy, joules for a clip"),
}


def _truth(text: str) -> bool:
    return {"yes": True, "true": True, "no": False, "false": False}[text.lower()]


def _choice(*choices: str) -> Callable[[str], str]:
    return {choice: choice for choice in choices}.__getitem__


_PARAMETERS, _MACS, _TIMED = ("parameters",), ("MACs/clip",), ("logits", *_ON_A_DEVICE)
_SCORES = tuple(sorted({*UNITS.values()} - {*_PARAMETERS, *_MACS, *_TIMED}))
_WHOLE, _NUMBER, _TEXT = (int, "a whole number"), (float, "a number"), (str, "a text")
_PRECISION = (_choice("fp32", "tf32", "bf16", "fp16"), "fp32, tf32, bf16 or fp16")
_PART = (_choice("network", "frontend", "both"), "network, frontend or both")

#: What a declared value may depend on: how its text is read, what it may be, and which units or quantities
#: depend on it.
_CONDITIONS: Mapping[str, tuple[tuple[Callable[[str], object], str], tuple[str, ...]]] = {
    "precision": (_PRECISION, (*_TIMED, *_SCORES)),
    "part": (_PART, _TIMED),
    "compiled": ((_truth, "yes or no"), _TIMED),
    "backend": (_TEXT, (*_TIMED, *_SCORES)),
    "kernels": (_TEXT, _TIMED),
    **dict.fromkeys(("batch_size", "threads"), (_WHOLE, _TIMED)),
    "seconds": (_NUMBER, (*_MACS, *_TIMED)),
    **dict.fromkeys(("hop", "look_ahead"), (_NUMBER, (*_WITHIN_A_LIMIT, "real_time_factor"))),
    "limit": (_NUMBER, _WITHIN_A_LIMIT),
    "threshold": (_NUMBER, _SCORES),
    **dict.fromkeys(("seed", "clips", "classes", "epoch"), (_WHOLE, _SCORES)),
    **dict.fromkeys(
        ("protocol", "data", "split", "fingerprint", "checkpoint", "recipe", "changes", "run"),
        (_TEXT, _SCORES),
    ),
    "note": (_TEXT, tuple(set(UNITS.values()))),
}

#: Names of the conditions that a declared value may have.
KNOWN_CONDITIONS = tuple(_CONDITIONS)


def declared(
    spec: str,
    quantity: str,
    value: str | float,
    *,
    source: str,
    unit: str | None = None,
    low: str | float | None = None,
    high: str | float | None = None,
    device: str | None = None,
    conditions: Mapping[str, object] | None = None,
    created: str | None = None,
) -> Measurement:
    """A row for a value that somebody else measured: ``published``, and said to be declared.

    Args:
        spec: the model's spec, or a name of one's own.
        quantity: a key of ``UNITS``.
        value, low, high: numbers, or texts of them, and the ends of the 95 % interval.
        source: where the value is from.
        unit: of all three; by default the store's, where a number alone is clear.
        device: what was timed; needed for times and memory.
        conditions: from ``KNOWN_CONDITIONS``; texts are read as what they are.
        created: day or time, ISO 8601; now by default.

    Raises:
        UsageError: what can't be meant, or could be meant in two ways.
    """
    check_quantity(quantity)
    what = f"{quantity} of {(name := row_name(spec))}"
    if not source.strip():
        raise UsageError(f"{what} needs a source: where is the value from?")
    if depends_on(quantity, DEVICE) != bool(device):
        raise UsageError(
            f"{what} is of no device: name none"
            if device
            else f"{what} depends on the device that it was measured on: name it"
        )
    for needed in ("hop", "limit"):
        if depends_on(quantity, needed) and needed not in (conditions or {}):
            raise UsageError(f"{what} depends on the {needed} of the streams, in seconds: state it")
    number = in_stored_unit(quantity, value, unit)
    ends = [None if end in (None, "") else in_stored_unit(quantity, end, unit) for end in (low, high)]
    if (ends[0] is not None and ends[0] > number) or (ends[1] is not None and ends[1] < number):
        raise UsageError(f"{what}: {number:g} is not within its interval, {ends[0]} to {ends[1]}")
    return Measurement(
        spec=name,
        quantity=quantity,
        value=number,
        low=ends[0],
        high=ends[1],
        provenance="published",
        source=source.strip(),
        device=device,
        conditions={
            **DECLARED,
            **{key: _condition(quantity, key, text) for key, text in (conditions or {}).items()},
        },
        created=_time(created) if created else now(),
    )


def check_quantity(name: str) -> None:
    """Raise ``UsageError``, with what may be meant, where there is no such quantity."""
    if name.lower() in UNCLEAR:
        raise UsageError(f"'{name}' is no quantity: write {UNCLEAR[name.lower()]}")
    if name not in UNITS:
        raise UsageError(f"unknown quantity '{name}'{nearest(name, UNITS)}\nKnown: {', '.join(UNITS)}.")


def check_condition(name: str) -> None:
    """Raise ``UsageError`` where there is no such condition of declared values."""
    if name not in _CONDITIONS:
        known = ", ".join(_CONDITIONS)
        raise UsageError(f"unknown condition '{name}'{nearest(name, _CONDITIONS)}\nKnown: {known}.")


def depends_on(quantity: str, name: str) -> bool:
    """Whether a quantity depends on a known condition, or on the device."""
    if name == DEVICE:
        return UNITS[quantity] in _ON_A_DEVICE
    return not {quantity, UNITS[quantity]}.isdisjoint(_CONDITIONS[name][1])


def check_unit(quantity: str, unit: str) -> None:
    """Raise ``UsageError`` where values of a quantity can't be in a unit."""
    units = [UNITS[quantity], *_OTHER_UNITS.get(UNITS[quantity], {})]
    if unit not in units:
        raise UsageError(f"{quantity} can't be in '{unit}': its units are {', '.join(units)}")


def in_stored_unit(quantity: str, value: str | float, unit: str | None = None) -> float:
    """A value of a quantity in the unit of ``UNITS``.

    Raises:
        UsageError: no number, an impossible one, or one that without its unit could mean two things.
    """
    stored = UNITS[quantity]
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        raise UsageError(f"{quantity} is not a number: '{value}'") from None
    if not number.is_finite():
        raise UsageError(f"{quantity} is {value}, not a finite number")
    if unit is None:
        _require_clear(quantity, number)
    else:
        check_unit(quantity, unit)
        number *= Decimal(_OTHER_UNITS.get(stored, {}).get(unit, "1"))
    if (
        number < 0
        or (stored == "%" and number > 100)
        or (stored in (*_COUNTED, "s", "clips/s", "J/clip") and not number)
    ):
        raise UsageError(f"{quantity} can't be {value} {unit or stored}")
    if stored in _COUNTED and number != round(number):
        if unit in (None, stored):
            raise UsageError(
                f"{quantity} is a whole number of {stored}, not {value}: in millions it has the unit M"
            )
        number = Decimal(round(number))
    return float(number)


def split_unit(quantity: str, text: str) -> float:
    """A text such as ``5ms`` or ``500 MB``, in the unit of ``UNITS``. Raises as ``in_stored_unit``."""
    check_quantity(quantity)
    parts = re.fullmatch(r"\s*([-+\d.]+(?:e[-+]?\d+)?)\s*(.*?)\s*", text)
    return in_stored_unit(quantity, parts[1], parts[2] or None) if parts else in_stored_unit(quantity, text)


def _require_clear(quantity: str, number: Decimal) -> None:
    stored = UNITS[quantity]
    units = ", ".join([stored, *_OTHER_UNITS.get(stored, {})])
    small_share = stored == "%" and 0 < number <= 1
    small_count = stored in _COUNTED and number < _SMALL_COUNT and number == round(number)
    if small_share or small_count or stored in ("s", "bytes", "J/clip"):
        raise UsageError(f"{quantity} {number} is not clear without its unit: {units}")


def _condition(quantity: str, name: str, value: object) -> object:
    check_condition(name)
    if not depends_on(quantity, name):
        raise UsageError(f"{quantity} does not depend on {name}: leave it out, or write a note")
    return read_condition(name, value)


def read_condition(name: str, value: object) -> object:
    """What the text of a condition means: a number, a choice, yes or no.

    Raises:
        UsageError: there is no such condition, or it can't be that.
    """
    check_condition(name)
    read, allowed = _CONDITIONS[name][0]
    try:
        return read(str(value).strip())
    except (KeyError, ValueError):
        raise UsageError(f"{name} is {allowed}, not '{value}'") from None


def in_reading_unit(quantity: str, value: float) -> tuple[float, str]:
    """A stored value for people, and its unit: millions of parameters, ms, MiB."""
    unit = _READING_UNITS.get(UNITS[quantity])
    if unit is None:
        return value, UNITS[quantity]
    return value / float(_OTHER_UNITS[UNITS[quantity]][unit]), unit


def _time(text: str) -> str:
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        raise UsageError(f"'{text}' is not a date: write 2025-03-31, or a time as ISO 8601 has it") from None
    when = (when if when.tzinfo else when.replace(tzinfo=UTC)).astimezone(UTC)
    if when > datetime.now(UTC):
        raise UsageError(f"{text} is in the future")
    return when.isoformat(timespec="seconds")
