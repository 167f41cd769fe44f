"""Which measurements are done: what the store holds of this version and device, in the same conditions."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from effbench.machine.environment import device_name
from effbench.results.row_files import read_rows
from effbench.results.store import Store
from effbench.study.definition import Study
from effbench.study.graph import jobs
from effbench.study.job import Workplace, pending
from effbench.version import source
from tests import rows

BEFORE = Path(__file__).parents[1] / "fixtures" / "before" / "store.csv"


@pytest.fixture
def place(tmp_path):
    return Workplace(tmp_path / "work", tmp_path / "store.sqlite")


@pytest.fixture(autouse=True)
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def todo(place, models=("fmn04",), **tasks):
    definition = Study.model_validate({"title": "x", "models": models, "tasks": tasks})
    return [job.key for job in pending(jobs(definition, place), place.measured())]


def keep(place, measurements, **changes):
    place.keep(replace(row, source=source(), **changes) for row in measurements)


def counted(*specs, seconds=10.0):
    return [replace(row, conditions={"seconds": seconds}) for row in rows.complexity() if row.spec in specs]


def timed(spec="fmn04", **conditions):
    """Throughput of the network at batch sizes 1 and 4, with two threads."""
    made = rows.timings(device_name("cpu"), specs=[spec], batch_sizes=(1, 4))
    return [replace(row, conditions={**row.conditions, **conditions}) for row in made]


def test_models_that_are_counted_are_done(place):
    models = ("fmn04", "fmn06")
    assert todo(place, models, complexity={}) == ["fmn04 complexity", "fmn06 complexity"]
    keep(place, counted("fmn06"))
    assert todo(place, models, complexity={}) == ["fmn04 complexity"]
    keep(place, counted("fmn04"))
    assert todo(place, models, complexity={}) == []


@pytest.mark.parametrize("task", [{"seconds": 5}, {"counters": ["thop"]}, {"counters": ["thop", "torch"]}])
def test_counts_of_other_clips_or_without_a_counter_are_not_done(place, task):
    keep(place, counted("fmn04"))
    assert todo(place, complexity=task) == ["fmn04 complexity"]


def test_counters_are_done_once_all_have_counted(place):
    keep(place, [*counted("fmn04"), *rows.counters("fmn04", "x")])
    assert todo(place, complexity={"counters": ["fvcore", "thop", "torch"]}) == []


@pytest.mark.parametrize("task", [{}, {"batch_sizes": [4]}, {"batch_sizes": [1, 4], "threads": 2}])
def test_models_that_are_timed_are_done(place, task):
    assert todo(place, throughput=task) == ["fmn04 throughput fp32"]
    keep(place, timed())
    assert todo(place, throughput=task) == []


@pytest.mark.parametrize(
    "change",
    [
        {"batch_sizes": [1, 2]},
        {"precisions": ["bf16"]},
        {"parts": ["network", "both"]},
        {"seconds": 9},
        {"backend": "compiled"},
        {"threads": 1},
    ],
)
def test_other_conditions_are_other_jobs(place, change):
    keep(place, timed())
    (precision,) = change.get("precisions", ["fp32"])
    assert todo(place, throughput=change) == [f"fmn04 throughput {precision}"]


def test_times_with_other_threads_than_those_of_this_process_are_not_done(place):
    keep(place, timed(threads=1))
    assert todo(place, throughput={}) == ["fmn04 throughput fp32"]
    torch.set_num_threads(1)
    assert todo(place, throughput={}) == []


@pytest.mark.parametrize(
    ("task", "threads"),
    [({}, 2), ({"threads": 1}, 1), ({"device": "cuda"}, None), ({"hardware": "EPYC"}, None)],
)
def test_a_worker_elsewhere_times_with_the_threads_of_this_process(place, task, threads):
    definition = Study.model_validate({"title": "x", "models": ["fmn04"], "tasks": {"throughput": task}})
    (job,) = jobs(definition, place)
    assert job.settled().options.threads == threads


def test_conditions_must_hold_for_one_row_together(place):
    keep(place, [*timed(threads=1, part="both"), *timed(threads=2)])
    task = {"parts": ["network", "both"], "threads": 2}
    assert todo(place, throughput=task) == ["fmn04 throughput fp32"]
    keep(place, timed(threads=2, part="both"))
    assert todo(place, throughput=task) == []


def test_a_front_end_computes_in_single_precision_whatever_the_network_does(place):
    task = {"parts": ["network", "frontend"], "precisions": ["bf16"]}
    keep(place, timed(precision="bf16"))
    assert todo(place, throughput=task) == ["fmn04 throughput bf16"]
    keep(place, timed(part="frontend"))
    assert todo(place, throughput=task) == []


def test_times_with_other_kernels_are_others(place):
    keep(place, timed(kernels="mamba-ssm"))
    assert todo(place, throughput={}) == ["fmn04 throughput fp32"]


def test_every_part_is_timed_at_every_batch_size(place):
    keep(place, [*timed(), *(row for row in timed(part="both") if row.conditions["batch_size"] == 1)])
    task = {"parts": ["network", "both"], "batch_sizes": [1, 4]}
    assert todo(place, throughput=task) == ["fmn04 throughput fp32"]


def test_what_another_version_or_device_measured_is_measured_here(place):
    for row in counted("fmn04"):
        place.keep([replace(row, source="effbench 0.0.1")])
    keep(place, timed(), device="Abacus 3000")
    assert todo(place, complexity={}, throughput={}) == ["fmn04 complexity", "fmn04 throughput fp32"]


def test_what_another_machine_measured_is_measured_here(place):
    with Store(place.store, create=True) as store:
        assert store.add(counted("fmn04"), origin="their.csv") > 0
    assert todo(place, complexity={}) == ["fmn04 complexity"]


def test_published_values_are_not_measured(place):
    keep(place, counted("fmn04"), provenance="published")
    assert todo(place, complexity={}) == ["fmn04 complexity"]


def test_what_the_version_before_measured_is_done_while_its_name_is_the_same(place, tmp_path):
    text = BEFORE.read_text().replace("effbench 0.1.0", source()).replace("AMD EPYC", device_name("cpu"))
    (tmp_path / "rows.csv").write_text(text)
    with Store(place.store, create=True) as store:
        store.add(read_rows(tmp_path / "rows.csv"))
    timing = {"parts": ["network", "frontend", "both"], "batch_sizes": [1], "threads": 1}
    assert todo(place, ["fmn01+gru-16", "fmn01"], complexity={}, throughput=timing) == [
        "fmn01 complexity",
        "fmn01 throughput fp32",
    ]
