"""What live detection takes: computing a hop, and how many streams a machine carries within a limit."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from effbench.detect.event_decoding import Decoding
from effbench.detect.stream_load import StreamLoad, find_capacity, run_streams, time_hops
from effbench.grid import CLIP_SAMPLES, CLIP_SECONDS, FRAME_SECONDS
from effbench.infer.scorer import FrameScorer, Inference
from effbench.infer.sliding import Sliding
from effbench.machine.description import Environment
from effbench.machine.environment import environment
from effbench.measure.conditions import Conditions
from effbench.measure.timing import Progress
from effbench.measure.workload import prepared
from effbench.models.chosen import choose_model
from effbench.results.intervals import Estimate, bootstrap
from effbench.results.measurement import Measurement
from effbench.shown import Row, Shown, Table, significant


@dataclass(frozen=True, repr=False)
class StreamProfile(Shown):
    """Live streams of one model.

    Attributes:
        spec: of the model.
        conditions: device, precision, backend and threads; front-end and network both run.
        batch_size: windows that are scored together at most.
        sliding: the windows.
        limit: seconds that 99 % of the hops may take.
        hops: seconds of computing one hop of one stream, a hundred times.
        carried: the most streams within the limit, ``None`` where there is not even one.
        failed: the fewest that were run and not within.
        environment: where it was measured.
        code: of a model of one's own, what its rows keep of where it comes from.
    """

    spec: str
    conditions: Conditions
    batch_size: int
    sliding: Sliding
    limit: float
    hops: tuple[float, ...]
    carried: StreamLoad | None
    failed: StreamLoad
    environment: Environment
    code: str | None = None

    @property
    def streams(self) -> int:
        """The most streams that were carried."""
        return self.carried.streams if self.carried else 0

    @property
    def real_time_factor(self) -> Estimate:
        """Computing of a hop over its length, of the median hop: below 1, one stream is followed."""
        return bootstrap(self.hops).map(lambda seconds: seconds / self._hop)

    @property
    def _hop(self) -> float:
        return self.sliding.hop * FRAME_SECONDS

    def __str__(self) -> str:
        return f"{self.spec}: {self.streams:,} live streams, p99 below {1000 * self.limit:g} ms"

    def rows(self) -> list[Row]:
        """One row, in seconds."""
        return [
            {
                "model": self.spec,
                "streams": self.streams,
                "hop_latency_p99": self.carried.p99.value if self.carried else None,
                "streams_failed": self.failed.streams,
                "hop_latency_p99_failed": self.failed.p99.value,
                "real_time_factor": self.real_time_factor.value,
                "compute_p50": bootstrap(self.hops).value,
                "compute_p99": bootstrap(self.hops, 99).value,
                **self._stored(),
                "device": self.conditions.device_name,
            }
        ]

    def sections(self) -> list[Table | str]:
        (row,) = self.rows()
        shown = {
            "model": self.spec,
            "a hop, p50 (ms)": significant(1000 * bootstrap(self.hops).value),
            "p99 (ms)": significant(1000 * bootstrap(self.hops, 99).value),
            "real-time factor": significant(self.real_time_factor.value),
            "streams": f"{self.streams:,}",
            "their p99 (ms)": significant(1000 * self.carried.p99.value) if self.carried else "",
            "too many": f"{self.failed.streams:,}",
        }
        where = f"{row['device']}, {self.conditions}, batches of up to {self.batch_size}"
        return [
            Table([shown]),
            f"Windows of {CLIP_SECONDS:g} s every {self._hop:g} s; p99 within {1000 * self.limit:g} ms."
            f" {where}.",
        ]

    def to_dict(self) -> dict[str, object]:
        return dict(self.rows()[0])

    def measurements(self) -> list[Measurement]:
        """Rows for the results store: real-time factor, streams, and their latency where there are any."""
        stored = self._stored() | ({} if self.code is None else {"code": self.code})
        # The factor is of one window at a time, and depends on no limit.
        alone = {name: value for name, value in stored.items() if name != "limit"} | {"batch_size": 1}
        rows = [
            self._row("real_time_factor", self.real_time_factor, alone, self.hops),
            self._row("streams", Estimate(self.streams), stored, ()),
        ]
        if (load := self.carried) is not None:
            conditions = stored | {"streams": load.streams}
            rows.append(self._row("hop_latency_p99", load.p99, conditions, load.latencies))
        return rows

    def _row(
        self, quantity: str, value: Estimate, conditions: dict[str, object], samples: tuple[float, ...]
    ) -> Measurement:
        return Measurement.here(
            self.spec,
            quantity,
            value,
            device=self.conditions.device_name,
            conditions=conditions,
            samples=samples,
            environment=self.environment.to_dict(),
        )

    def _stored(self) -> dict[str, object]:
        times = {"hop": self._hop, "look_ahead": self.sliding.look_ahead * FRAME_SECONDS, "limit": self.limit}
        return self.conditions.stored(self.batch_size) | times


def profile_streams(
    model: str,
    *,
    hop: float = 1.0,
    limit: float = 1.0,
    device: str = "cpu",
    precision: str = "fp32",
    backend: str = "folded",
    batch_size: int | None = None,
    threads: int | None = None,
    progress: Progress | None = None,
) -> StreamProfile:
    """How many live streams of noise this machine carries, by running them.

    Args:
        model: spec, or a reference to a model of one's own; weights do not matter for times.
        hop: seconds between the ends of two windows of a stream.
        limit: seconds from the last sample of a hop to its events, which 99 % of the hops keep.
        device, precision, backend: as for ``effbench.detect``.
        batch_size: windows that are scored together at most; 2 on a CPU and 32 on a GPU by default.
        threads: of torch on the CPU.
        progress: gets a line for each number of streams that is run.

    Raises:
        UsageError: an impossible option.
        EffbenchError: the model can't be built, or no number of streams is too much.
    """
    sliding = Sliding.of_seconds(hop, min(1.0, CLIP_SECONDS - hop))
    chosen = choose_model(model)
    inference = Inference(device, precision, batch_size, backend=backend).settled(chosen.detector)
    conditions = Conditions(
        device,
        precision,
        part="both",
        backend=inference.backend,
        threads=torch.get_num_threads() if threads is None else threads,
    )
    decoding = Decoding(names=chosen.class_names)
    here = environment(conditions.device)
    with prepared(chosen.detector, conditions):
        scorer = FrameScorer(chosen.detector, inference, probabilities=True)
        scorer([np.zeros(CLIP_SAMPLES, np.float32)] * inference.windows_per_call)
        hops = time_hops(scorer, decoding, sliding)
        carried, failed = find_capacity(
            lambda streams: run_streams(scorer, decoding, sliding, streams, limit),
            limit,
            guess=int(sliding.hop * FRAME_SECONDS / bootstrap(hops).value),
            progress=progress,
        )
    return StreamProfile(
        chosen.spec,
        conditions,
        inference.windows_per_call,
        sliding,
        limit,
        hops,
        carried,
        failed,
        here,
        chosen.code,
    )
