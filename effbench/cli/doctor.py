"""``effbench doctor``: what a measurement here carries with it, and what would make it unreliable."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from effbench.cli import options
from effbench.cli.output import Format, note, write, write_json


def doctor(
    device: options.Device = "auto",
    precision: options.Precision = "fp32",
    form: options.OutputFormat = Format.table,
) -> None:
    """The environment that is kept with measurements, and what makes timings in it unreliable.

    Example: effbench doctor --device cpu --precision bf16
    """
    from effbench.machine.concerns import concerns
    from effbench.machine.devices import resolve_device, resolve_precision
    from effbench.machine.environment import environment

    here = environment(device)
    warnings = concerns(here, resolve_precision(precision, resolve_device(device)))
    if form is Format.json:
        write_json({"environment": here.to_dict(), "concerns": warnings})
        return
    rows = [{"what": name, "value": _readable(name, value)} for name, value in _flat(here.to_dict())]
    rows += [{"what": "concern", "value": warning} for warning in warnings]
    write(rows, form)
    count = f"{len(warnings)} thing{'s' * (len(warnings) != 1)}"
    note(f"{count} that may make timings unreliable" if warnings else "nothing found that disturbs timings")


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """The leaves of nested data with their path; what is not known is left out."""
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif value is not None:
            yield f"{prefix}{name}", value


def _readable(name: str, value: object) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if name.endswith("_bytes") and isinstance(value, int):
        return f"{value / 2**30:,.1f} GiB"
    return str(value)
