"""Studies run the same in order, in processes, and on a Ray cluster; what dies there is not the end."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import pandas as pd
import pytest

from effbench.results.measurement import Measurement
from effbench.results.store import Store
from effbench.study.definition import Study
from effbench.study.graph import jobs
from effbench.study.job import Demand, Follower, Job, Workplace, pending
from effbench.study.job_record import running
from effbench.study.local_processes import LocalProcesses
from effbench.study.scheduling import run_jobs
from effbench.version import source
from tests.study.test_job import Told

pytestmark = pytest.mark.slow
CONTENT = {
    "title": "x",
    "models": ["ATST-F", "fmn01"],
    "data": {"toys": {"clips": 2, "eval_clips": 2, "seconds": 2}, "lost": {"clips": 1, "eval_clips": 1}},
    "tasks": {
        "complexity": {"seconds": 20},  # ATST-F takes at most 10 s
        "evaluate": {"models": ["fmn01"], "data": "toys", "metrics": ["psds1", "pauroc"]},
    },
}


@dataclass(frozen=True)
class Fragile(Job):
    """Is killed the first times that it runs."""

    deaths: int = 1

    task = "fragile"

    def is_done(self, measured: pd.DataFrame) -> bool:
        return "fragile" in set(measured["spec"])

    def run(self, follower: Follower) -> None:
        died = self.place.folder / "died"
        died.mkdir(parents=True, exist_ok=True)
        if len(list(died.iterdir())) < self.deaths:
            (died / str(os.getpid())).touch()
            os.kill(os.getpid(), signal.SIGKILL)
        self.place.keep([Measurement.here("fragile", "parameters", 7)])


@pytest.fixture(scope="module")
def cluster():
    pytest.importorskip("ray")
    from effbench.study.ray_cluster import RayCluster

    made = RayCluster()
    yield made
    made.close()


def executor(request):
    return LocalProcesses(2) if request.param == "processes" else request.getfixturevalue("cluster")


elsewhere = pytest.fixture(executor, params=["processes", "ray"])


def values(place):
    with Store(place.store) as store:
        rows = store.read(provenance="measured")
    return sorted(zip(rows["spec"], rows["quantity"], rows["value"], strict=True))


def test_all_run_the_same_and_a_failed_job_stops_no_other(elsewhere, tmp_path):
    outcomes, kept = {}, {}
    for name in ("in order", "elsewhere"):
        place = Workplace(tmp_path / name, tmp_path / f"{name}.sqlite")
        study, told = jobs(Study.model_validate(CONTENT), place), Told()
        outcomes[name] = run_jobs(study, told) if name == "in order" else run_jobs(study, told, elsewhere)
        kept[name] = values(place)
        assert [job.key for job in pending(study, place.measured())] == ["ATST-F complexity"]
        assert set(place.failures()) == {"ATST-F complexity"}
        assert sorted(told.started) == sorted(job.key for job in study)
    assert outcomes["in order"] == outcomes["elsewhere"]
    assert kept["in order"] == kept["elsewhere"]
    assert {"macs_exact", "psds1", "pauroc"} <= {quantity for _, quantity, _ in kept["elsewhere"]}


def test_a_job_that_needs_what_failed_is_skipped(cluster, tmp_path):
    place = Workplace(tmp_path / "work", tmp_path / "store.sqlite")
    (place.folder / "data" / "toys").mkdir(parents=True)
    (place.folder / "data" / "toys" / "letter.txt").write_text("hello")
    outcomes = run_jobs(jobs(Study.model_validate(CONTENT), place), Told(), cluster)
    assert "toys is neither empty nor a synthetic set" in outcomes["data toys"]
    assert outcomes["fmn01 evaluate"] == "skipped: it needs 'data toys', which failed"


def test_a_process_that_is_killed_is_a_failed_job(tmp_path):
    place = Workplace(tmp_path / "work", tmp_path / "store.sqlite")
    told, done = Told(), Fragile(place, None)
    assert run_jobs([done], told, LocalProcesses(2)) == {"fragile": "its process ended early (SIGKILL)"}
    assert place.failures() == {"fragile": "its process ended early (SIGKILL)"}
    assert run_jobs([done], told, LocalProcesses(2)) == {"fragile": None}
    assert place.failures() == {}
    assert values(place) == [("fragile", "parameters", 7.0)]


def test_a_worker_of_a_cluster_that_is_killed_is_replaced(cluster, tmp_path):
    place = Workplace(tmp_path / "work", tmp_path / "store.sqlite")
    assert run_jobs([Fragile(place, None, deaths=2)], Told(), cluster) == {"fragile": None}
    assert len(list((place.folder / "died").iterdir())) == 2
    assert values(place) == [("fragile", "parameters", 7.0)]


@dataclass(frozen=True)
class Interrupting(Job):
    """Interrupts the driver when it first ends; another one ends just then."""

    name: str
    driver: int | None

    task = "interrupting"

    @property
    def variant(self):
        return {"name": self.name}

    def is_done(self, measured):
        return self.key in set(measured["spec"])

    def run(self, follower):
        ready, interrupted = self.place.folder / "ready", self.place.folder / "interrupted"
        self.place.keep([Measurement.here(self.key, "parameters", 7)])
        if self.driver is None:
            ready.touch()
            wait_for(interrupted)
        elif not interrupted.exists():
            wait_for(ready)
            interrupted.touch()
            os.kill(self.driver, signal.SIGINT)


def wait_for(file):
    while not file.exists():
        time.sleep(0.001)


def test_what_just_ends_when_a_study_is_interrupted_is_kept_once(tmp_path):
    place = Workplace(tmp_path, tmp_path / "store.sqlite")
    study = [Interrupting(place, None, "a", os.getpid()), Interrupting(place, None, "b", None)]
    with pytest.raises(KeyboardInterrupt):
        run_jobs(study, Told(), LocalProcesses(2))
    left = pending(study, place.measured())
    assert run_jobs(left, Told(), LocalProcesses(2)) == {job.key: None for job in left}
    assert values(place) == [(job.key, "parameters", 7.0) for job in study]


@dataclass(frozen=True)
class Elsewhere(Fragile):
    """Demands what no machine here has."""

    task = "elsewhere"

    @property
    def demand(self):
        return Demand(hardware="H100")


def test_a_job_that_no_machine_of_a_cluster_can_take_stops_no_other(cluster, tmp_path):
    place = Workplace(tmp_path / "work", tmp_path / "store.sqlite")
    outcomes = run_jobs([Elsewhere(place, None), Fragile(place, None, deaths=0)], Told(), cluster)
    assert "no machine of the cluster has what 'elsewhere' demands: 1 CPU, 1 H100" in outcomes["elsewhere"]
    assert outcomes["fragile"] is None


@dataclass(frozen=True)
class Timed(Job):
    """Notes when it runs."""

    name: str
    alone: bool

    task = "timed"

    @property
    def variant(self):
        return {"name": self.name}

    @property
    def demand(self):
        return Demand(alone=self.alone)

    def is_done(self, measured):
        return False

    def run(self, follower):
        (self.place.folder / f"{self.name}-begins").write_text(str(time.monotonic()))
        time.sleep(0.3)
        (self.place.folder / f"{self.name}-ends").write_text(str(time.monotonic()))


def test_what_is_timed_has_the_machine_to_itself(elsewhere, tmp_path):
    place = Workplace(tmp_path, tmp_path / "store.sqlite")
    names = {"a": False, "b": True, "c": False}
    run_jobs([Timed(place, None, name, alone) for name, alone in names.items()], Told(), elsewhere)
    when = {
        name: [float((tmp_path / f"{name}-{what}").read_text()) for what in ("begins", "ends")]
        for name in names
    }
    begins, ends = when.pop("b")
    assert all(end <= begins or begin >= ends for begin, end in when.values())


KILLED = {
    **CONTENT,
    "models": ["fmn01"],
    "tasks": {
        "complexity": {},
        "train": {
            "recipe": "synthetic-cpu",
            "data": "toys",
            "device": "cpu",
            "threads": 1,
            "changes": ["epochs=6", "batch.size=2", "batch.effective=2", "data.crop_seconds=2"],
        },
        "evaluate": {"data": "toys", "metrics": ["psds1"]},
    },
}


def training(driver, work, but=None):
    """The process that trains, when there is one, but for this one, that has begun to."""
    until = time.monotonic() + 300
    while driver.poll() is None and time.monotonic() < until:
        job = running(work).get("fmn01 train seed 0")
        if job is not None and job.progress and job.process != but:
            return job.process
        time.sleep(0.05)
    raise AssertionError(f"no training began: {(driver.args, driver.poll())}\n{(work / 'said').read_text()}")


@pytest.fixture(params=["processes", "ray"])
def how(request):
    """Options of a command whose jobs run in other processes."""
    if request.param == "processes":
        return ["--workers", "2"]
    ray = request.getfixturevalue("cluster").ray
    return ["--executor", "ray", "--address", ray.get_runtime_context().gcs_address]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Rows of the study that others kill."""
    folder = tmp_path_factory.mktemp("undisturbed")
    calm = Workplace(folder / "calm", folder / "calm.sqlite")
    assert set(run_jobs(jobs(Study.model_validate(KILLED), calm), Told()).values()) == {None}
    return ours(calm.store)


def test_a_study_whose_driver_is_killed_goes_on_to_the_same_rows(how, undisturbed, tmp_path):
    (tmp_path / "s.yaml").write_text(json.dumps(KILLED))
    command = [sys.executable, "-m", "effbench", "study", "run", "s.yaml"]
    work = tmp_path / "results" / "studies" / "s"
    work.mkdir(parents=True)
    with (
        (work / "said").open("w") as said,
        subprocess.Popen([*command, *how], cwd=tmp_path, stderr=said) as driver,
    ):
        try:
            first = training(driver, work)
            if "ray" in how:  # first the worker, which is replaced
                os.kill(first, signal.SIGKILL)
                training(driver, work, but=first)
        finally:
            driver.kill()
    until = time.monotonic() + 60
    while running(work) and time.monotonic() < until:
        time.sleep(0.1)  # nothing outlives its driver
    assert not running(work)
    subprocess.run([*command, *how], cwd=tmp_path, capture_output=True, check=True)
    assert ours(tmp_path / "results" / "effbench.sqlite") == undisturbed


def ours(store):
    """What was measured here, each row once for every time that it is there."""
    with Store(store) as results:
        rows = results.read(provenance="measured", imported=False)
    rows = rows[rows["source"] == source()]
    assert {"macs_exact", "psds1"} <= set(rows["quantity"])
    epochs = [conditions.get("epoch") for conditions in rows["conditions"]]
    return sorted(zip(rows["spec"], rows["quantity"], map(str, epochs), rows["value"], strict=True))
