"""Jobs on a Ray cluster: each declares what it demands, and is tried again where its worker is lost."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from effbench.errors import EffbenchError
from effbench.machine.cluster import connect, machines
from effbench.study.away import Outcome, run_away
from effbench.study.job import Follower, Job

_RETRIES = 3
#: Seconds that jobs have to stop in.
_PATIENCE = 60.0


class RayCluster:
    """An existing cluster, or one on this machine.

    Args:
        address: of a cluster (``auto``: the one that this machine belongs to); a local one by default.

    Raises:
        EffbenchError: Ray is not installed, or there is no such cluster.
    """

    def __init__(self, address: str | None = None) -> None:
        self.ray = connect(address)
        self.remote = self.ray.remote(run_away)
        self.running: dict[Any, Job] = {}

    def fits(self, job: Job) -> bool:
        """Whether any machine could ever take it: Ray itself waits until one is free.

        Raises:
            EffbenchError: none of the cluster could.
        """
        nodes, demand = self._nodes(), self._demand(job)
        wanted = {"CPU": demand["num_cpus"], "GPU": demand["num_gpus"], **demand["resources"]}
        if any(all(node.get(name, 0) >= amount for name, amount in wanted.items()) for node in nodes):
            return True
        text = ", ".join(f"{amount:g} {name}" for name, amount in wanted.items() if amount)
        raise EffbenchError(f"no machine of the cluster has what '{job.key}' demands: {text}")

    def begin(self, job: Job) -> None:
        task = self.remote.options(name=job.key, max_retries=_RETRIES, **self._demand(job))
        self.running[task.remote(job.settled(), Path.cwd())] = job

    def _nodes(self) -> list[dict[str, float]]:
        """Resources of every machine of the cluster."""
        return [node["Resources"] for node in machines(self.ray)]

    def _demand(self, job: Job) -> dict[str, Any]:
        """What Ray reserves: a timing takes the whole processor of its machine, or a whole named device."""
        demand = job.demand
        most = max(node.get("CPU", 1) for node in self._nodes())
        cpus = most if demand.alone and not demand.hardware else min(demand.cpus, most)
        return {
            "num_cpus": cpus,
            "num_gpus": demand.gpus,
            "resources": {demand.hardware: 1} if demand.hardware else {},
        }

    def finished(self, follower: Follower) -> list[tuple[Job, Outcome]]:
        ready, _ = self.ray.wait(list(self.running), num_returns=1)
        outcomes = [(handle, self._outcome(handle)) for handle in ready]
        # An interrupt before this finds it among what runs, and keeps it.
        return [(self.running.pop(handle), outcome) for handle, outcome in outcomes]

    def _outcome(self, handle: Any) -> Outcome:
        try:
            outcome: Outcome = self.ray.get(handle)
        except self.ray.exceptions.TaskCancelledError:
            return Outcome(error="interrupted", stopped=True)
        except self.ray.exceptions.RayTaskError:
            raise  # an error that is no EffbenchError is a bug, here as elsewhere
        except self.ray.exceptions.RayError as error:
            return Outcome(error=f"its worker was lost {_RETRIES + 1} times: {str(error).splitlines()[0]}")
        return outcome

    def stop(self) -> list[tuple[Job, Outcome]]:
        if not self.running:
            return []
        for handle in self.running:
            self.ray.cancel(handle)
        # One that is just finishing, or saves its state, gets to its end.
        handles = list(self.running)
        ready, _ = self.ray.wait(handles, num_returns=len(handles), timeout=_PATIENCE)
        ended = [(self.running[handle], self._stopped(handle)) for handle in ready]
        self.running.clear()
        return ended

    def _stopped(self, handle: Any) -> Outcome:
        try:
            return self._outcome(handle)
        except self.ray.exceptions.RayTaskError:  # an interrupt breaks whatever it meets: an import, say
            return Outcome(error="interrupted", stopped=True)

    def close(self) -> None:
        """Leave the cluster, or end the local one."""
        self.ray.shutdown()
