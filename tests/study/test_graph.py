"""The job graph: which jobs a study has, what each needs, and how they are called."""

import pytest

from effbench.data.synth.write import make_options
from effbench.errors import UsageError
from effbench.study.definition import Study, load_study
from effbench.study.graph import jobs
from effbench.study.job import Workplace
from effbench.yaml_files import shipped


@pytest.fixture
def place(tmp_path):
    return Workplace(tmp_path / "work", tmp_path / "store.sqlite")


def study(models=("fmn01",), data=None, **tasks):
    content = {"title": "x", "models": models, "tasks": tasks}
    return Study.model_validate(content if data is None else {**content, "data": data})


def keys(definition, place):
    return [job.key for job in jobs(definition, place)]


@pytest.mark.parametrize("name", shipped("benchmarks/studies"))
def test_every_job_has_a_key_of_its_own_and_stands_after_those_it_needs(name, place):
    before = set()
    for job in jobs(load_study(name), place):
        assert job.key not in before
        assert before.issuperset(job.needs)
        before.add(job.key)
    assert before


def test_paper_study_covers_both_figures(place):
    tasks = [job.task for job in jobs(load_study("paper"), place)]
    assert (tasks.count("complexity"), tasks.count("throughput"), len(tasks)) == (41, 41, 82)


def test_quick_study_trains_and_scores_on_the_set_that_it_makes(place):
    found = {job.key: job for job in jobs(load_study("quick"), place)}
    models = ("fmn04", "fmn04+gru-104", "fmn04+hybrid-104")
    assert list(found) == [
        *(f"{model} complexity" for model in models),
        *(f"{model} throughput fp32" for model in models),
        "data synthetic",
        *(f"{model} {task} seed 0" for model in models for task in ("train", "evaluate")),
    ]
    assert found["fmn04 train seed 0"].needs == ("data synthetic",)
    assert found["fmn04 evaluate seed 0"].needs == ("data synthetic", "fmn04 train seed 0")
    assert found["data synthetic"].options.options == make_options(clips=200, eval_clips=60)
    folder = place.folder / "runs" / "synthetic-cpu_fmn04_seed0"
    assert found["fmn04 evaluate seed 0"].checkpoint == str(folder / "best.pt")
    data = str((place.folder / "data" / "synthetic").resolve())
    assert found["fmn04 train seed 0"].plan.sources.data == data


def test_seeds_and_precisions_are_jobs_of_their_own(place):
    definition = study(
        throughput={"precisions": ["fp32", "bf16"]},
        train={"recipe": "synthetic-cpu", "data": "synthetic", "seeds": [3, 1], "changes": ["epochs=2"]},
        evaluate={"data": "synthetic"},
    )
    assert keys(definition, place) == [
        "fmn01 throughput fp32",
        "fmn01 throughput bf16",
        "data synthetic",
        "fmn01 train seed 3",
        "fmn01 train seed 1",
        "fmn01 evaluate seed 3",
        "fmn01 evaluate seed 1",
    ]
    training = jobs(definition, place)[3]
    assert (training.plan.recipe.seed, training.plan.recipe.epochs) == (3, 2)
    assert training.folder.name == "synthetic-cpu_fmn01_seed3"


def test_models_that_are_not_trained_are_scored_with_the_weights_that_the_task_names(place):
    definition = study(
        models=["fmn01", "fmn10"],
        train={"models": ["fmn01"], "recipe": "synthetic-cpu", "data": "synthetic"},
        evaluate={"data": "elsewhere", "checkpoint": "strong"},
    )
    trained, published = [job for job in jobs(definition, place) if job.task == "evaluate"]
    assert trained.checkpoint.endswith("synthetic-cpu_fmn01_seed0/best.pt")
    assert (published.key, published.checkpoint, published.needs) == ("fmn10 evaluate", "strong", ())
    assert trained.needs == ("fmn01 train seed 0",)


def test_a_set_that_no_task_names_is_not_made(place):
    data = {"one": {}, "other": {}}
    evaluated = keys(study(data=data, evaluate={"data": "other"}), place)
    assert evaluated == ["data other", "fmn01 evaluate"]
    assert keys(study(data=data, complexity={}), place) == ["fmn01 complexity"]


def test_sets_of_the_study_go_before_folders_of_the_same_name(place, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    own, other = (
        jobs(study(data={"toys": {}}, evaluate={"data": name}), place)[-1] for name in ("toys", "toys2")
    )
    assert own.data == (place.folder / "data" / "toys").resolve()
    assert other.data == (tmp_path / "toys2").resolve()


@pytest.mark.parametrize(
    ("train", "told"),
    [
        ({"recipe": "synthetic-cup"}, "unknown recipe 'synthetic-cup'; did you mean 'synthetic-cpu'"),
        ({"recipe": "synthetic-cpu", "changes": ["epochs=0"]}, "epochs: 0: input should be greater than 0"),
    ],
)
def test_a_recipe_that_can_not_be_followed_is_told_before_anything_runs(place, train, told):
    with pytest.raises(UsageError, match=told):
        jobs(study(train={"data": "synthetic", **train}), place)
    assert not place.folder.exists()


def test_tasks_of_one_kind_have_models_and_conditions_of_their_own(place):
    definition = study(
        models=["fmn01", "fmn02"],
        throughput=[{"threads": 1}, {"name": "half", "models": ["fmn02"], "precisions": ["bf16", "fp32"]}],
        train=[
            {"recipe": "synthetic-cpu", "data": "synthetic", "models": ["fmn01"]},
            {"name": "slow", "recipe": "synthetic-cpu", "data": "synthetic", "models": ["fmn01"]},
        ],
        evaluate=[
            {"data": "synthetic", "models": ["fmn01"]},
            {"name": "train", "data": "synthetic", "models": ["fmn01"], "split": "train"},
        ],
    )
    found = {job.key: job for job in jobs(definition, place)}
    assert list(found) == [
        "fmn01 throughput fp32",
        "fmn02 throughput fp32",
        "fmn02 throughput bf16 half",
        "fmn02 throughput fp32 half",
        "data synthetic",
        "fmn01 train seed 0",
        "fmn01 train seed 0 slow",
        "fmn01 evaluate seed 0",
        "fmn01 evaluate seed 0 slow",
        "fmn01 evaluate seed 0 train",
        "fmn01 evaluate seed 0 slow train",
    ]
    assert found["fmn01 evaluate seed 0 slow train"].needs == ("data synthetic", "fmn01 train seed 0 slow")
    assert found["fmn01 train seed 0 slow"].folder.name == "synthetic-cpu_fmn01_seed0_slow"
