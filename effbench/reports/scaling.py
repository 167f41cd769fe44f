"""How many devices, hours, bytes and how much money a model takes for many hours of audio. Torch-free."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import soundfile

from effbench.data.audio import Samples, read_audio
from effbench.data.synth.scene import plan_scene, render_scene
from effbench.data.synth.sounds import SOUNDS
from effbench.errors import EffbenchError, UsageError
from effbench.grid import FRAMES_PER_SECOND, SAMPLE_RATE
from effbench.models.own_model import find_model
from effbench.results.shipped import newest_rows
from effbench.shown import Row, Shown, Table

#: Windows of 10 s that an hour of long audio has: one every 8 s, cross-faded.
WINDOWS_AN_HOUR = 3600 / 8
_CLASSES = 447
_SECONDS = 60
_REPEATS = 5
#: How libsndfile writes them.
_FORMATS: Mapping[str, Mapping[str, Any]] = {
    "WAV, 16 bits": {"format": "WAV", "subtype": "PCM_16"},
    "FLAC": {"format": "FLAC", "subtype": "PCM_16"},
    "MP3, 40 kb/s": {
        **{"format": "MP3", "subtype": "MPEG_LAYER_III"},
        **{"bitrate_mode": "CONSTANT", "compression_level": 0.8},
    },
    "Opus": {"format": "OGG", "subtype": "OPUS"},
}


class AudioFormat(NamedTuple):
    """A file format, of synthetic soundscapes on one core of this machine.

    Attributes:
        name: of container and coding.
        bytes_an_hour: size of an hour.
        hours_a_second: of audio that one core decodes in a second.
    """

    name: str
    bytes_an_hour: float
    hours_a_second: float


def measure_formats() -> list[AudioFormat]:
    """Size and decoding rate of each format, as the median of five decodings of a minute."""
    audio = render_scene(plan_scene((0, 0, 1), _SECONDS, tuple(SOUNDS), (10.0, 15.0)))
    return [_measure_format(name, coding, audio) for name, coding in _FORMATS.items()]


def _measure_format(name: str, coding: Mapping[str, Any], audio: Samples) -> AudioFormat:
    seconds = []
    with TemporaryDirectory(prefix="effbench-") as folder:
        file = Path(folder, "audio")
        soundfile.write(file, audio, SAMPLE_RATE, **coding)
        for _ in range(_REPEATS):
            began = time.perf_counter()
            read_audio(file)
            seconds.append(time.perf_counter() - began)
        size = file.stat().st_size
    return AudioFormat(name, size * 3600 / _SECONDS, _SECONDS / 3600 / median(seconds))


@dataclass(frozen=True, repr=False)
class Scaling(Shown):
    """What many hours of audio take: a row for each device and precision, and one for each format.

    Attributes:
        spec: the model.
        hours: of audio.
        devices: rows with the measured rate and what follows from it.
        formats: rows with size, and cores and bytes that keep the fastest device busy.
    """

    spec: str
    hours: float
    devices: list[Row]
    formats: list[Row]

    def __str__(self) -> str:
        return f"{self.spec} on {self.hours:,.0f} hours of audio"

    def sections(self) -> Iterator[Table | str]:
        """The two tables, and what the numbers rest on."""
        yield Table(self.devices, f"{self}, in windows of 10 s every 8 s", shared=("part",))
        yield Table(self.formats, "Audio in files, mono at 16 kHz, and what feeds the fastest device")
        terabytes = self.hours * 3600 * FRAMES_PER_SECOND * _CLASSES * 4 / 1e12
        yield f"Scores of {_CLASSES} classes, if kept: {terabytes:,.3g} TB in single precision."
        if {row["part"] for row in self.devices} == {"network"}:
            yield "The rates are of the network: features, decoding, transfers and failures are not in them."
        yield "Sizes and cores are of synthetic soundscapes, decoded on one core of this machine just now."

    def rows(self) -> list[Row]:
        """The devices."""
        return self.devices

    def to_dict(self) -> dict[str, object]:
        """Both tables."""
        named = {"model": self.spec, "hours": self.hours}
        return {**named, "devices": self.devices, "formats": self.formats}


def scaling(
    model: str,
    hours: float = 1e6,
    *,
    within: float = 24.0,
    prices: Mapping[str, float] | None = None,
    store: str | Path | None = None,
    formats: Iterable[AudioFormat] | None = None,
) -> Scaling:
    """What a model takes for many hours of audio, by the newest measurements of its throughput.

    Args:
        model: spec, or name of a model of one's own.
        hours: of audio, in long files.
        within: hours in which it is to be done.
        prices: of an hour of a device, by a part of its name.
        store: results store; by default the usual one, with what ships.
        formats: ``measure_formats``, where they are known.

    Raises:
        UsageError: numbers that are not positive, or a price of a device that was not measured.
        EffbenchError: nothing was measured.
    """
    if not all(0 < number < np.inf for number in (hours, within, *(prices or {}).values())):
        raise UsageError("hours and prices must be positive numbers")
    spec = str(find_model(model))
    best = _best_rates(spec, store)
    for name in prices or {}:
        if not any(name.lower() in str(row["device"]).lower() for row in best):
            known = ", ".join(sorted({str(row["device"]) for row in best}))
            raise UsageError(f"a price of '{name}', of which {spec} has no measurement; it has: {known}")
    devices = [_on_device(row, hours, within, prices or {}) for row in best]
    fastest = max(row["clips/s"] for row in best) / WINDOWS_AN_HOUR  # hours of audio in a second
    known_formats = measure_formats() if formats is None else formats
    return Scaling(spec, hours, devices, [_in_files(each, hours, fastest) for each in known_formats])


def _best_rates(spec: str, store: str | Path | None) -> list[dict[str, Any]]:
    """The highest rate of every device, precision and part, at whatever batch size; on torch as it is."""
    rows = newest_rows(store)
    rows = rows[(rows["spec"] == spec) & (rows["quantity"] == "throughput")]
    rows = rows[(rows["provenance"] == "measured") & rows["compiled"].ne(True)]
    if "backend" in rows:
        rows = rows[rows["backend"].isna()]
    if rows.empty:
        raise EffbenchError(f"no throughput of {spec} has been measured: 'effbench profile' does")
    best = rows.loc[rows.groupby(["device", "precision", "part"])["value"].idxmax()]
    best = best.sort_values("value", ascending=False).assign(measured=best["created"].astype(str).str[:10])
    names = {"batch_size": "batch", "value": "clips/s"}
    shown = best[["device", "precision", "part", "batch_size", "measured", "value"]].rename(columns=names)
    return [{str(name): value for name, value in row.items()} for row in shown.to_dict("records")]


def _on_device(row: dict[str, Any], hours: float, within: float, prices: Mapping[str, float]) -> Row:
    device_hours = hours * WINDOWS_AN_HOUR / row["clips/s"] / 3600
    price = next((price for name, price in prices.items() if name.lower() in row["device"].lower()), None)
    return {
        **row,
        "clips/s": round(row["clips/s"]),
        "device hours": _rounded(device_hours, 1),
        f"devices for {within:g} h": ceil(device_hours / within),
        **({"cost": None if price is None else _rounded(device_hours * price, 2)} if prices else {}),
    }


def _in_files(each: AudioFormat, hours: float, fastest: float) -> Row:
    return {
        "format": each.name,
        "MB an hour": _rounded(each.bytes_an_hour / 1e6, 1),
        "TB": _rounded(each.bytes_an_hour * hours / 1e12, 1),
        "hours decoded a second and core": _rounded(each.hours_a_second, 2),
        "cores a device": round(fastest / each.hours_a_second, 1),
        "MB/s a device": round(fastest * each.bytes_an_hour / 1e6),
    }


def _rounded(value: float, decimals: int) -> float:
    """To so many decimals, or to two digits what they would turn into nothing."""
    return round(value, decimals) or float(f"{value:.2g}")
