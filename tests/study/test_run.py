"""Studies: shipped ones are valid, finished jobs are not repeated, failures do not stop the rest."""

import pytest

from effbench.errors import EffbenchError, UsageError
from effbench.resources import share
from effbench.results.store import Store
from effbench.study import run as running
from effbench.study.definition import Study, load_study, study_names

SMALL = {
    "title": "small",
    "models": ["fmn04", "fmn04+hybrid-104"],
    "tasks": {"complexity": {}, "throughput": {"models": ["fmn04"], "batch_sizes": [1], "seconds": 0.5}},
}

CHANGES = [
    {"batch_sizes": [2]},
    {"precisions": ["bf16"]},
    {"parts": ["both"]},
    {"seconds": 0.6},
    {"compiled": True},
    {"threads": 77},
]


def run(todo, store):
    return running.run(todo, store, start=lambda _: None, line=lambda _: None)


@pytest.mark.parametrize("name", study_names())
def test_shipped_study_is_valid(name):
    study = load_study(name)
    assert running.jobs(study)
    assert load_study(str(share("benchmarks/studies") / f"{name}.yaml")) == study


def test_paper_study_covers_both_figures():
    jobs = running.jobs(load_study("paper"))
    assert sum(job.task == "complexity" for job in jobs) == 41
    assert sum(job.task == "throughput" for job in jobs) == 12


def test_finished_jobs_are_not_repeated_and_other_conditions_are_others(tmp_path):
    study = Study.model_validate(SMALL)
    with Store(tmp_path / "results.sqlite", create=True) as store:
        todo = running.pending(study, store)
        assert len(todo) == 3
        assert [outcome.error for outcome in run(todo[:2], store)] == [None, None]
        assert running.pending(study, store) == todo[2:]
        run(todo[2:], store)
        assert running.pending(study, store) == []
        more = study.model_copy(update={"models": ("fmn04", "fmn04+hybrid-104", "fmn04+gru-104")})
        assert [str(job) for job in running.pending(more, store)] == ["fmn04+gru-104 complexity"]
        for change in CHANGES:
            task = SMALL["tasks"]["throughput"] | change
            other = Study.model_validate({**SMALL, "tasks": {"throughput": task}})
            assert len(running.pending(other, store)) == 1, change


def test_failed_job_does_not_stop_the_others(tmp_path):
    too_long = {"seconds": 20}  # for ATST-F alone
    study = Study.model_validate(
        {"title": "x", "models": ["ATST-F", "fmn04"], "tasks": {"complexity": too_long}}
    )
    lines = []
    with Store(tmp_path / "results.sqlite", create=True) as store:
        outcomes = running.run(running.pending(study, store), store, start=lines.append, line=lines.append)
        assert [outcome.error is None for outcome in outcomes] == [False, True]
        assert [str(job) for job in running.pending(study, store)] == ["ATST-F complexity"]
    assert any("ATST-F" in line and "failed" in line for line in lines)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("title: x\nmodels: []\ntasks: {}", "models"),
        ("title: x\nmodels: [fmn04]\ntasks: {troughput: {}}", "tasks.troughput"),
        (
            "title: x\nmodels: [fmn04]\ntasks: {throughput: {batch_sizes: [0], precisions: [fp64]}}",
            "batch_sizes.0",
        ),
        ("{", "can't be read: .* in line 2"),
        ("- 1", "is not a mapping"),
    ],
)
def test_bad_study_lists_its_problems(tmp_path, text, told):
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(EffbenchError, match=told):
        load_study(str(path))


def test_unknown_study_suggests_the_nearest():
    with pytest.raises(UsageError, match="did you mean 'quick'"):
        load_study("quik")
