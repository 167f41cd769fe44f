"""The share of the roof that a network reaches, and where the time goes."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass

from effbench.machine.description import Environment
from effbench.machine.devices import Precision
from effbench.measure.ceilings import Ceilings
from effbench.measure.conditions import Conditions
from effbench.measure.macs import MacReport
from effbench.measure.roof import Operators, operators_by_layer, roof_of
from effbench.results.intervals import Estimate, bootstrap
from effbench.results.measurement import Measurement
from effbench.shown import Row, Shown, Table, significant

_LOSERS = 3  # layers that are named as taking most time above their roof


@dataclass(frozen=True)
class Round:
    """Ceilings and network, timed one after the other: each the fastest of several calls.

    Attributes:
        ceilings: of the device at the moment.
        seconds: of a call of the network on its backend.
        layers: seconds of each layer of the folded network by path; under ``""``, of what is outside of them.
    """

    ceilings: Ceilings
    seconds: float
    layers: Mapping[str, float]


@dataclass(frozen=True)
class UnderRoof:
    """A layer, or a network, under its roof; times and share are those of the median round.

    Attributes:
        layer: its path, or what the whole ran on.
        macs, bytes: of a call.
        macs_per_byte: the intensity.
        bound: by ``compute`` or ``memory``.
        roof_seconds: the least time of a call.
        call_seconds: the time of a call.
        roof_share: the first over the second, per cent.
    """

    layer: str
    macs: int
    bytes: int
    macs_per_byte: float
    bound: str
    roof_seconds: float
    call_seconds: float
    roof_share: float

    @property
    def lost(self) -> float:
        """Seconds above the roof."""
        return self.call_seconds - self.roof_seconds


@dataclass(frozen=True, repr=False)
class Roofline(Shown):
    """A network under the roof of a device.

    Attributes:
        spec: of the model.
        conditions: device, precision, backend, threads.
        batch_size: clips per call.
        macs: of a call.
        rounds: in which ceilings and network took turns.
        environment: where it was measured.
        code: of a model of one's own, what its rows keep of where it comes from.
    """

    spec: str
    conditions: Conditions
    batch_size: int
    macs: MacReport
    rounds: tuple[Round, ...]
    environment: Environment
    code: str | None = None

    @property
    def share(self) -> Estimate:
        """Roof over time on the backend, per cent."""
        return bootstrap(self._shares(self.macs.operators, lambda turn: turn.seconds))

    @property
    def ceilings(self) -> Ceilings:
        """Each in its median round."""
        found = [turn.ceilings for turn in self.rounds]
        return Ceilings(
            statistics.median(each.products for each in found),
            statistics.median(each.depthwise for each in found),
            {
                size: statistics.median(each.bytes_per_second[size] for each in found)
                for size in found[0].bytes_per_second
            },
        )

    def layers(self) -> list[UnderRoof]:
        """The layers of the folded network; empty where some run outside of the module that holds them."""
        return [
            self._under_roof(name, operators, lambda turn, name=name: turn.layers[name])  # type: ignore[misc]
            for name, operators in operators_by_layer(self.macs).items()
        ]

    def folded(self) -> UnderRoof:
        """The folded network, as its layers were timed."""
        return self._under_roof("all, folded", self.macs.operators, lambda turn: sum(turn.layers.values()))

    def whole(self) -> UnderRoof:
        """The network on its backend."""
        name = f"all, {self.conditions.backend}"
        return self._under_roof(name, self.macs.operators, lambda turn: turn.seconds)

    def _under_roof(self, name: str, operators: Operators, seconds: Callable[[Round], float]) -> UnderRoof:
        roofs = [roof_of(operators, turn.ceilings, self._float_bytes) for turn in self.rounds]
        return UnderRoof(
            layer=name,
            macs=roofs[0].macs,
            bytes=roofs[0].bytes,
            macs_per_byte=roofs[0].intensity,
            bound=statistics.mode(roof.bound for roof in roofs),
            roof_seconds=statistics.median(roof.seconds for roof in roofs),
            call_seconds=statistics.median(map(seconds, self.rounds)),
            roof_share=statistics.median(self._shares(operators, seconds)),
        )

    def _shares(self, operators: Operators, seconds: Callable[[Round], float]) -> list[float]:
        roofs = (roof_of(operators, turn.ceilings, self._float_bytes) for turn in self.rounds)
        return [100 * roof.seconds / seconds(turn) for roof, turn in zip(roofs, self.rounds, strict=True)]

    @property
    def _float_bytes(self) -> int:
        return Precision(self.conditions.precision).dtype.itemsize

    def __str__(self) -> str:
        return f"{self.spec}: {significant(self.share.value, 3)} % of the roof, {self.conditions}"

    def rows(self) -> list[Row]:
        """A row for each layer, and two for the whole, in base units."""
        stored = {**self.conditions.stored(self.batch_size), "device": self.conditions.device_name}
        lines = [*self.layers(), self.folded(), self.whole()]
        return [{"model": self.spec, **asdict(line), **stored} for line in lines]

    def sections(self) -> list[Table | str]:
        lines = [*self.layers(), self.folded(), self.whole()]
        share, here = self.share, self.environment
        value, low, high = (significant(end, 3) for end in (share.value, share.low, share.high))
        rate = significant(self.macs.exact / self.whole().call_seconds / 1e9)
        return [
            Table(list(map(_for_reading, lines)), f"{self.spec}, batch {self.batch_size}"),
            f"{value} % of the roof [{low}, {high}] in {len(self.rounds)} rounds: {rate} GMAC/s,"
            f" {self.conditions}. {self._lost()}",
            f"Ceilings: {_said(self.ceilings)}.",
            f"Measured on {here.device_name}, torch {here.software.torch}, effbench {here.software.effbench},"
            f" load average {here.load.average_1m}.",
        ]

    def _lost(self) -> str:
        """The layers that lose most time."""
        worst = sorted(self.layers(), key=lambda line: -line.lost)[:_LOSERS]
        named = ", ".join(f"{line.layer} {significant(1000 * line.lost, 3)} ms" for line in worst)
        return f"Most time above the roof, folded: {named}." if worst else "Its layers can't be timed apart."

    def to_dict(self) -> dict[str, object]:
        share = self.share
        return {
            "spec": self.spec,
            **{"roof_share": share.value, "roof_share_low": share.low, "roof_share_high": share.high},
            **self._details(),
            "batch_size": self.batch_size,
            **self.conditions.to_dict(),
            "rounds": [
                {"ceilings": turn.ceilings.to_dict(), "seconds": turn.seconds, "layers": dict(turn.layers)}
                for turn in self.rounds
            ],
            "environment": self.environment.to_dict(),
        }

    def _details(self) -> dict[str, object]:
        return {
            "ceilings": self.ceilings.to_dict(),
            "network": asdict(self.whole()),
            "folded": asdict(self.folded()),
            "layers": [asdict(layer) for layer in self.layers()],
        }

    def measurements(self) -> list[Measurement]:
        """The row for the results store: the share, with which ceilings and layers are kept."""
        stored = self.conditions.stored(self.batch_size) | ({} if self.code is None else {"code": self.code})
        return [
            Measurement.here(
                self.spec,
                "roof_share",
                self.share,
                device=self.conditions.device_name,
                conditions=stored,
                samples=[turn.seconds for turn in self.rounds],
                environment={**self.environment.to_dict(), "roof": self._details()},
            )
        ]


def compared(rooflines: Sequence[Roofline]) -> Table:
    """Several networks side by side, each on its backend."""
    lines = [(roofline, _for_reading(roofline.whole())) for roofline in rooflines]
    return Table(
        [
            {"model": roofline.spec, **{head: text for head, text in line.items() if head != "layer"}}
            | {"95 % interval": " – ".join(significant(end, 3) for end in _ends(roofline.share))}
            | roofline.conditions.stored(roofline.batch_size)
            | {"device": roofline.conditions.device_name}
            for roofline, line in lines
        ],
        shared=("part", "precision", "compiled", "threads", "batch_size", "seconds", "backend", "device"),
    )


def _ends(share: Estimate) -> tuple[float, float]:
    return share.low, share.high


def _for_reading(line: UnderRoof) -> Row:
    return {
        "layer": line.layer,
        "MACs (M)": significant(line.macs / 1e6),
        "MB": significant(line.bytes / 1e6),
        "MACs/byte": significant(line.macs_per_byte, 3),
        "bound by": line.bound,
        "roof (ms)": significant(1000 * line.roof_seconds, 3),
        "here (ms)": significant(1000 * line.call_seconds, 3),
        "share (%)": significant(line.roof_share, 3),
    }


def _said(ceilings: Ceilings) -> str:
    """Ceilings in words: ``108 GMAC/s of products, …``."""
    products, depthwise = (significant(rate / 1e9, 3) for rate in (ceilings.products, ceilings.depthwise))
    bandwidths = ", ".join(
        f"{significant(rate / 1e9, 3)} ({significant(size / 2**20)} MiB)"
        for size, rate in ceilings.bytes_per_second.items()
    )
    return (
        f"{products} GMAC/s of products, {depthwise} of depthwise convolutions; GB/s of memory by working"
        f" set: {bandwidths}"
    )
